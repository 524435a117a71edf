import Foundation
import SystemPackage
import TestSupport
import Testing
import W2VBase

@Suite("Leftovers and locks", .onTestThreads)
struct LeftoversTests {
    @Test func onlyWhatNobodyWritesIsRemoved() throws {
        try withTemporaryFolder { folder in
            let path = { (name: String) in folder.appendingPathComponent(name).path }
            let written = try Leftovers.create(path("a.partial"))
            let filled = try Leftovers.createFolder(path("f.partial"))
            try Data("x".utf8).write(to: folder.appendingPathComponent("b.partial"))
            try Data("x".utf8).write(to: folder.appendingPathComponent("c"))
            try FileManager.default.createDirectory(
                at: folder.appendingPathComponent("d.partial"), withIntermediateDirectories: true)
            try FileManager.default.createSymbolicLink(atPath: path("e.partial"), withDestinationPath: path("c"))
            Leftovers.remove(in: folder) { $0.hasSuffix(".partial") }
            var left = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
            #expect(left == ["a.partial", "c", "d.partial", "e.partial", "f.partial"])
            try written.close()
            Leftovers.remove(in: folder) { $0.hasSuffix(".partial") }
            left = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
            #expect(left == ["c", "d.partial", "e.partial", "f.partial"])
            Leftovers.remove(.folders, in: folder) { $0.hasSuffix(".partial") }
            left = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
            #expect(left == ["c", "e.partial", "f.partial"])
            try filled.close()
            Leftovers.remove(in: folder.appendingPathComponent("none")) { _ in true }
            #expect(throws: Errno.fileExists) { try Leftovers.create(path("c")) }
        }
    }

    @Test func aFolderIsLockedOnce() throws {
        try withTemporaryFolder { folder in
            do {
                let lock = try FolderLock(folder)
                #expect(throws: FolderLock.Failure.inUse) { try FolderLock(folder) }
                withExtendedLifetime(lock) {}
            }
            _ = try FolderLock(folder)
            #expect(throws: FolderLock.Failure.unopened(reason: "there is no such file or folder")) {
                try FolderLock(folder.appendingPathComponent("none"))
            }
        }
    }
}

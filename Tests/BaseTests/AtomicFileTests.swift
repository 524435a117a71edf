import Foundation
import TestSupport
import Testing
import W2VBase

@Suite("Atomic files and folders", .onTestThreads)
struct AtomicFileTests {
    private struct Failure: Error {}

    private func names(_ folder: URL) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    }

    @Test func aFileAppearsWhenItIsWhole() throws {
        try withTemporaryFolder { folder in
            let place = folder.appendingPathComponent("a")
            try Data("old".utf8).write(to: place)
            let file = try AtomicFile(place)
            try file.append(Data("new".utf8))
            try file.synchronize()
            #expect(try String(contentsOf: place, encoding: .utf8) == "old" && file.written == 3)
            try file.commit()
            #expect(try String(contentsOf: place, encoding: .utf8) == "new" && names(folder) == ["a"])
            #expect(throws: Failure.self) {
                try AtomicFile.write(to: place) {
                    try $0.append(Data("half".utf8))
                    throw Failure()
                }
            }
            #expect(try String(contentsOf: place, encoding: .utf8) == "new" && names(folder) == ["a"])
        }
    }

    @Test func aLinkStaysOne() throws {
        try withTemporaryFolder { folder in
            let link = folder.appendingPathComponent("link")
            try FileManager.default.createSymbolicLink(
                atPath: link.path, withDestinationPath: folder.appendingPathComponent("a").path)
            try AtomicFile.write(to: link) { try $0.append(Data("new".utf8)) }
            #expect(try names(folder) == ["a", "link"])
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link.path).hasSuffix("/a"))
            // Devices are written directly.
            try AtomicFile.write(to: URL(fileURLWithPath: "/dev/null")) { try $0.append(Data("new".utf8)) }
            #expect(FileManager.default.fileExists(atPath: "/dev/null"))
        }
    }

    @Test func onlyLeftoversOfTheSameFileAreRemoved() throws {
        try withTemporaryFolder { folder in
            let id = UUID().uuidString
            for name in [".a.\(id).partial", ".b.\(id).partial", ".a.partial"] {
                try Data().write(to: folder.appendingPathComponent(name))
            }
            let busy = try AtomicFile(folder.appendingPathComponent("a"))
            AtomicFile.removeLeftovers(of: folder.appendingPathComponent("a"))
            let own = busy.temporaryPath.map { ($0 as NSString).lastPathComponent } ?? ""
            #expect(try Set(names(folder)) == [".b.\(id).partial", ".a.partial", own])
        }
    }

    @Test func errorsNameTheFolderThatIsWritten() throws {
        try withTemporaryFolder { folder in
            let place = folder.appendingPathComponent("run", isDirectory: true)
            let error = try #require(throws: FileWriteError.self) {
                try AtomicFolder.write(to: place) { new in
                    try AtomicFile.write(to: new.appendingPathComponent("none/a")) { _ in }
                }
            }
            #expect(error.path == place.path + "/none/a")
            #expect(try names(folder) == [])
        }
    }

    @Test func aFolderIsReplacedAsAWhole() throws {
        try withTemporaryFolder { folder in
            let place = folder.appendingPathComponent("run", isDirectory: true)
            func write(_ text: String) throws {
                try AtomicFolder.write(to: place) { new in
                    try AtomicFile.write(to: new.appendingPathComponent(text)) { try $0.append(Data(text.utf8)) }
                    if text == "bad" { throw Failure() }
                }
            }
            let left = folder.appendingPathComponent(".run.\(UUID().uuidString).partial/deep")
            try FileManager.default.createDirectory(at: left, withIntermediateDirectories: true)
            try write("first")
            try write("second")
            #expect(throws: Failure.self) { try write("bad") }
            #expect(try names(place) == ["second"] && names(folder) == ["run"])
        }
    }

    @Test(arguments: [true, false])
    func foldersChangePlaces(inOneStep: Bool) throws {
        try withTemporaryFolder { folder in
            let (new, place) = (folder.appendingPathComponent("new"), folder.appendingPathComponent("place"))
            for url in [new, place] {
                try FileManager.default.createDirectory(
                    at: url.appendingPathComponent(url.lastPathComponent), withIntermediateDirectories: true)
            }
            let replaced = try AtomicFolder.put(
                new, in: place, aside: folder.appendingPathComponent("old"),
                exchange: inOneStep ? AtomicFolder.exchange : { _, _ in false })
            #expect(replaced?.lastPathComponent == (inOneStep ? "new" : "old"))
            #expect(try names(place) == ["new"] && replaced.map(names) == ["place"])
        }
    }
}

import Foundation
import Synchronization
import TestSupport
import Testing
import W2VTorch

@testable import W2VTraining

@Suite(.onTestThreads) struct RunFolderTests {
    private let temporary: TemporaryFolder

    init() throws { temporary = try TemporaryFolder() }

    private func makeFolder() -> RunFolder { RunFolder(url: temporary.file("run")) }

    private func write(_ text: String) -> (URL) throws -> Void {
        { folder in try Data(text.utf8).write(to: folder.appendingPathComponent("state")) }
    }

    private func content(_ folder: RunFolder) throws -> String {
        try String(contentsOf: folder.last.appendingPathComponent("state"), encoding: .utf8)
    }

    @Test func anInterruptedSaveLeavesAWholeCheckpoint() throws {
        let folder = makeFolder()
        #expect(try !folder.prepare(resumes: false))
        try folder.replace("last", write("one"))
        let (new, old) = (
            folder.url.appendingPathComponent(".last.new"), folder.url.appendingPathComponent(".last.old")
        )
        let manager = FileManager.default
        // Killed while writing.
        try manager.createDirectory(at: new, withIntermediateDirectories: false)
        #expect(try folder.prepare(resumes: true))
        #expect(try content(folder) == "one" && !manager.fileExists(atPath: new.path))
        // Killed after the old one was moved aside.
        try manager.createDirectory(at: new, withIntermediateDirectories: false)
        try write("two")(new)
        try manager.moveItem(at: folder.last, to: old)
        #expect(try folder.prepare(resumes: true))
        #expect(try content(folder) == "two" && !manager.fileExists(atPath: old.path))
        // Killed before the old one was removed.
        try manager.createDirectory(at: old, withIntermediateDirectories: false)
        #expect(try folder.prepare(resumes: true))
        #expect(try content(folder) == "two" && !manager.fileExists(atPath: old.path))
    }

    /// With a sharded state the others send their parts: a lost process is the cause, not the disk.
    @Test func aLostProcessIsNotTheDisksFault() throws {
        let folder = makeFolder()
        _ = try folder.prepare(resumes: false)
        try folder.replace("last", write("one"))
        #expect {
            try folder.replace("last") { _ in throw TorchError.communication("the connection was closed") }
        } throws: {
            if case TorchError.communication = $0 { true } else { false }
        }
        #expect {
            try folder.replace("last") { _ in throw TorchError.runtime("out of memory") }
        } throws: {
            $0 as? TrainingError
                == .cannotSave(folder: folder.last.path, reason: "out of memory", intact: folder.last.path)
        }
        #expect(try content(folder) == "one")
    }

    /// A reader that looks for `last/` while it is replaced always finds a whole one.
    @Test func theCheckpointIsNeverMissing() throws {
        let folder = makeFolder()
        _ = try folder.prepare(resumes: false)
        try folder.replace("last", write("0"))
        let looks = Atomic<Int>(0)
        let ends = Atomic<Bool>(false)
        let missed = Mutex(0)
        let hasEnded = DispatchSemaphore(value: 0)
        let place = folder.last.path
        Thread {
            while !ends.load(ordering: .relaxed) {
                if access(place, F_OK) != 0 { missed.withLock { $0 += 1 } }
                looks.add(1, ordering: .relaxed)
            }
            hasEnded.signal()
        }.start()
        for number in 1...300 { try folder.replace("last", write("\(number)")) }
        ends.store(true, ordering: .relaxed)
        hasEnded.wait()
        #expect(try content(folder) == "300")
        #expect(missed.withLock { $0 } == 0 && looks.load(ordering: .relaxed) > 300)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == ["last"])
    }

    /// Some file systems cannot swap two folders atomically.
    @Test func twoStepsServeWhereOneIsImpossible() throws {
        var folder = makeFolder()
        folder.exchange = { _, _ in false }
        _ = try folder.prepare(resumes: false)
        for text in ["one", "two", "three"] { #expect(try folder.replace("last", write(text)).isEmpty) }
        #expect(try content(folder) == "three")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == ["last"])
    }

    /// Killed between the exchange and the removal of the old state.
    @Test func theStateBeforeIsRemovedAfterAKill() throws {
        let folder = makeFolder()
        _ = try folder.prepare(resumes: false)
        try folder.replace("last", write("new"))
        let new = folder.url.appendingPathComponent(".last.new")
        try FileManager.default.createDirectory(at: new, withIntermediateDirectories: false)
        try write("old")(new)
        #expect(folder.newestState == folder.last)
        #expect(try folder.prepare(resumes: true))
        #expect(try content(folder) == "new" && !FileManager.default.fileExists(atPath: new.path))
    }

    /// The superuser may write everywhere.
    @Test(.enabled(if: geteuid() != 0)) func aStateThatCannotBeRemovedIsTheReason() throws {
        let folder = makeFolder()
        let manager = FileManager.default
        defer {
            for name in ["last", ".last.new", ".last.old"] {
                try? manager.setAttributes(
                    [.posixPermissions: 0o755], ofItemAtPath: folder.url.appendingPathComponent(name).path)
            }
            try? manager.removeItem(at: folder.url)
        }
        _ = try folder.prepare(resumes: false)
        try folder.replace("last", write("one"))
        try manager.setAttributes([.posixPermissions: 0o555], ofItemAtPath: folder.last.path)
        let told = try folder.replace("last", write("two"))
        #expect(told.count == 1 && told[0].contains("Permission denied") && told[0].contains(".last.new"), "\(told)")
        let error = try #require(throws: TrainingError.self) { try folder.replace("last", write("three")) }
        #expect(
            "\(error)".contains("cannot remove .last.new: ") && "\(error)".contains("Permission denied"), "\(error)")
        #expect(try content(folder) == "two")
    }

    @Test func aFailedSaveLeavesTheOldCheckpoint() throws {
        let folder = makeFolder()
        _ = try folder.prepare(resumes: false)
        try folder.replace("last", write("one"))
        #expect(throws: TrainingError.self) {
            try folder.replace("last") { url in
                try write("half")(url)
                throw POSIXError(.ENOSPC)
            }
        }
        #expect(try content(folder) == "one")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == ["last"])
    }

    private func state(_ update: Int) -> (URL) throws -> Void {
        { folder in
            var state = TrainingState(recipe: [:], data: "")
            state.update = update
            try state.write(to: folder)
        }
    }

    @Test func keptCheckpointsOutliveLastAndInterruptions() throws {
        let folder = makeFolder()
        _ = try folder.prepare(resumes: false)
        for update in 1...3 {
            try folder.replace("last", state(update))
            try folder.keepLast(update: update)
        }
        #expect(folder.kept().map(\.update) == [1, 2, 3])
        // Killed while keeping, and while removing.
        let manager = FileManager.default
        let (new, old) = (
            folder.url.appendingPathComponent(".update-4.new"), folder.url.appendingPathComponent(".update-1.old")
        )
        try manager.createDirectory(at: new, withIntermediateDirectories: false)
        try manager.moveItem(at: folder.url.appendingPathComponent("update-1"), to: old)
        // And while the recipe was written.
        let partial = folder.url.appendingPathComponent(".recipe.yaml.\(UUID().uuidString).partial")
        try Data("seed".utf8).write(to: partial)
        #expect(try folder.prepare(resumes: true))
        #expect(!manager.fileExists(atPath: partial.path))
        #expect(!manager.fileExists(atPath: new.path) && !manager.fileExists(atPath: old.path))
        #expect(folder.kept().map(\.update) == [2, 3])
        #expect(folder.removeKept { update, _ in update == 3 }.isEmpty)
        #expect(folder.kept().map(\.update) == [3])
        #expect(try TrainingState.read(folder.last).update == 3)
    }

    @Test func aDryRunFindsTheStateOfAnInterruptedSave() throws {
        let folder = makeFolder()
        #expect(folder.newestState == nil)
        _ = try folder.prepare(resumes: false)
        let (new, old) = (
            folder.url.appendingPathComponent(".last.new"), folder.url.appendingPathComponent(".last.old")
        )
        let manager = FileManager.default
        // Half of a first checkpoint does not count.
        try manager.createDirectory(at: new, withIntermediateDirectories: false)
        #expect(folder.newestState == nil)
        try manager.removeItem(at: new)
        try folder.replace("last", write("one"))
        #expect(folder.newestState == folder.last)
        try manager.moveItem(at: folder.last, to: old)
        #expect(folder.newestState?.lastPathComponent == ".last.old")
        try manager.createDirectory(at: new, withIntermediateDirectories: false)
        #expect(folder.newestState?.lastPathComponent == ".last.new")
    }
}

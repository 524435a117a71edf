import Foundation
import Testing

@testable import Training

@Suite struct RunFolderTests {
    private func makeFolder() throws -> RunFolder {
        RunFolder(
            url: FileManager.default.temporaryDirectory.appendingPathComponent("wav2vec2-run-\(UUID().uuidString)"))
    }

    private func write(_ text: String) -> (URL) throws -> Void {
        { folder in try Data(text.utf8).write(to: folder.appendingPathComponent("state")) }
    }

    private func content(_ folder: RunFolder) throws -> String {
        try String(contentsOf: folder.last.appendingPathComponent("state"), encoding: .utf8)
    }

    @Test func anInterruptedSaveLeavesAWholeCheckpoint() throws {
        let folder = try makeFolder()
        defer { try? FileManager.default.removeItem(at: folder.url) }
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

    @Test func aFailedSaveLeavesTheOldCheckpoint() throws {
        let folder = try makeFolder()
        defer { try? FileManager.default.removeItem(at: folder.url) }
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
}

import Foundation
import Testing

@testable import Training

/// The program that was built beside these tests.
private let program = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
    .appendingPathComponent("wav2vec2")

@Suite(
    .serialized,
    .enabled(if: FileManager.default.isExecutableFile(atPath: program.path), "the program is not built"))
struct KillTests {
    private let corpus: SyntheticCorpus

    init() throws {
        corpus = try SyntheticCorpus()
        let recipe = try SyntheticCorpus.recipe(["optimization.max_update=30"])
        try Data(recipe.yaml.utf8).write(to: corpus.file("recipe.yaml"))
    }

    /// Starts the program; with a limit, no file may grow beyond so many blocks of 512 bytes.
    private func start(_ output: String, _ options: [String] = [], fileLimit: Int? = nil) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        let limit = fileLimit.map { "trap '' XFSZ; ulimit -f \($0); " } ?? ""
        // One thread: what is computed is tiny, and test machines are busy.
        process.environment = ProcessInfo.processInfo.environment.merging(["OMP_NUM_THREADS": "1"]) { $1 }
        process.arguments =
            [
                "-c", limit + "exec \"$0\" \"$@\"", program.path, "pretrain", "--recipe",
                corpus.file("recipe.yaml").path, "--train", corpus.file("train.tsv").path,
                "--valid", corpus.file("valid.tsv").path, "--output", corpus.file(output).path, "--resume",
            ] + options
        try Data().write(to: corpus.file("errors.txt"))
        process.standardError = try FileHandle(forWritingTo: corpus.file("errors.txt"))
        try process.run()
        return process
    }

    @Test func killsAtAnyMomentChangeNothing() throws {
        let began = ContinuousClock.now
        let straight = try start("straight")
        straight.waitUntilExit()
        #expect(straight.terminationStatus == 0)
        let whole = (ContinuousClock.now - began) / .seconds(1)
        var kills = 0
        for attempt in 0..<60 {
            let process = try start("killed")
            // A part of what the undisturbed run took; later attempts live longer, so that a slow machine gets on too.
            let life = whole * (Double.random(in: 0.1...0.7) + Double(attempt) * 0.05)
            if kills < 8 {
                Thread.sleep(forTimeInterval: life)
                kill(process.processIdentifier, SIGKILL)
            }
            process.waitUntilExit()
            if process.terminationReason == .exit {
                #expect(process.terminationStatus == 0)
                break
            }
            kills += 1
        }
        #expect(kills > 0)
        #expect(try corpus.bytes("killed") == corpus.bytes("straight"))
        #expect(try corpus.bytes("killed", "best") == corpus.bytes("straight", "best"))
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: corpus.file("killed").path).sorted()
                == ["best", "last", "metrics.jsonl", "recipe.yaml"])
    }

    @Test func aFullDiskLeavesTheOldCheckpoint() throws {
        let first = try start("full", ["--set", "optimization.max_update=2"])
        first.waitUntilExit()
        #expect(first.terminationStatus == 0)
        let before = try corpus.bytes("full")
        let second = try start("full", ["--set", "optimization.max_update=4"], fileLimit: 60)
        second.waitUntilExit()
        let message = try String(contentsOf: corpus.file("errors.txt"), encoding: .utf8)
        #expect(message.contains("could not be saved") && message.contains("file size limit"))
        #expect(second.terminationReason == .exit && second.terminationStatus == 1)
        #expect(try corpus.bytes("full") == before)
        let third = try start("full", ["--set", "optimization.max_update=4"])
        third.waitUntilExit()
        #expect(third.terminationStatus == 0)
        #expect(try TrainingState.read(corpus.file("full/last")).update == 4)
    }

    @Test(arguments: [(SIGINT, Int32(130)), (SIGTERM, Int32(143))] as [(Int32, Int32)])
    func signalsSaveAndLeaveWithTheirCode(_ signal: Int32, _ code: Int32) async throws {
        let process = try start("stopped")
        let last = corpus.file("stopped/last")
        for _ in 0..<600 where !FileManager.default.fileExists(atPath: last.path) {
            try await Task.sleep(for: .milliseconds(50))
        }
        kill(process.processIdentifier, signal)
        process.waitUntilExit()
        #expect(process.terminationReason == .exit && process.terminationStatus == code)
        #expect(try TrainingState.read(last).update < 30)
    }
}

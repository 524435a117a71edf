import Foundation
import TestSupport
import Testing
import W2VBase
import W2VCluster

@testable import W2VTraining

@Suite(.onTestThreads, .serialized) struct KillTests {
    private let corpus: SyntheticCorpus

    init() throws {
        corpus = try SyntheticCorpus()
        let recipe = try SyntheticCorpus.recipe(["optimization.max_update=30"])
        try Data(recipe.yaml.utf8).write(to: corpus.file("recipe.yaml"))
    }

    /// Starts the program; with a limit, files cannot grow beyond this many blocks of 512 bytes.
    private func start(
        _ output: String, _ options: [String] = [], fileLimit: Int? = nil, before: String = "", errors: Pipe? = nil
    ) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        let limit = before + (fileLimit.map { "trap '' XFSZ; ulimit -f \($0); " } ?? "")
        // One thread: the computation is tiny, and test machines are busy.
        process.environment = ProcessInfo.processInfo.environment.merging(["OMP_NUM_THREADS": "1"]) { $1 }
        process.arguments =
            try [
                "-c", limit + "exec \"$0\" \"$@\"", BuiltProgram.url.path, "pretrain", "--recipe",
                corpus.file("recipe.yaml").path, "--train", corpus.file("train.tsv").path,
                "--valid", corpus.file("valid.tsv").path, "--output", corpus.file(output).path, "--resume",
            ] + options
        try Data().write(to: corpus.file("errors.txt"))
        if let errors {
            process.standardError = errors
        } else {
            process.standardError = try FileHandle(forWritingTo: corpus.file("errors.txt"))
        }
        try process.run()
        return process
    }

    @Test func killsAtTwentyRandomMomentsChangeNothing() throws {
        let options = [
            "--set", "checkpoint.keep_last_checkpoints=3", "--set", "checkpoint.keep_milestones=7 updates",
        ]
        let began = ContinuousClock.now
        let straight = try start("straight", options)
        straight.waitUntilExit()
        #expect(straight.terminationStatus == 0)
        let whole = (ContinuousClock.now - began) / .seconds(1)
        var kills = 0
        var updates: Set<Int> = []
        var choices = Choices(seed: 71)
        // If a kill has broken something, these show which.
        var moments: [String] = []
        for attempt in 0..<200 where kills < 20 {
            let process = try start("killed", options)
            // At any moment between the start of the process and some updates later. Every fourth process lives longer,
            // so that a slow machine makes progress too; a finished run is restarted, so that all twenty kills happen.
            let share = Double.random(in: 0.05...(attempt % 4 == 3 ? 0.9 : 0.5), using: &choices)
            Thread.sleep(forTimeInterval: whole * share)
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            if process.terminationReason == .uncaughtSignal {
                kills += 1
                let update = (try? TrainingState.read(corpus.file("killed/last")))?.update
                if let update { updates.insert(update) }
                moments.append("\(Int(whole * share * 1000)) ms, update \(update ?? 0)")
            } else {
                #expect(process.terminationStatus == 0)
                try expectSame(after: moments)
                moments = []
                try FileManager.default.removeItem(at: corpus.file("killed"))
            }
        }
        #expect(kills == 20)
        #expect(updates.count > 1, "the kills came at different updates: \(updates.sorted())")
        let rest = try start("killed", options)
        rest.waitUntilExit()
        #expect(rest.terminationStatus == 0)
        try expectSame(after: moments)
    }

    private func expectSame(after moments: [String]) throws {
        let kills = "killed after \(moments.joined(separator: "; "))"
        let names = ["best", "last", "update-28", "update-29", "update-30", "update-7", "update-14", "update-21"]
        for name in names {
            #expect(try corpus.bytes("killed", name) == corpus.bytes("straight", name), "\(name), \(kills)")
        }
        // No partial file remains either.
        let found = try FileManager.default.contentsOfDirectory(atPath: corpus.file("killed").path).sorted()
        let files = ["log.txt", "metrics.jsonl", "recipe.yaml", "run.json", "tensorboard"]
        #expect(found == (names + files).sorted(), "\(kills)")
        #expect(try lines("killed") == lines("straight"), "\(kills)")
    }

    /// The log's contents apart from times: every update once, in order.
    private func lines(_ output: String) throws -> [String] {
        try corpus.metrics(output).filter { $0["kind"] as? String != "benchmark" }.map { line in
            ["kind", "update", "loss", "grad_norm", "best"].map { "\(line[$0] ?? "")" }.joined(separator: " ")
        }
    }

    @Test func aFullDiskLeavesTheOldCheckpoints() throws {
        let keep = ["--set", "checkpoint.keep_milestones=2 updates", "--set", "optimization.max_update="]
        func options(_ updates: Int) -> [String] { keep.dropLast() + [keep[3] + String(updates)] }
        let first = try start("full", options(2))
        first.waitUntilExit()
        #expect(first.terminationStatus == 0)
        let before = try corpus.bytes("full")
        let second = try start("full", options(4), fileLimit: 60)
        second.waitUntilExit()
        let message = try String(contentsOf: corpus.file("errors.txt"), encoding: .utf8)
        #expect(message.contains("could not be saved") && message.contains("file size limit"))
        #expect(second.terminationReason == .exit && second.terminationStatus == 1)
        #expect(try corpus.bytes("full") == before)
        #expect(try corpus.bytes("full", "update-2") == before)
        let third = try start("full", options(4))
        third.waitUntilExit()
        #expect(third.terminationStatus == 0)
        #expect(try TrainingState.read(corpus.file("full/last")).update == 4)
        #expect(try corpus.bytes("full", "update-2") == before)
        #expect(try TrainingState.read(corpus.file("full/update-4")).update == 4)
    }

    @Test func aClosedPipeAndATerminalThatNohupKeepsAwayEndNothing() throws {
        let pipe = Pipe()
        let process = try start("piped", before: "trap '' HUP; ", errors: pipe)
        try pipe.fileHandleForWriting.close()
        #expect(try pipe.fileHandleForReading.read(upToCount: 1)?.count == 1)
        try pipe.fileHandleForReading.close()
        try wait(for: "the first checkpoint") { FileManager.default.fileExists(atPath: corpus.file("piped/last").path) }
        kill(process.processIdentifier, SIGHUP)
        process.waitUntilExit()
        #expect(process.terminationReason == .exit && process.terminationStatus == 0)
        #expect(try TrainingState.read(corpus.file("piped/last")).update == 30)
    }

    /// The system reports a launcher's end once for each of its threads.
    @Test(arguments: 0..<4) func theEndOfTheLauncherMayBeToldSeveralTimes(_ repetition: Int) throws {
        let process = try start("orphan", ["--set", "optimization.max_update=1000000"])
        let last = corpus.file("orphan/last")
        try wait(for: "the first checkpoint") { FileManager.default.fileExists(atPath: last.path) }
        for _ in 0..<20 {
            kill(process.processIdentifier, StopSignal.launcherEnded)
            usleep(UInt32(repetition) * 500)
        }
        process.waitUntilExit()
        #expect(process.terminationReason == .exit && process.terminationStatus == 143)
    }

    @Test(arguments: [(SIGINT, Int32(130)), (SIGTERM, Int32(143)), (SIGHUP, Int32(129))] as [(Int32, Int32)])
    func signalsSaveAndLeaveWithTheirCode(_ signal: Int32, _ code: Int32) throws {
        // More updates than it can make before the signal, however late that arrives.
        let process = try start("stopped", ["--set", "optimization.max_update=1000000"])
        let last = corpus.file("stopped/last")
        try wait(for: "the first checkpoint") { FileManager.default.fileExists(atPath: last.path) }
        kill(process.processIdentifier, signal)
        process.waitUntilExit()
        #expect(process.terminationReason == .exit && process.terminationStatus == code)
        #expect(try TrainingState.read(last).update < 1_000_000)
    }
}

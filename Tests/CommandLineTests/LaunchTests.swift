import Foundation
import TestSupport
import Testing
import W2VCluster
import W2VTorch

/// Processes that `wav2vec2 launch` starts, and their end after a failure.
@Suite(.onTestThreads, .serialized) struct LaunchTests {
    private let fixture: LaunchFixture

    init() throws { fixture = try LaunchFixture() }

    private func launch(_ options: String..., command: [String], meanwhile: (Process) throws -> Void = { _ in }) throws
        -> Outcome
    {
        try fixture.start(["launch", "--processes", "2"] + options + ["--"] + command, meanwhile: meanwhile)
    }

    /// Lines of standard error, with at most one sentence of each process.
    private func lines(_ outcome: Outcome) -> [String] { outcome.errors.split(separator: "\n").map(String.init) }

    @Test func twoProcessesEqualOne() throws {
        let logs = fixture.file("logs")
        let launched = try launch("--logs", logs.path, command: fixture.pretrain("two"))
        #expect(launched.code == 0, "\(launched.errors)")
        let alone = try fixture.start(fixture.pretrain("one", "optimization.update_freq=2"))
        #expect(alone.code == 0, "\(alone.errors)")
        let (two, one) = try (
            TensorFile.read(fixture.file("two/last/model.safetensors")),
            TensorFile.read(fixture.file("one/last/model.safetensors"))
        )
        #expect(Set(two.keys) == Set(one.keys))
        for (name, tensor) in two {
            let other = try #require(one[name])
            // Attention does not depend on the keys' bias: its gradient is only rounding noise.
            let error =
                name.hasSuffix("k_proj.bias")
                ? try (tensor - other).norm().item() : try relativeError(tensor, other)
            #expect(error < 1e-5, "\(name)")
        }
        // Only one process prints, in the words of a single process.
        #expect(launched.output == "" && !launched.errors.contains("[rank"))
        #expect(launched.errors.contains("2 processes × 1 concatenated × 1 accumulated"))
        #expect(launched.errors.contains("finished after update 5"))
        #expect(try String(contentsOf: logs.appendingPathComponent("rank-0.log"), encoding: .utf8) == launched.errors)
        #expect(try String(contentsOf: logs.appendingPathComponent("rank-1.log"), encoding: .utf8) == "")
    }

    @Test func aKilledProcessEndsAllWithTheCause() throws {
        let outcome = try launch(command: fixture.pretrain("run", "optimization.max_update=100000")) {
            try fixture.signal(SIGKILL, rank: 1, of: $0, after: 3, "run")
        }
        #expect(outcome.code == 137)
        let cause = "rank 1 ended with signal 9 (killed)"
        #expect(lines(outcome).last == "wav2vec2: \(cause)")
        #expect(lines(outcome).contains("wav2vec2: rank 0 ends because rank 1 failed: it ended with signal 9 (killed)"))
    }

    @Test func aRestartContinuesBitForBit() throws {
        let straight = try launch(command: fixture.pretrain("straight", "optimization.max_update=25"))
        #expect(straight.code == 0, "\(straight.errors)")
        // Either of them, also the one that writes checkpoints.
        for rank in 0..<2 {
            let killed = try launch(
                "--restarts", "1", command: fixture.pretrain("killed\(rank)", "optimization.max_update=25")
            ) {
                try fixture.signal(SIGKILL, rank: rank, of: $0, after: 4, "killed\(rank)")
            }
            #expect(killed.code == 0, "\(killed.errors)")
            #expect(
                killed.errors.contains(
                    "WARNING: rank \(rank) ended with signal 9 (killed); starting again (1 of 1 restarts)"))
            #expect(killed.errors.contains("continuing after update"))
            #expect(try fixture.weights("killed\(rank)") == fixture.weights("straight"))
        }
    }

    /// Each process holds a share of the optimizer's state; the killed one's share is on the disk.
    @Test func aRestartOfAShardedRunContinuesBitForBit() throws {
        let settings = ["distributed.zero_sharding=true", "optimization.max_update=25"]
        func command(_ output: String) -> [String] {
            fixture.pretrain(output) + settings.flatMap { ["--set", $0] }
        }
        let straight = try launch(command: command("straight"))
        #expect(straight.code == 0, "\(straight.errors)")
        let killed = try launch("--restarts", "1", command: command("killed")) {
            try fixture.signal(SIGKILL, rank: 1, of: $0, after: 4, "killed")
        }
        #expect(killed.code == 0, "\(killed.errors)")
        #expect(killed.errors.contains("rank 1 ended with signal 9 (killed); starting again (1 of 1 restarts)"))
        #expect(killed.errors.contains("continuing after update"))
        for file in ["model.safetensors", "optimizer.safetensors"] {
            #expect(try fixture.saved("killed", file) == fixture.saved("straight", file), "\(file)")
        }
    }

    @Test func aProcessThatStandsStillIsNamed() throws {
        let settings = fixture.pretrain("run", "optimization.max_update=100000", "distributed.timeout=2")
        let outcome = try launch("--grace", "1", command: settings) {
            try fixture.signal(SIGSTOP, rank: 1, of: $0, after: 3, "run")
        }
        #expect(outcome.code == 1)
        #expect(outcome.errors.contains("rank 0 of 2 lost rank 1 (last seen at update "))
        #expect(outcome.errors.contains("gives no sign of life"))
    }

    @Test(arguments: [(SIGINT, Int32(130)), (SIGTERM, Int32(143)), (SIGHUP, Int32(129))] as [(Int32, Int32)])
    func aSignalSavesEverything(_ signal: Int32, _ code: Int32) throws {
        let command = fixture.pretrain("run", "optimization.max_update=100000", "checkpoint.save_every=100000")
        let outcome = try launch(command: command) { launcher in
            try wait(for: "the first line") { fixture.hasLogged("run") }
            kill(launcher.processIdentifier, signal)
        }
        #expect(outcome.code == code)
        let line = try #require(lines(outcome).first { $0.contains("stopped by signal") })
        #expect(line.contains("after update \(fixture.savedUpdate("run"));"))
        #expect(!outcome.errors.contains("[rank 1]") && !outcome.errors.contains("failed"), "\(outcome.errors)")
    }

    /// Several times, because the system may report the launcher's end once for each of its threads.
    @Test(arguments: 0..<4) func nothingOutlivesTheLauncher(_ repetition: Int) throws {
        var ranks: [Int32] = []
        let command = fixture.pretrain("run", "optimization.max_update=100000", "checkpoint.save_every=100000")
        let outcome = try launch(command: command) { launcher in
            try wait(for: "the first line") { fixture.hasLogged("run") }
            ranks = Array(fixture.ranks(of: launcher).values)
            kill(launcher.processIdentifier, SIGKILL)
        }
        #expect(outcome.code == SIGKILL && ranks.count == 2)
        try wait(for: "the end of all processes", seconds: 30) { ranks.allSatisfy { kill($0, 0) != 0 } }
        // They had time to save.
        #expect(fixture.savedUpdate("run") > 0)
    }

    @Test func badDataIsToldOnceWithItsCode() throws {
        let name = "train7.wav"
        var broken = try Data(contentsOf: fixture.file(name))
        broken.replaceSubrange(0..<4, with: Data("LOST".utf8))
        try broken.write(to: fixture.file(name))
        let outcome = try launch("--logs", fixture.file("logs").path, command: fixture.pretrain("run"))
        #expect(outcome.code == 65, "\(outcome.errors)")
        let named = lines(outcome).filter { $0.contains(name) }
        // The process that read the file, and the other one, which reports why it ends.
        #expect(named.count == 2 && named.filter { $0.hasPrefix("[rank 1] wav2vec2: ") }.count == 1)
        #expect(named.filter { $0.contains("ends because rank") }.count == 1, "\(outcome.errors)")
        let log = try String(contentsOf: fixture.file("logs/rank-1.log"), encoding: .utf8)
        #expect(log.hasPrefix("wav2vec2: ") && log.contains(name))
    }

    // MARK: - Meeting

    /// Starts a process as another launcher would, with the usual variables.
    private func startRank(
        _ rank: Int, port: Int, _ command: [String], meanwhile: (Process) throws -> Void = { _ in }
    ) throws -> Outcome {
        let variables = [
            "RANK": String(rank), "WORLD_SIZE": "2", "LOCAL_RANK": String(rank), "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": String(port),
        ]
        return try fixture.start(command, environment: variables, meanwhile: meanwhile)
    }

    private func expectSentence(_ outcome: Outcome, code: Int32, _ parts: String...) {
        #expect(outcome.code == code, "\(outcome.errors)")
        #expect(lines(outcome).count == 1 && outcome.errors.hasPrefix("wav2vec2: "), "\(outcome.errors)")
        for part in parts { #expect(outcome.errors.contains(part), "\(outcome.errors)") }
    }

    @Test func nobodyIsThere() throws {
        let command = fixture.pretrain("run", "distributed.join_timeout=1")
        expectSentence(
            try startRank(1, port: freePort(), command), code: 1, "no rendezvous at 127.0.0.1:", "MASTER_PORT")
        expectSentence(try startRank(0, port: freePort(), command), code: 1, "waited 1 s", "for rank 1")
        let machine = ["--nodes", "2", "--node-rank", "1", "--rendezvous", "127.0.0.1:\(freePort())"]
        expectSentence(
            try fixture.start(["launch", "--processes", "1", "--join-timeout", "1"] + machine + ["--"] + command),
            code: 1, "machine 1 found no rendezvous at 127.0.0.1:", "within 1 s", "--rendezvous")
    }

    @Test func thePortIsInUse() throws {
        let taken = try TCPStore(host: "127.0.0.1", port: 0, serves: true, timeout: 5)
        let command = fixture.pretrain("run")
        expectSentence(
            try startRank(0, port: taken.port, command), code: 1, "port \(taken.port)", "in use", "MASTER_PORT")
        let machine = ["--nodes", "2", "--node-rank", "0", "--rendezvous", "127.0.0.1:\(taken.port)"]
        expectSentence(
            try fixture.start(["launch", "--processes", "1"] + machine + ["--"] + command), code: 1,
            "port \(taken.port)", "in use", "--rendezvous")
        withExtendedLifetime(taken) {}
    }

    @Test func anotherRecipeIsRefused() async throws {
        let port = freePort()
        let outcomes = await withTaskGroup(of: (Int, Outcome?).self) { tasks in
            for rank in 0..<2 {
                tasks.addTask {
                    let command = self.fixture.pretrain("run", "optimization.lr=0.00\(rank + 1)")
                    return (rank, try? self.startRank(rank, port: port, command))
                }
            }
            var outcomes: [Int: Outcome] = [:]
            for await (rank, outcome) in tasks { outcomes[rank] = outcome }
            return outcomes
        }
        for rank in 0..<2 {
            expectSentence(
                try #require(outcomes[rank]), code: 64, "optimization.lr: 0.001 on rank 0, 0.002 on rank 1",
                "start every process with the same program, recipe and options")
        }
    }

    @Test func anotherVersionIsRefused() throws {
        let port = freePort()
        let outcome = try startRank(0, port: port, fixture.pretrain("run")) { _ in
            let layout = ProcessLayout(rank: 1, size: 2, localRank: 1, host: "127.0.0.1", port: port)
            #expect(throws: ClusterError.self) {
                try Cluster.join(layout, handshake: ["program version": "0.0.0-other"])
            }
        }
        expectSentence(outcome, code: 64, "program version: ", "on rank 0, 0.0.0-other on rank 1")
    }

    @Test func wrongVariablesAreNamed() throws {
        let outcome = try fixture.start(
            fixture.pretrain("run"), environment: ["RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"])
        expectSentence(outcome, code: 64, "MASTER_ADDR is not set", "wav2vec2 launch")
    }

    @Test func launchersMeetAcrossMachines() async throws {
        let place = "127.0.0.1:\(freePort())"
        let outcomes = await launchers { machine in
            [
                "launch", "--processes", "1", "--nodes", "2", "--node-rank", "\(machine)", "--rendezvous", place, "--",
            ] + fixture.pretrain("run")
        }
        for outcome in outcomes { #expect(outcome.code == 0, "\(outcome.errors)") }
        #expect(fixture.savedUpdate("run") == 5)
        let other = await launchers { machine in
            [
                "launch", "--processes", "\(machine + 1)", "--nodes", "2", "--node-rank", "\(machine)", "--rendezvous",
                place, "--",
            ] + fixture.pretrain("other")
        }
        for outcome in other {
            expectSentence(outcome, code: 64, "--nodes 2 --processes 1", "--nodes 2 --processes 2", "the same numbers")
        }
    }

    @Test func allMachinesAreToldWhy() async throws {
        let (name, place) = ("train7.wav", "127.0.0.1:\(freePort())")
        try Data("no sound".utf8).write(to: fixture.file(name))
        let outcomes = await launchers { machine in
            [
                "launch", "--processes", "1", "--nodes", "2", "--node-rank", "\(machine)", "--rendezvous", place, "--",
            ] + fixture.pretrain("run")
        }
        // The exit code of the machine whose process read the file, and a failure elsewhere.
        #expect(Set(outcomes.map(\.code)).isSubset(of: [65, 1]) && outcomes.contains { $0.code == 65 })
        for outcome in outcomes {
            #expect(outcome.errors.contains(name) && !outcome.errors.contains("is gone"), "\(outcome.errors)")
        }
    }

    private func launchers(_ arguments: (Int) -> [String]) async -> [Outcome] {
        let both = (0..<2).map(arguments)
        return await withTaskGroup(of: Outcome?.self) { tasks in
            for one in both { tasks.addTask { try? self.fixture.start(one) } }
            var outcomes: [Outcome] = []
            for await outcome in tasks { if let outcome { outcomes.append(outcome) } }
            return outcomes
        }
    }
}

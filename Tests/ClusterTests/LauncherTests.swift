import Foundation
import Synchronization
import TestSupport
import Testing
import W2VTorch

@testable import W2VCluster

@Suite(.onTestThreads) struct LauncherTests {
    /// The result of launching a shell script, and the files that it left.
    private struct Run {
        var outcome: LaunchOutcome
        var lines: [String]
        /// Keeps `logs` as long as a test reads them.
        var temporary: TemporaryFolder

        func log(_ rank: Int) throws -> String {
            try String(contentsOf: temporary.file("logs/rank-\(rank).log"), encoding: .utf8)
        }
    }

    private func launch(
        _ script: String, processes: Int = 2, adjusting adjust: (inout LaunchPlan) -> Void = { _ in },
        stop: @escaping (URL) -> Int32? = { _ in nil }
    ) throws -> Run {
        let temporary = try TemporaryFolder()
        let folder = temporary.file("logs")
        var plan = LaunchPlan(
            executable: URL(fileURLWithPath: "/bin/sh"), arguments: ["-c", script, folder.path], processes: processes)
        plan.logFolder = folder
        plan.grace = 5
        adjust(&plan)
        let log = CapturedLog()
        let outcome = try Launcher(plan, logger: log.logger()).run(stop: { stop(folder) })
        return Run(outcome: outcome, lines: log.warnings, temporary: temporary)
    }

    @Test func everyProcessKnowsItsPlace() throws {
        let run = try launch(
            "echo \"$RANK/$WORLD_SIZE local $LOCAL_RANK attempt $TORCHELASTIC_RESTART_COUNT\"", processes: 3)
        #expect(run.outcome == .finished)
        for rank in 0..<3 { #expect(try run.log(rank) == "\(rank)/3 local \(rank) attempt 0\n") }
    }

    @Test func theFirstFailureEndsAll() throws {
        let run = try launch(
            """
            if [ $RANK = 1 ]; then echo 'the disk is full' >&2; exit 65; fi
            trap 'echo ended; exit 143' TERM; for tick in $(seq 1200); do sleep 0.05; done
            """)
        #expect(run.outcome == .failed(code: 65, reason: "rank 1 ended with exit code 65; its message is above"))
        #expect(try run.log(0) == "ended\n")
        #expect(try run.log(1) == "the disk is full\n")
    }

    @Test func aProcessThatIgnoresTheEndIsKilled() throws {
        let run = try launch(
            "if [ $RANK = 1 ]; then sleep 0.5; kill -9 $$; fi; trap '' TERM; while :; do sleep 0.1; done"
        ) {
            $0.grace = 1
        }
        #expect(run.outcome == .failed(code: 137, reason: "rank 1 ended with signal 9 (killed)"))
    }

    @Test func startsAgainFromTheLastCheckpoint() throws {
        let run = try launch("echo \"$TORCHELASTIC_RESTART_COUNT: $*\"; [ $TORCHELASTIC_RESTART_COUNT = 2 ]") {
            $0.restarts = 3
            $0.resumeArguments = ["--resume"]
        }
        #expect(run.outcome == .finished)
        #expect(run.lines.count == 2 && run.lines[1].hasSuffix("starting again (2 of 3 restarts)"))
        #expect(try run.log(0) == "0: \n1: --resume\n2: --resume\n")
    }

    @Test func givesUpAfterItsRestarts() throws {
        let run = try launch("exit 3") { $0.restarts = 1 }
        guard case .failed(code: 3, _) = run.outcome else {
            Issue.record("the launch ended with \(run.outcome)")
            return
        }
        #expect(run.lines.count == 1)
    }

    @Test func aSignalLetsTheProcessesSave() throws {
        let run = try launch(
            "trap 'echo saved; exit 143' TERM; touch \"$0/ready-$RANK\"; while :; do sleep 0.05; done",
            stop: { folder in
                let areReady = (0..<2).allSatisfy {
                    FileManager.default.fileExists(atPath: folder.appendingPathComponent("ready-\($0)").path)
                }
                return areReady ? SIGINT : nil
            })
        #expect(run.outcome == .stopped(signal: SIGINT))
        for rank in 0..<2 { #expect(try run.log(rank) == "saved\n") }
    }

    /// Launches machine 0 of two beside a machine 1 that reads machine 0's entries a second late.
    ///
    /// - Returns: The entries that machine 1 read, and the outcome of machine 0.
    private func launchBesideSlowMachine(
        options: String, reading key: String, confirming confirmed: String
    ) throws -> (read: String, outcome: Result<LaunchOutcome, any Error>) {
        let port = try TCPStore(host: "127.0.0.1", port: 0, serves: true, timeout: 5).port
        // A separate thread: the launcher blocks its caller.
        let read = Mutex<Result<String, any Error>?>(nil)
        let hasEnded = DispatchSemaphore(value: 0)
        Thread {
            let result = Result {
                let store = try TCPStore(host: "127.0.0.1", port: port, serves: false, timeout: 20)
                try store.set("launch/machine/1", to: Data(options.utf8))
                if confirmed != "launch/met" { try store.add("launch/met", 1) }
                while try !store.has(key) { Thread.sleep(forTimeInterval: 0.02) }
                Thread.sleep(forTimeInterval: 1)
                let value = String(decoding: try store.value(of: key, timeout: 5), as: UTF8.self)
                try store.add(confirmed, 1)
                return value
            }
            read.withLock { $0 = result }
            hasEnded.signal()
        }.start()
        let outcome = Result {
            try launch("exit 65", processes: 1) {
                ($0.nodes, $0.port, $0.joinTimeout, $0.logFolder) = (2, port, 20, nil)
            }.outcome
        }
        hasEnded.wait()
        return (try #require(read.withLock { $0 }).get(), outcome)
    }

    @Test func otherOptionsAreReadBeforeTheRendezvousGoes() throws {
        let (read, outcome) = try launchBesideSlowMachine(
            options: "2 machines of 3 processes and 0 restarts", reading: "launch/machine/0", confirming: "launch/met")
        #expect(read == "2 machines of 1 processes and 0 restarts")
        guard case .failure(ClusterError.otherLaunch(_, let other, _, let own)) = outcome else {
            Issue.record("the launch ended with \(outcome)")
            return
        }
        #expect(other.contains("3 processes") && own.contains("1 processes"))
    }

    @Test func aFailureIsReadBeforeTheRendezvousGoes() throws {
        let (read, outcome) = try launchBesideSlowMachine(
            options: "2 machines of 1 processes and 0 restarts", reading: "launch/0/failure",
            confirming: "launch/0/failure/read")
        #expect(read.hasPrefix("rank 0 ended with exit code 65"))
        #expect(try outcome.get() == .failed(code: 65, reason: read))
    }

    @Test func machinesEndTogether() async throws {
        // A port that was free a moment ago.
        let port = try TCPStore(host: "127.0.0.1", port: 0, serves: true, timeout: 5).port
        let script = "if [ $RANK = 1 ]; then sleep 0.5; exit 9; fi; exec sleep 60"
        let outcomes = await withTaskGroup(of: (Int, LaunchOutcome?).self) { tasks in
            for node in 0..<2 {
                tasks.addTask {
                    let run = try? await onThread {
                        try self.launch(script, processes: 1) {
                            ($0.nodes, $0.nodeRank, $0.host, $0.port) = (2, node, "127.0.0.1", port)
                        }
                    }
                    return (node, run?.outcome)
                }
            }
            var outcomes: [Int: LaunchOutcome] = [:]
            for await (node, outcome) in tasks { outcomes[node] = outcome }
            return outcomes
        }
        #expect(outcomes[0] == .failed(code: 1, reason: "rank 1 ended with exit code 9; its message is above"))
        #expect(outcomes[1] == .failed(code: 9, reason: "rank 1 ended with exit code 9; its message is above"))
    }
}

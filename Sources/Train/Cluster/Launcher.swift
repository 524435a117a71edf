import Foundation
import Logging
import Synchronization
import W2VBase
import W2VTorch

/// The outcome of a launch.
public enum LaunchOutcome: Sendable, Equatable {
    /// All processes exited with 0.
    case finished
    /// A signal stopped the launch, and the processes had time to save.
    case stopped(signal: Int32)
    /// A process failed, with its exit code and the known reason.
    case failed(code: Int32, reason: String)
}

/// Starts processes that belong together, monitors them, and restarts them.
///
/// The launcher of machine 0 serves the store where all processes and launchers meet: it outlives the processes, so
/// that their last messages can be read. The first failure anywhere ends all processes everywhere; after a signal they
/// may take as long as they need to save.
public final class Launcher {
    private let plan: LaunchPlan
    private let logger: Logger
    private let store: TCPStore

    /// Prepares a launch.
    ///
    /// - Parameters:
    ///   - plan: The processes to start.
    ///   - logger: Receives a warning before each restart, and at `debug` the started processes.
    /// - Throws: ``ClusterError`` if the rendezvous cannot be served or reached.
    public init(_ plan: LaunchPlan, logger: Logger = Logger(label: "wav2vec2.cluster")) throws {
        self.plan = plan
        self.logger = logger
        do {
            store = try TCPStore(
                host: plan.host, port: plan.port, serves: plan.nodeRank == 0, timeout: plan.joinTimeout,
                patience: 15)
        } catch {
            throw plan.nodeRank == 0
                ? Self.whyNotServed(plan, error)
                : ClusterError.noRendezvous(
                    .machine(plan.nodeRank), host: plan.host, port: plan.port, seconds: Int(plan.joinTimeout))
        }
        if let folder = plan.logFolder {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        }
        if plan.nodes > 1 { try meetOtherMachines() }
    }

    private static func whyNotServed(_ plan: LaunchPlan, _ error: any Error) -> ClusterError {
        "\(error)".localizedCaseInsensitiveContains("in use")
            ? .portInUse(plan.port, by: .machine(plan.nodeRank))
            : .cannotServe(host: plan.host, port: plan.port, reason: "\(error)")
    }

    /// Waits for the launchers of all machines, and checks that they were started alike.
    private func meetOtherMachines() throws {
        let own = Phrase.launch(machines: plan.nodes, processes: plan.processes, restarts: plan.restarts).description
        do {
            guard try store.add("launch/machine/\(plan.nodeRank)/launchers", 1) == 1 else {
                throw ClusterError.sameMachine(plan.nodeRank, host: plan.host, port: plan.port)
            }
            try store.set("launch/machine/\(plan.nodeRank)", to: Data(own.utf8))
            let deadline = ContinuousClock.now + .seconds(plan.joinTimeout)
            var mismatch: ClusterError?
            for machine in 0..<plan.nodes where mismatch == nil {
                while try !store.has("launch/machine/\(machine)") {
                    guard ContinuousClock.now < deadline else {
                        throw ClusterError.missing(
                            .machine(plan.nodeRank), waitingFor: .machine(machine), host: plan.host, port: plan.port,
                            seconds: Int(plan.joinTimeout))
                    }
                    Thread.sleep(forTimeInterval: 0.1)
                }
                let found = try store.value(of: "launch/machine/\(machine)", timeout: 5)
                let other = String(decoding: found, as: UTF8.self)
                if other != own {
                    mismatch = .otherLaunch(machine: machine, other: other, ownMachine: plan.nodeRank, own: own)
                }
            }
            try store.add("launch/met", 1)
            try waitForOthers("launch/met", until: mismatch == nil ? deadline : min(deadline, .now + .seconds(5)))
            if let mismatch { throw mismatch }
        } catch let error as TorchError {
            throw ClusterError.lostRendezvous(
                .machine(plan.nodeRank), host: plan.host, port: plan.port, reason: "\(error)")
        }
    }

    /// Machine 0 serves the store, and waits until every launcher has confirmed that it has read what it needs.
    private func waitForOthers(_ key: String, until deadline: ContinuousClock.Instant) throws {
        while plan.nodeRank == 0, try store.add(key, 0) < plan.nodes, ContinuousClock.now < deadline {
            Thread.sleep(forTimeInterval: 0.1)
        }
    }

    /// Runs the processes until they end, restarting them after failures.
    ///
    /// - Parameter stop: Polled several times a second for the signal that asks the launch to stop.
    /// - Throws: The error of starting a process.
    public func run(stop: () -> Int32?) throws -> LaunchOutcome {
        var attempt = 0
        while true {
            let outcome = try runAttempt(attempt, stop: stop)
            // Wrong usage would fail again.
            guard case .failed(let code, let reason) = outcome, code != EX_USAGE, attempt < plan.restarts else {
                return outcome
            }
            attempt += 1
            logger.warning(
                "\(reason); starting again (\(attempt) of \(plan.restarts) restarts)",
                metadata: ["restart": .stringConvertible(attempt), "exit_code": .stringConvertible(code)])
        }
    }

    private func runAttempt(_ attempt: Int, stop: () -> Int32?) throws -> LaunchOutcome {
        var workers: [Worker] = []
        defer { for worker in workers { worker.closeOutput() } }
        do {
            for localRank in 0..<plan.processes {
                let worker = try Worker(plan, localRank: localRank, port: store.port, attempt: attempt)
                logger.debug("started rank \(worker.rank)", metadata: ["rank": .stringConvertible(worker.rank)])
                workers.append(worker)
            }
        } catch {
            end(workers, with: SIGKILL)
            throw error
        }
        let failureKey = "launch/\(attempt)/failure"
        var stopping: Int32?
        while true {
            let isRunning = workers.contains(where: \.isRunning)
            if stopping == nil, let signal = stop() {
                stopping = signal
                for worker in workers { worker.send(SIGTERM) }
            }
            // A signal may have been sent to a process directly; all processes agree on it.
            if stopping == nil { stopping = workers.lazy.compactMap(\.stoppedBy).first }
            if let failed = workers.first(where: { $0.hasFailed(whileStopping: stopping != nil) }) {
                // A killed process cannot report its failure itself.
                Rendezvous.announce(
                    .init(rank: failed.rank, sentence: "it ended with \(failed.ending)"), in: store, attempt: attempt)
                let first = firstCause(failed, among: workers, attempt: attempt)
                try? store.set(failureKey, to: Data(first.reason.utf8))
                endAfterFailure(workers, failureKey)
                return .failed(code: first.exitCode, reason: first.reason)
            }
            if plan.nodes > 1, isRunning, let reason = reasonElsewhere(failureKey) {
                endAfterFailure(workers, failureKey)
                return .failed(code: EXIT_FAILURE, reason: reason)
            }
            if !isRunning { break }
            Thread.sleep(forTimeInterval: 0.1)
        }
        let outcome = try allEnded(attempt)
        if case .finished = outcome, let stopping { return .stopped(signal: stopping) }
        return outcome
    }

    /// If several processes have ended, returns the one that the others name as the cause.
    private func firstCause(_ found: Worker, among workers: [Worker], attempt: Int) -> Worker {
        guard let cause = Rendezvous.firstCause(in: store, attempt: attempt),
            let first = workers.first(where: { $0.rank == cause.rank })
        else { return found }
        let deadline = ContinuousClock.now + .seconds(5)
        while first.isRunning, ContinuousClock.now < deadline { Thread.sleep(forTimeInterval: 0.05) }
        return first.hasFailed(whileStopping: false) ? first : found
    }

    /// The store lives in machine 0's launcher, which therefore leaves last.
    private func allEnded(_ attempt: Int) throws -> LaunchOutcome {
        guard plan.nodes > 1 else { return .finished }
        let key = "launch/\(attempt)/finished"
        guard var finished = try? store.add(key, 1), plan.nodeRank == 0 else { return .finished }
        let deadline = ContinuousClock.now + .seconds(plan.grace)
        while finished < plan.nodes {
            if let reason = reasonElsewhere("launch/\(attempt)/failure") {
                return .failed(code: EXIT_FAILURE, reason: reason)
            }
            guard ContinuousClock.now < deadline else {
                return .failed(
                    code: EXIT_FAILURE,
                    reason: "this machine's processes ended, but \(plan.nodes - finished) other machines said "
                        + "nothing for \(Int(plan.grace)) s")
            }
            Thread.sleep(forTimeInterval: 0.1)
            finished = try store.add(key, 0)
        }
        return .finished
    }

    private func reasonElsewhere(_ key: String) -> String? {
        do {
            guard try store.has(key) else { return nil }
            return String(decoding: try store.value(of: key, timeout: 5), as: UTF8.self)
        } catch {
            return "the rendezvous at \(plan.host):\(plan.port) is gone: the launcher of machine 0 has ended, or the "
                + "network to it is cut"
        }
    }

    /// Ends the processes; all machines receive the reason before the store ends with machine 0's launcher.
    private func endAfterFailure(_ workers: [Worker], _ failureKey: String) {
        let key = failureKey + "/read"
        _ = try? store.add(key, 1)
        end(workers, with: SIGTERM)
        try? waitForOthers(key, until: .now + .seconds(5))
    }

    /// Asks the processes to end, and kills them after the grace period.
    private func end(_ workers: [Worker], with signal: Int32) {
        for worker in workers { worker.send(signal) }
        let deadline = ContinuousClock.now + .seconds(plan.grace)
        while workers.contains(where: \.isRunning) {
            if ContinuousClock.now > deadline { for worker in workers { worker.send(SIGKILL) } }
            Thread.sleep(forTimeInterval: 0.05)
        }
    }
}

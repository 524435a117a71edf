import Foundation
import Synchronization
import W2VTorch

/// The store where processes find each other, agree on what they are about to do, and report what went wrong.
final class Rendezvous: Sendable {
    let store: TCPStore
    let layout: ProcessLayout
    private let unreachable = Atomic<Bool>(false)

    /// What messages call this process.
    var title: String { "rank \(layout.rank) of \(layout.size)" }

    /// Whether the store did not answer.
    var isUnreachable: Bool { unreachable.load(ordering: .relaxed) }

    init(_ layout: ProcessLayout, timeout: Double, patience: Double) throws {
        self.layout = layout
        let serves = layout.rank == 0 && !layout.launcherServes
        do {
            store = try TCPStore(
                host: layout.host, port: layout.port, serves: serves, timeout: timeout, patience: patience)
        } catch {
            let reason = "\(error)"
            throw ClusterError.rendezvous(
                serves && reason.localizedCaseInsensitiveContains("in use")
                    ? "port \(layout.port) of this machine is in use, so that rank 0 cannot serve the rendezvous: "
                        + "choose another MASTER_PORT, or end the process that holds it"
                    : "rank \(layout.rank) of \(layout.size) found no rendezvous at \(layout.host):\(layout.port) "
                        + "within \(Int(timeout)) s: check MASTER_ADDR and MASTER_PORT, and that rank 0 has been started "
                        + "and can be reached")
        }
    }

    /// Keys of one attempt do not meet those of the attempt before.
    func key(_ name: String) -> String { Self.key(name, attempt: layout.attempt) }

    private static func key(_ name: String, attempt: Int) -> String { "wav2vec2/\(attempt)/\(name)" }

    func value(_ name: String, timeout: Double) throws -> Data {
        try store.value(of: key(name), timeout: timeout)
    }

    // MARK: The handshake

    private struct Handshake: Codable {
        var values: [String: String]
        var process: String
        /// Where connections to the rendezvous come from.
        var source: String?
    }

    /// This machine and process, for people.
    private var process: String { "\(ProcessInfo.processInfo.hostName), process \(getpid())" }

    /// Waits for every process, and compares its handshake with rank 0's.
    func requireSameHandshake(_ values: [String: String], timeout: Double) throws {
        let source = localAddress(toward: layout.host, port: layout.port)
        let own = Handshake(values: values, process: process, source: source)
        try reaching { try store.set(key("handshake/\(layout.rank)"), to: JSONEncoder().encode(own)) }
        try waitForAll("handshake", timeout: timeout)
        if layout.rank != 0 { try compareWithLeader(values, timeout: timeout) }
        // No process may make connections before all agree: one that was refused would keep the others waiting.
        try reaching { try store.set(key("agreed/\(layout.rank)"), to: Data()) }
        try waitForAll("agreed", timeout: timeout)
    }

    private func handshake(of rank: Int, timeout: Double) throws -> Handshake {
        try reaching { try JSONDecoder().decode(Handshake.self, from: value("handshake/\(rank)", timeout: timeout)) }
    }

    /// This machine's address that the other processes reach, once all have sent their handshakes.
    ///
    /// The machine that serves the rendezvous may know it by an address that only its own processes reach; then the
    /// way to a process of another machine counts.
    func addressForOthers(timeout: Double) throws -> String? {
        let own = localAddress(toward: layout.host, port: layout.port)
        if let own, !isLoopback(own) { return own }
        for rank in 0..<layout.size where rank != layout.rank {
            guard let source = try handshake(of: rank, timeout: timeout).source, !isLoopback(source) else { continue }
            return localAddress(toward: source, port: layout.port) ?? own
        }
        return own
    }

    private func compareWithLeader(_ values: [String: String], timeout: Double) throws {
        let leader = try handshake(of: 0, timeout: timeout)
        let names = Set(leader.values.keys).union(values.keys).sorted()
        let differences = names.filter { leader.values[$0] != values[$0] }.map {
            "\($0): \(leader.values[$0] ?? "nothing") on rank 0, \(values[$0] ?? "nothing") on rank \(layout.rank)"
        }
        guard differences.isEmpty else {
            let sentence =
                "rank \(layout.rank) (\(process)) is not about to do what rank 0 (\(leader.process)) is: "
                + "\(differences.joined(separator: "; ")); start every process with the same program, recipe and options"
            announceFailure(sentence, isMismatch: true)
            throw ClusterError.mismatch(sentence)
        }
    }

    /// Waits until every process has set its key of this name.
    private func waitForAll(_ name: String, timeout: Double) throws {
        let deadline = ContinuousClock.now + .seconds(timeout)
        var missing = Array(0..<layout.size)
        while !missing.isEmpty {
            if let cause = causeElsewhere(patience: 0) { throw cause }
            try reaching { missing = try missing.filter { try !store.has(key("\(name)/\($0)")) } }
            if missing.isEmpty { break }
            guard ContinuousClock.now < deadline else {
                let names = missing.map(String.init).joined(separator: ", ")
                throw ClusterError.rendezvous(
                    "\(title) waited \(Int(timeout)) s at \(layout.host):\(layout.port) for rank \(names): start "
                        + "them, or check that WORLD_SIZE is the number of processes")
            }
            Thread.sleep(forTimeInterval: 0.05)
        }
    }

    private func reaching<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as TorchError {
            unreachable.store(true, ordering: .relaxed)
            throw ClusterError.rendezvous(
                "\(title) lost the rendezvous at \(layout.host):\(layout.port) (\(error)): see what rank 0 says")
        }
    }

    // MARK: Failures

    /// Tells the others why this process ends, unless another one was first.
    func announceFailure(_ sentence: String, isMismatch: Bool = false) {
        guard !isUnreachable else { return }
        let cause = Cause(rank: layout.rank, sentence: sentence, isMismatch: isMismatch)
        Self.announce(cause, in: store, attempt: layout.attempt)
    }

    /// Puts a cause where all processes look for one, unless another one is there; launchers do so for the dead.
    static func announce(_ cause: Cause, in store: TCPStore, attempt: Int) {
        guard let data = try? JSONEncoder().encode(cause),
            let count = try? store.add(key("failures", attempt: attempt), 1), count == 1
        else { return }
        try? store.set(key("failure", attempt: attempt), to: data)
    }

    struct Cause: Codable {
        var rank: Int
        var sentence: String
        var isMismatch = false
    }

    /// The process that failed first, as it said itself; `nil` where none did, or the store is gone.
    static func firstCause(in store: TCPStore, attempt: Int) -> Cause? {
        let key = key("failure", attempt: attempt)
        guard (try? store.has(key)) == true, let data = try? store.value(of: key, timeout: 5) else { return nil }
        return try? JSONDecoder().decode(Cause.self, from: data)
    }

    /// What another process says why it failed; `nil` where none did within `patience` seconds.
    func causeElsewhere(patience: Double) -> ClusterError? {
        let deadline = ContinuousClock.now + .seconds(patience)
        repeat {
            do {
                if try store.has(key("failure")) {
                    let cause = try JSONDecoder().decode(Cause.self, from: value("failure", timeout: 5))
                    if cause.rank == layout.rank { return nil }
                    let sentence = "rank \(layout.rank) ends because rank \(cause.rank) failed: \(cause.sentence)"
                    return cause.isMismatch ? .mismatch(sentence) : .failed(sentence)
                }
            } catch {
                unreachable.store(true, ordering: .relaxed)
                return nil
            }
            if patience > 0 { Thread.sleep(forTimeInterval: 0.1) }
        } while ContinuousClock.now < deadline
        return nil
    }
}

import Foundation
import Synchronization
import W2VTorch

/// The store where processes find each other, agree on their work, and report failures.
final class Rendezvous: Sendable {
    let store: TCPStore
    let layout: ProcessLayout
    private let unreachable = Atomic<Bool>(false)

    /// This process's name in messages.
    var member: ClusterError.Member { .rank(layout.rank, of: layout.size) }

    /// Whether the store failed to respond.
    var isUnreachable: Bool { unreachable.load(ordering: .relaxed) }

    init(_ layout: ProcessLayout, timeout: Double, patience: Double) throws {
        self.layout = layout
        let serves = layout.rank == 0 && !layout.launcherServes
        do {
            store = try TCPStore(
                host: layout.host, port: layout.port, serves: serves, timeout: timeout, patience: patience)
        } catch {
            let member = ClusterError.Member.rank(layout.rank, of: layout.size)
            throw serves && "\(error)".localizedCaseInsensitiveContains("in use")
                ? ClusterError.portInUse(layout.port, by: member)
                : ClusterError.noRendezvous(member, host: layout.host, port: layout.port, seconds: Int(timeout))
        }
    }

    /// Keys of different attempts are distinct.
    func key(_ name: String) -> String { Self.key(name, attempt: layout.attempt) }

    private static func key(_ name: String, attempt: Int) -> String { "wav2vec2/\(attempt)/\(name)" }

    func value(_ name: String, timeout: Double) throws -> Data {
        try store.value(of: key(name), timeout: timeout)
    }

    // MARK: The handshake

    private struct Handshake: Codable {
        var values: [String: String]
        var process: String
        /// The source address or interface of connections to the rendezvous.
        var source: String?
    }

    /// This machine and process, for messages.
    private var process: String { "\(ProcessInfo.processInfo.hostName), process \(getpid())" }

    /// Waits for all processes, and compares their handshakes with rank 0's.
    func requireSameHandshake(_ values: [String: String], timeout: Double) throws {
        let source = localAddress(toward: layout.host, port: layout.port)
        let own = Handshake(values: values, process: process, source: source)
        try reaching { try store.set(key("handshake/\(layout.rank)"), to: JSONEncoder().encode(own)) }
        try waitForAll("handshake", timeout: timeout)
        if layout.rank != 0 { try compareWithLeader(values, timeout: timeout) }
        // Processes may connect only after all agree: a refused one would keep the others waiting.
        try reaching { try store.set(key("agreed/\(layout.rank)"), to: Data()) }
        try waitForAll("agreed", timeout: timeout)
    }

    private func handshake(of rank: Int, timeout: Double) throws -> Handshake {
        try reaching { try JSONDecoder().decode(Handshake.self, from: value("handshake/\(rank)", timeout: timeout)) }
    }

    /// Returns this machine's address for the other processes, once all have sent their handshakes.
    ///
    /// The machine that serves the rendezvous may know it by a loopback address; then the route to a process of another
    /// machine decides.
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
            let error = ClusterError.otherWork(
                rank: layout.rank, process: process, leader: leader.process, differences: differences)
            announceFailure(error.description, isMismatch: true)
            throw error
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
                throw ClusterError.missing(
                    member, waitingFor: .ranks(missing), host: layout.host, port: layout.port, seconds: Int(timeout))
            }
            Thread.sleep(forTimeInterval: 0.05)
        }
    }

    private func reaching<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as TorchError {
            unreachable.store(true, ordering: .relaxed)
            throw ClusterError.lostRendezvous(
                member, host: layout.host, port: layout.port, reason: "\(error)")
        }
    }

    // MARK: Failures

    /// Reports to the others why this process ends, unless another one failed before.
    func announceFailure(_ sentence: String, isMismatch: Bool = false) {
        guard !isUnreachable else { return }
        let cause = Cause(rank: layout.rank, sentence: sentence, isMismatch: isMismatch)
        Self.announce(cause, in: store, attempt: layout.attempt)
    }

    /// Stores a cause where all processes look for one, unless there is one already; launchers do this for killed
    /// processes.
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

    /// Returns the failure of the process that failed first, in its own words; `nil` if there is none, or the store is
    /// gone.
    static func firstCause(in store: TCPStore, attempt: Int) -> Cause? {
        let key = key("failure", attempt: attempt)
        guard (try? store.has(key)) == true, let data = try? store.value(of: key, timeout: 5) else { return nil }
        return try? JSONDecoder().decode(Cause.self, from: data)
    }

    /// Returns another process's failure in its own words; `nil` if there is none within `patience` seconds.
    func causeElsewhere(patience: Double) -> ClusterError? {
        let deadline = ContinuousClock.now + .seconds(patience)
        repeat {
            do {
                if try store.has(key("failure")) {
                    let cause = try JSONDecoder().decode(Cause.self, from: value("failure", timeout: 5))
                    if cause.rank == layout.rank { return nil }
                    return .elsewhere(
                        .ranks([layout.rank]), failed: cause.rank, sentence: cause.sentence,
                        kind: cause.isMismatch ? .usage : .failure)
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

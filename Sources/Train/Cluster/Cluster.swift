import Foundation
import Logging
import Synchronization
import W2VTorch

/// The processes that train together, seen from one of them.
///
/// Made by ``join(_:handshake:options:logger:)``. All processes must call the communicating functions in the same order. If
/// one process fails, all end with its message: see ``reportingFailure(_:)``.
public final class Cluster: Sendable {
    /// This process's place.
    public let layout: ProcessLayout
    /// The group for tensors in host memory.
    public let group: ProcessGroup
    private let rendezvous: Rendezvous
    private let watch: FailureWatch
    private let connect: @Sendable (String) throws -> ProcessGroup
    private let deviceGroup = Mutex<ProcessGroup?>(nil)

    /// Timeouts and the network interface.
    public struct Options: Sendable {
        /// Maximum wait for the other processes at the start, in seconds.
        public var joinTimeout = 300.0
        /// Maximum duration of a collective before the missing process counts as lost, in seconds.
        public var timeout = 600.0
        /// The network interface for tensors; by default that of `GLOO_SOCKET_IFNAME`, or else the one that leads to
        /// the rendezvous.
        public var interface: String?

        /// Makes the default options.
        public init() {}
    }

    /// This process's rank, from 0.
    public var rank: Int { layout.rank }
    /// Number of processes.
    public var size: Int { layout.size }
    /// Whether this process writes checkpoints and messages for people.
    public var isLeader: Bool { layout.rank == 0 }

    private init(
        layout: ProcessLayout, group: ProcessGroup, rendezvous: Rendezvous, logger: Logger,
        connect: @escaping @Sendable (String) throws -> ProcessGroup
    ) {
        self.layout = layout
        self.group = group
        self.rendezvous = rendezvous
        self.connect = connect
        watch = FailureWatch(rendezvous, group, logger: logger)
    }

    /// Returns the group for tensors on a device: NCCL's on a GPU.
    ///
    /// - Parameter device: This process's device; all processes must request a GPU's group at the same point.
    /// - Throws: ``ClusterError`` if NCCL cannot be used.
    public func group(on device: Device) throws -> ProcessGroup {
        guard case .cuda(let index) = device else { return group }
        return try deviceGroup.withLock { known in
            if let known { return known }
            do {
                let made = try ProcessGroup(
                    nccl: rendezvous.store, name: rendezvous.key("nccl"), device: index, rank: rank, size: size,
                    timeout: group.timeout)
                watch.watch(made)
                known = made
                return made
            } catch {
                // CUDA's advice for developers follows on separate lines.
                let reason = "\(error)".prefix { $0 != "\n" }
                throw ClusterError.noNCCL(rendezvous.member, device: "\(device)", reason: String(reason))
            }
        }
    }

    /// Makes another group of the same processes for host tensors, for use by another thread.
    ///
    /// - Parameter name: A name that distinguishes the group; all processes must make it.
    /// - Throws: `TorchError.communication` if a process is gone.
    public func makeGroup(_ name: String) throws -> ProcessGroup { try connect(name) }

    /// Waits for the other processes, and makes sure that all of them do the same work.
    ///
    /// - Parameters:
    ///   - layout: This process's place.
    ///   - handshake: Values that must be equal in all processes, by name: the program's version, the recipe's keys, ….
    ///   - options: Timeouts and the network interface.
    ///   - logger: Receives the last message of a process that cannot exit cleanly after another one failed.
    /// - Throws: ``ClusterError`` if other processes do not arrive, or differ from this one.
    public static func join(
        _ layout: ProcessLayout, handshake: [String: String], options: Options = Options(),
        logger: Logger = Logger(label: "wav2vec2.cluster")
    ) throws -> Cluster {
        let rendezvous = try Rendezvous(layout, timeout: options.joinTimeout, patience: min(30, options.timeout))
        try rendezvous.requireSameHandshake(handshake, timeout: options.joinTimeout)
        let interface = options.interface ?? glooInterface()
        let address = try rendezvous.addressForOthers(timeout: options.joinTimeout)
        let connect = { @Sendable (name: String) in
            try ProcessGroup(
                gloo: rendezvous.store, name: rendezvous.key(name), interface: interface, address: address,
                rank: layout.rank, size: layout.size, timeout: options.timeout)
        }
        let group: ProcessGroup
        do {
            group = try connect("gloo")
        } catch {
            throw ClusterError.noConnection(
                rendezvous.member, host: layout.host, port: layout.port,
                source: interface ?? address ?? "its own address", reason: "\(error)")
        }
        logger.debug(
            "met the other processes at \(layout.host):\(layout.port)",
            metadata: ["rank": .stringConvertible(layout.rank), "processes": .stringConvertible(layout.size)])
        return Cluster(layout: layout, group: group, rendezvous: rendezvous, logger: logger, connect: connect)
    }

    /// Returns the interface in the environment variable that users of c10d set.
    private static func glooInterface() -> String? {
        ProcessInfo.processInfo.environment["GLOO_SOCKET_IFNAME"].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Runs work that communicates, and reports its failure: all processes then end with the first cause.
    ///
    /// - Parameter body: This process's work; an error that it throws is reported to the others.
    /// - Throws: The error of `body` if this process failed first; otherwise the ``ClusterError`` that names the
    ///   process that did.
    public func reportingFailure<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch {
            throw firstCause(of: error)
        }
    }

    /// Runs asynchronous work that communicates, and reports its failure like the synchronous form.
    ///
    /// - Parameters:
    ///   - isolation: The caller's actor.
    ///   - body: This process's work; an error that it throws is reported to the others.
    /// - Throws: The error of `body` if this process failed first; otherwise the ``ClusterError`` that names the
    ///   process that did.
    public func reportingFailure<Result>(
        isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Result
    ) async throws -> Result {
        do {
            return try await body()
        } catch {
            throw firstCause(of: error)
        }
    }

    /// Reports an error to the others, unless one of them failed before.
    private func firstCause(of error: any Error) -> any Error {
        guard case TorchError.communication(let reason) = error else {
            if let cause = rendezvous.causeElsewhere(patience: 0) { return cause }
            rendezvous.announceFailure("\(error)")
            return error
        }
        // A collective fails if another process did: that process's message is the cause.
        return watch.cause(of: reason)
    }

    /// Records this process's progress, for messages about a process that does not respond.
    ///
    /// - Parameter update: The update that is being computed.
    public func noteProgress(update: Int) { watch.note(update: update) }

    /// Leaves the group: the other processes no longer expect signs of life from this one.
    public func leave() { watch.stop() }

    /// Sums numbers over all processes, in double precision.
    ///
    /// - Parameter values: The numbers to add, equally many in all processes.
    /// - Returns: The sums, bitwise equal in all processes.
    /// - Throws: `TorchError.communication` if a process is gone.
    public func sum(_ values: [Double]) throws -> [Double] {
        guard !values.isEmpty else { return [] }
        let tensor = try Tensor(values)
        try group.allReduce(tensor).wait()
        return try tensor.elements(Double.self)
    }

    /// Gathers numbers from all processes.
    ///
    /// - Parameter values: This process's numbers, equally many in all processes.
    /// - Returns: The numbers of each process, by rank.
    /// - Throws: `TorchError.communication` if a process is gone.
    public func exchange(_ values: [Double]) throws -> [[Double]] {
        let all = try Tensor.zeros([max(1, values.count) * size], dtype: .float64)
        try group.allGather(Tensor(values.isEmpty ? [0] : values), into: all).wait()
        let flat = try all.elements(Double.self)
        let width = flat.count / size
        return (0..<size).map { Array(flat[$0 * width..<$0 * width + values.count]) }
    }

    /// Gathers a value from each process.
    ///
    /// - Parameter value: This process's value; its size may differ from the others'.
    /// - Returns: The value of each process, by rank.
    /// - Throws: `TorchError.communication` if a process is gone.
    public func exchange<Value: Codable>(_ value: Value) throws -> [Value] {
        let (encoder, decoder) = (JSONEncoder(), JSONDecoder())
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        let own = [UInt8](try encoder.encode(value))
        let counts = try exchange([Double(own.count)]).map { Int($0[0]) }
        let width = counts.max() ?? 0
        let padded = own + [UInt8](repeating: 0, count: width - own.count)
        let all = try Tensor.zeros([width * size], dtype: .uint8)
        try group.allGather(Tensor(padded), into: all).wait()
        let flat = try all.elements(UInt8.self)
        return try counts.enumerated().map { rank, count in
            try decoder.decode(Value.self, from: Data(flat[rank * width..<rank * width + count]))
        }
    }
}

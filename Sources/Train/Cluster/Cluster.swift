import Foundation
import Logging
import Synchronization
import W2VTorch

/// The processes that train together, as one of them sees the others.
///
/// Made by ``join(_:handshake:options:)``. Every process must call what communicates in the same order. A failure of one
/// process ends all of them with its message: see ``reportingFailure(_:)``.
public final class Cluster: Sendable {
    /// This process's place.
    public let layout: ProcessLayout
    /// The group for tensors in host memory.
    public let group: ProcessGroup
    private let rendezvous: Rendezvous
    private let watch: FailureWatch
    private let connect: @Sendable (String) throws -> ProcessGroup
    private let deviceGroup = Mutex<ProcessGroup?>(nil)

    /// How long things may take.
    public struct Options: Sendable {
        /// The longest wait for the other processes at the start, in seconds.
        public var joinTimeout = 300.0
        /// The longest that a collective may take before the missing process counts as lost, in seconds.
        public var timeout = 600.0
        /// The network interface for tensors; `nil` for that of `GLOO_SOCKET_IFNAME` or, without it, for the one on the
        /// way to the rendezvous.
        public var interface: String?

        /// The usual times.
        public init() {}
    }

    /// This process's number among all, from 0.
    public var rank: Int { layout.rank }
    /// How many processes there are.
    public var size: Int { layout.size }
    /// Whether this process writes checkpoints and speaks to people.
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

    /// The group for tensors of a device: NCCL's on a GPU.
    ///
    /// - Parameter device: This process's device; all processes must ask for a GPU's group at the same place.
    /// - Returns: The group, the same each time.
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
                // CUDA's advice for developers follows in lines of its own.
                let reason = "\(error)".prefix { $0 != "\n" }
                throw ClusterError.noNCCL(rendezvous.member, device: "\(device)", reason: String(reason))
            }
        }
    }

    /// Makes another group of the same processes for host tensors, for a thread of its own.
    ///
    /// - Parameter name: What tells the group from others.
    /// - Returns: The group; all processes must make it.
    /// - Throws: `TorchError.communication` if a process is gone.
    public func makeGroup(_ name: String) throws -> ProcessGroup { try connect(name) }

    /// Meets the other processes, and makes sure that all of them do the same.
    ///
    /// - Parameters:
    ///   - layout: This process's place.
    ///   - handshake: What must be equal in all processes, by name: the program's version, the recipe's keys, ….
    ///   - options: How long things may take.
    ///   - logger: Gets the last words of a process that cannot end in order after another one has failed.
    /// - Returns: The processes, ready to compute together.
    /// - Throws: ``ClusterError`` if the others do not come, or differ from this one.
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

    /// The interface that users of c10d name by its own variable.
    private static func glooInterface() -> String? {
        ProcessInfo.processInfo.environment["GLOO_SOCKET_IFNAME"].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Runs work that communicates, and reports its failure: every process then ends with the first cause.
    ///
    /// - Parameter body: Work of this process; what it throws is reported to the others.
    /// - Returns: What `body` returned.
    /// - Throws: The error of `body`, where this process failed first; else the ``ClusterError`` that says which one did.
    public func reportingFailure<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch {
            throw firstCause(of: error)
        }
    }

    /// Runs asynchronous work that communicates, and reports its failure as the synchronous form does.
    ///
    /// - Parameters:
    ///   - isolation: The caller's actor.
    ///   - body: Work of this process; what it throws is reported to the others.
    /// - Returns: What `body` returned.
    /// - Throws: The error of `body`, where this process failed first; else the ``ClusterError`` that says which one did.
    public func reportingFailure<Result>(
        isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Result
    ) async throws -> Result {
        do {
            return try await body()
        } catch {
            throw firstCause(of: error)
        }
    }

    /// Reports an error to the others, unless one of them has failed before.
    private func firstCause(of error: any Error) -> any Error {
        guard case TorchError.communication(let reason) = error else {
            if let cause = rendezvous.causeElsewhere(patience: 0) { return cause }
            rendezvous.announceFailure("\(error)")
            return error
        }
        // A collective fails where another process did: what that one has to say is the cause.
        return watch.cause(of: reason)
    }

    /// Says how far this process is, for the sentence about a process that does not answer.
    ///
    /// - Parameter update: The update that is being computed.
    public func noteProgress(update: Int) { watch.note(update: update) }

    /// Leaves: the other processes no longer count on this one.
    public func leave() { watch.stop() }

    /// Sums numbers over all processes, in double precision.
    ///
    /// - Parameter values: As many numbers in every process.
    /// - Returns: The sums, the same to the last bit in every process.
    /// - Throws: `TorchError.communication` if a process is gone.
    public func sum(_ values: [Double]) throws -> [Double] {
        guard !values.isEmpty else { return [] }
        let tensor = try Tensor(values)
        try group.allReduce(tensor).wait()
        return try tensor.elements(Double.self)
    }

    /// Tells every process the numbers of all.
    ///
    /// - Parameter values: As many numbers in every process.
    /// - Returns: The numbers of each process, by rank.
    /// - Throws: `TorchError.communication` if a process is gone.
    public func exchange(_ values: [Double]) throws -> [[Double]] {
        let all = try Tensor.zeros([max(1, values.count) * size], dtype: .float64)
        try group.allGather(Tensor(values.isEmpty ? [0] : values), into: all).wait()
        let flat = try all.elements(Double.self)
        let width = flat.count / size
        return (0..<size).map { Array(flat[$0 * width..<$0 * width + values.count]) }
    }

    /// Tells every process a value of all.
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

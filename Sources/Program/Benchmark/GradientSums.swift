import W2VCluster
import W2VTorch
import W2VTraining

/// The processes that sum a benchmark's gradients, and their settings.
struct SumOptions {
    /// The processes; `nil` for a single one, in which only times are recorded.
    var cluster: Cluster?
    /// Size of the buckets in which gradients are sent, in bytes.
    var bucketBytes: Int
    /// Whether each process keeps only its share of the optimizer's state.
    var zeroSharding = false
    /// Whether c10d's Reducer is measured alternately with ours.
    var comparesReducer = false

    /// Returns the processes among which the optimizer's state is sharded, if it is.
    func shards(on device: Device) throws -> ProcessGroup? { try zeroSharding ? cluster?.group(on: device) : nil }
}

/// The summation of gradients in a benchmark's steps, with the time of each part of a step.
///
/// `@unchecked Sendable` is safe: only the thread that makes the steps uses it.
final class GradientSums: GradientSummation, BackwardObserver, @unchecked Sendable {
    /// The time when gradients are sent.
    enum Mode {
        /// Never: measures a step without summation.
        case never
        /// After the backward pass.
        case after
        /// During the backward pass.
        case during
        /// During the backward pass, by c10d's Reducer.
        case reducer
    }

    /// The beginnings and ends of the parts of a step.
    struct Times {
        var start = ContinuousClock.now
        var forwardEnd = ContinuousClock.now
        var backwardEnd = ContinuousClock.now
        var sumsEnd = ContinuousClock.now
        var optimizerEnd = ContinuousClock.now
        var end = ContinuousClock.now
    }

    /// The modes that are measured alternately.
    let modes: [Mode]
    /// The mode of the next step.
    var mode = Mode.never
    /// The last step's times.
    private(set) var times = Times()
    /// The last step's transfers.
    private(set) var report: GradientReducer.Report?
    /// Bytes that a process contributes to the sums of a step.
    let bytes: Int
    /// The gradients' device.
    let device: Device
    private let parameters: FlatParameters
    private let reducer: GradientReducer?
    private let other: C10dReducer?

    init(_ parameters: FlatParameters, _ options: SumOptions) throws {
        self.parameters = parameters
        reducer = try options.cluster.map {
            try GradientReducer(
                parameters, over: $0.group(on: parameters.gradients.device), bucketBytes: options.bucketBytes)
        }
        reducer?.recordsTransfers = true
        other =
            try options.comparesReducer
            ? options.cluster.map {
                try C10dReducer(
                    parameters, over: $0.group(on: parameters.gradients.device), bucketBytes: options.bucketBytes)
            } : nil
        // Traces show the last one.
        modes = [.never] + (other == nil ? [] : [.reducer]) + (reducer == nil ? [] : [.after, .during])
        bytes = parameters.gradients.count * parameters.gradients.dtype.itemSize
        device = parameters.gradients.device
    }

    /// The buckets of the last step with summation.
    var transfers: [GradientReducer.Transfer] { reducer?.transfers ?? [] }

    /// Runs a step, and records when its parts start and end.
    ///
    /// - Parameter step: Makes an update that uses this summation.
    func timing(_ step: () throws -> Void) throws {
        times.start = .now
        try BackwardPasses.$observer.withValue(self) { try step() }
        // Without summation, the exchange of a sharded optimizer's parameters does not count either.
        times.end = mode == .never ? times.optimizerEnd : .now
    }

    // MARK: Called by the update

    func beginReduction(unused: Set<String>) {
        if mode == .after || mode == .during { reducer?.begin(unused: unused, overlapping: mode == .during) }
    }

    func backwardBegan(_ root: Tensor) throws {
        times.forwardEnd = .now
        if mode == .reducer { try other?.prepare(root) }
    }

    func backwardEnded() { times.backwardEnd = .now }

    func finishReduction() throws {
        if mode == .after || mode == .during {
            report = try reducer?.finish()
        } else {
            try parameters.collectGradients()
        }
        times.sumsEnd = .now
    }

    func optimizerEnded() {
        // A failed device reports its error to the step itself.
        try? device.synchronize()
        times.optimizerEnd = .now
    }
}

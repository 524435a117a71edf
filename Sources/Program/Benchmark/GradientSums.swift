import W2VCluster
import W2VTorch
import W2VTraining

/// The processes that sum a benchmark's gradients, and how.
struct SumOptions {
    /// The processes; `nil` for one on its own, of which only times are noted.
    var cluster: Cluster?
    /// The gradients that are sent at once, in bytes.
    var bucketBytes: Int
    /// Whether each process keeps only its share of the optimizer's state.
    var zeroSharding = false
    /// Whether c10d's Reducer takes turns with ours.
    var comparesReducer = false

    /// The processes that the optimizer's state is sharded over, where it is.
    func shards(on device: Device) throws -> ProcessGroup? { try zeroSharding ? cluster?.group(on: device) : nil }
}

/// The sums of gradients in a benchmark's steps, and when each part of a step happened.
///
/// `@unchecked Sendable` is safe: only the thread that makes the steps uses it.
final class GradientSums: GradientSummation, BackwardObserver, @unchecked Sendable {
    /// When gradients are sent.
    enum Mode {
        /// Never: what a step takes by itself.
        case never
        /// When the backward pass has ended.
        case after
        /// During the backward pass.
        case during
        /// By c10d's Reducer, during the backward pass.
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

    /// The ways of sending gradients that take turns.
    let modes: [Mode]
    /// How the next step sends its gradients.
    var mode = Mode.never
    /// The last step's times.
    private(set) var times = Times()
    /// The last step's sums.
    private(set) var report: GradientReducer.Report?
    /// What a process contributes to the sums of a step, in bytes.
    let bytes: Int
    /// Where gradients lie.
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
        // The last one is what traces show.
        modes = [.never] + (other == nil ? [] : [.reducer]) + (reducer == nil ? [] : [.after, .during])
        bytes = parameters.gradients.count * parameters.gradients.dtype.itemSize
        device = parameters.gradients.device
    }

    /// The buckets of the last step that summed.
    var transfers: [GradientReducer.Transfer] { reducer?.transfers ?? [] }

    /// Runs a step, and notes when its parts begin and end.
    ///
    /// - Parameter step: Makes an update whose gradients are summed by this.
    /// - Throws: What the step throws.
    func timing(_ step: () throws -> Void) throws {
        times.start = .now
        try BackwardPasses.$observer.withValue(self) { try step() }
        // Without sums, the exchange of a sharded optimizer's parameters does not count either.
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
        // A device that failed says so to the work itself.
        try? device.synchronize()
        times.optimizerEnd = .now
    }
}

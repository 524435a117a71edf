import Cluster
import Torch

/// Which processes sum a benchmark's gradients.
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
final class GradientSums {
    /// When gradients are sent.
    enum Mode {
        /// Never: what a step takes by itself.
        case never
        /// When the backward pass has ended.
        case after
        /// While the backward pass is going on.
        case during
        /// By c10d's Reducer, while the backward pass is going on.
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
    private let reducer: GradientReducer?
    private let other: C10dReducer?

    init(_ parameters: FlatParameters, _ options: SumOptions) throws {
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

    func noteStart() { times.start = .now }

    func noteForwardEnd() { times.forwardEnd = .now }

    func noteOptimizerEnd() { times.optimizerEnd = .now }

    func noteEnd() { times.end = .now }

    func begin(_ loss: Tensor, unused: Set<String>) throws {
        switch mode {
        case .never: break
        case .after, .during: reducer?.begin(unused: unused, overlapping: mode == .during)
        case .reducer: try other?.prepare(loss)
        }
    }

    func finish() throws {
        times.backwardEnd = .now
        if mode == .after || mode == .during { report = try reducer?.finish() }
        times.sumsEnd = .now
    }
}

import Foundation
import Logging
import W2VBackbone
import W2VCluster
import W2VInterchange
import W2VObjectives
import W2VTorch

/// Makes updates of the model: accumulate gradients, compute their norm, clip, step, average.
///
/// In half precision the optimizer sees FP32 weights and gradients, and the loss is scaled if gradients could vanish.
/// An update whose gradients overflow is skipped: it keeps its number and its utterances count as used, as in NVIDIA's
/// program (fairseq repeats the update's number), while the optimizer does not count it.
///
/// A GPU never waits for the host: a micro-batch's sums are read when the next one's passes have been queued. Where
/// steps are recorded, in a single process and with an optimizer that can do so, that holds at an update's end, too. The
/// norm, clipping and the decision to skip stay on the device (``GradientVerdict``), and the optimizer and the next
/// update's first micro-batch are queued before the host reads them.
final class UpdateStep {
    let task: any TrainingTask
    let data: any MicroBatchSource
    private let options: Recipe.OptimizationSection
    let precision: Recipe.PrecisionSection
    /// The objectives in addition to the leading one.
    let objectives: [String]
    let logger: Logger
    let cluster: Cluster?
    /// The model's copies in the other processes, which also sum the statistics and compare parameters; `nil` for a
    /// single process.
    private var replicas: Replicas?
    /// The summation of gradients over processes: ``replicas`` in training, a substitute in benchmarks; `nil` for none.
    private var summation: (any GradientSummation)?
    /// Prepares micro-batches, from the first update on.
    private var preparer: MicroBatchPreparer?
    /// The next update's first micro-batch, if it has been queued; an error is thrown when its turn comes.
    private var begun: BegunUpdate?
    var scaler: LossScaler?
    /// FP32 originals of frozen weights, if the model computes in half precision.
    var frozen: [String: Tensor] = [:]

    /// Prepares updates of a task's parameters, and converts the model to its precision.
    ///
    /// - Parameters:
    ///   - task: The model, with its parameter groups in FP32.
    ///   - data: The source of micro-batches.
    ///   - recipe: The training settings.
    ///   - cluster: The processes that make each update together, if there are several.
    ///   - group: The process group that exchanges the parameters' tensors.
    ///   - summation: Makes a summation of gradients other than that over `cluster`, for benchmarks.
    ///   - logger: Receives skipped updates, and the chosen precision.
    /// - Throws: `TorchError.operation` if LibTorch cannot make the tensors.
    init(
        _ task: any TrainingTask, _ data: any MicroBatchSource, _ recipe: Recipe, cluster: Cluster? = nil,
        over group: ProcessGroup? = nil, summation: ((ParameterGroup) throws -> any GradientSummation)? = nil,
        logger: Logger
    ) throws {
        self.task = task
        self.data = data
        self.cluster = cluster
        self.logger = logger
        options = recipe.optimization
        precision = recipe.precision
        objectives = recipe.objectives.names
        if precision.scalesLoss { scaler = LossScaler(precision, updateFreq: microBatchesPerUpdate) }
        try lower()
        if let cluster, let group {
            let replicas = try Replicas(
                cluster, task.groups, over: group, recipe.distributed, overlaps: !task.recordsSteps)
            (self.replicas, self.summation) = (replicas, replicas)
        } else if let summation, let group = task.groups.first {
            self.summation = try summation(group)
        }
    }

    private func lower() throws {
        let device = task.groups.first?.parameters.values.device ?? .cpu
        let choice = precision.mode
        let precision = precision.model(generation: try device.generation())
        if choice == .auto, precision.mode == .tf32 {
            logger.info("precision auto is tf32 on \(device); precision.mode=fp32 keeps products exact, and is slower")
        }
        if precision.mode == .tf32, device == .cpu { logger.info("precision tf32 is fp32 on a CPU") }
        if precision.mode.isMakeshift(on: device) {
            logger.warning("this processor has no products in \(precision.mode.rawValue); fp32 is faster on it")
        }
        try task.module.convert(for: .training, on: device, precision: precision)
        guard precision.mode.isHalf else { return }
        for group in task.groups {
            try group.parameters.lower(to: precision.mode.dtype, except: precision.keepsExact)
        }
        let learning = Set(task.groups.flatMap(\.parameters.names))
        for parameter in task.module.parameters()
        where !learning.contains(parameter.name) && !precision.keepsExact(parameter.name) {
            frozen[parameter.name] = parameter.tensor
            parameter.tensor = try parameter.tensor.detached().to(dtype: precision.mode.dtype)
        }
    }

    /// Number of micro-batches per update, over all processes.
    var microBatchesPerUpdate: Int { options.updateFreq * (cluster?.size ?? 1) }

    /// Total time that updates have waited for data, in seconds.
    var waitSeconds: Double { preparer?.waitSeconds ?? 0 }

    /// The factor on losses, if they are scaled.
    var lossScale: Double? { scaler?.scale }

    /// Makes one update, or skips it if gradients overflow that a smaller loss scale may prevent.
    ///
    /// - Parameters:
    ///   - update: The update's number, from 1.
    ///   - learningRate: The learning rate.
    ///   - keepsGradients: Whether the gradients, normalized and clipped, are to be seen after the update.
    ///   - mayBeginNext: Whether the next update may be begun before this one's sums are read: its gradients then take
    ///     the place of this one's.
    ///   - changesModel: Called with true before the optimizer changes the model, and with false if it has not done so.
    ///   - isInterrupted: Polled between micro-batches, because an update of many takes long.
    /// - Returns: The update's sums; `nil` if it was interrupted: then only the position in the data has changed.
    /// - Throws: ``TrainingError/notFinite(update:what:utterances:)``,
    ///   ``TrainingError/minimumLossScale(update:scale:what:utterances:)``, or an error of the data or the model.
    func callAsFunction(
        _ update: Int, learningRate: Double, keepsGradients: Bool = false, mayBeginNext: Bool = false,
        changesModel: (Bool) -> Void = { _ in }, isInterrupted: () -> Bool = { false }
    ) throws -> Statistics? {
        var sums = Statistics()
        var utterances: [Int] = []
        let lossScale = scaler?.scale ?? 1
        let begun = begun.flatMap { $0.update == update ? $0 : nil }
        self.begun = nil
        let isBegun = begun?.lossScale == lossScale
        // In half precision, a micro-batch's gradients are collected only when its turn comes.
        if !isBegun { try profiled(.optimizer) { for group in task.groups { try group.parameters.clearGradients() } } }
        let preparer = try preparer ?? MicroBatchPreparer(task, data, from: update, through: options.maxUpdate)
        self.preparer = preparer
        let microBatches = try profiled(.dataWait) { try data.beginUpdate() }
        func beginReduction() {
            summation?.beginReduction(unused: task.parametersWithoutGradient(update: update))
        }
        if microBatches.isEmpty { beginReduction() }
        var (pending, losses, sampleSize): (PendingSums?, [Tensor], Int) = (nil, [], 0)
        for microBatch in microBatches {
            // With several processes, the others would wait for this one's gradients.
            if microBatch != microBatches.first, cluster == nil, isInterrupted() { return nil }
            let isLast = microBatch == microBatches.last
            if isLast { beginReduction() }
            let earlier = microBatch == microBatches.first ? begun : nil
            let prepared = try earlier?.prepared.get() ?? preparer.next(microBatch, of: update)
            let queued = try (isBegun ? earlier?.pending?.get() : nil) ?? prepared.addGradients(lossScale: lossScale)
            // A GPU computes meanwhile.
            if let pending { sums += try pending.wait() }
            pending = queued
            if queuesUpdates { losses.append(queued.loss) }
            sampleSize += queued.counts.sampleSize
            // In half precision, adds this micro-batch's gradients to the FP32 sums (nothing to do in FP32). With a
            // summation, the last micro-batch's are added bucket by bucket as they are sent.
            if !isLast || summation == nil { for group in task.groups { try group.parameters.collectGradients() } }
            utterances += prepared.batch.utterances
        }
        let changing = task.groups.filter { update >= $0.firstUpdate }
        guard queuesUpdates, let pending else {
            if let pending { sums += try pending.wait() }
            return try complete(
                update, sums, utterances, changing, learningRate: learningRate, keepsGradients: keepsGradients,
                changesModel)
        }
        let verdict = try profiled(.optimizer) {
            try GradientVerdict(
                task.groups.map(\.parameters), losses: losses, divisor: Double(sampleSize) * lossScale,
                clipNorm: options.clipNorm)
        }
        changesModel(true)
        try profiled(.optimizer) {
            for group in changing {
                try group.queueStep(learningRate: learningRate, verdict, keepsGradients: keepsGradients)
            }
        }
        if mayBeginNext, !keepsGradients, update < options.maxUpdate {
            self.begun = begin(update + 1, preparer, lossScale: lossScale)
        }
        sums += try pending.wait()
        sums.updates = 1
        let norm = try verdict.waitForNorm()
        let isSkipped = !norm.isFinite || !sums.loss.isFinite
        for group in changing { try group.complete(isSkipped: isSkipped) }
        guard !isSkipped else {
            changesModel(false)
            return try skip(update, sums, utterances) { try verdict.firstOverflow() }
        }
        scaler?.succeed()
        sums.gradientNorm = norm
        return sums
    }

    /// Completes an update whose gradients and sums the host waits for.
    private func complete(
        _ update: Int, _ own: Statistics, _ utterances: [Int], _ changing: [ParameterGroup], learningRate: Double,
        keepsGradients: Bool, _ changesModel: (Bool) -> Void
    ) throws -> Statistics? {
        var sums = own
        try summation?.finishReduction()
        if let replicas { sums = try replicas.sum(sums) }
        sums.updates = 1
        let divisor = Double(sums.sampleSize) * (scaler?.scale ?? 1)
        let norm = try profiled(.optimizer) { try gradientNorm(task.groups.map(\.parameters)) / divisor }
        guard norm.isFinite, sums.loss.isFinite else {
            return try skip(update, sums, utterances, firstOverflow: firstOverflow)
        }
        let clip = options.clipNorm > 0 ? min(1, options.clipNorm / (norm + 1e-6)) : 1
        changesModel(true)
        try profiled(.optimizer) {
            for group in changing {
                try group.step(
                    learningRate: learningRate, gradientScale: clip / divisor, keepsGradients: keepsGradients)
            }
            summation?.optimizerEnded()
            for group in changing { try group.publish() }
        }
        scaler?.succeed()
        try replicas?.check(after: update)
        sums.gradientNorm = norm
        return sums
    }

    // MARK: Queued updates

    /// A micro-batch whose passes have been queued before the update in front of it was known to be made.
    private struct BegunUpdate {
        let update: Int
        let lossScale: Double
        let prepared: Result<any PreparedMicroBatch, any Error>
        /// The sums; `nil` if the micro-batch could not be prepared.
        let pending: Result<PendingSums, any Error>?
    }

    /// Whether updates are queued; see ``UpdateStep``.
    private var queuesUpdates: Bool {
        task.recordsSteps && cluster == nil && summation == nil
            && task.groups.allSatisfy { $0.optimizer is any QueuedOptimizer }
    }

    /// Queues the passes of an update's first micro-batch.
    ///
    /// They change nothing but gradients. If the update in front is skipped, and the loss scale with it, they are queued
    /// again.
    private func begin(_ update: Int, _ preparer: MicroBatchPreparer, lossScale: Double) -> BegunUpdate {
        let prepared = Result { try preparer.next(0, of: update) }
        let pending = (try? prepared.get()).map { prepared in
            Result {
                try profiled(.optimizer) { for group in task.groups { try group.parameters.clearGradients() } }
                return try prepared.addGradients(lossScale: lossScale)
            }
        }
        return BegunUpdate(update: update, lossScale: lossScale, prepared: prepared, pending: pending)
    }
}

import Foundation
import Torch

/// Makes updates of the model: accumulate, measure, clip, step.
final class UpdateStep {
    private let task: any TrainingTask
    private let data: TrainingData
    private let options: Recipe.OptimizationSection

    /// Prepares for updates of a task's parameters.
    ///
    /// - Parameters:
    ///   - task: The model, with its groups of parameters.
    ///   - data: Where micro-batches come from.
    ///   - options: How many of them make an update, and how large its gradient may be.
    init(_ task: any TrainingTask, _ data: TrainingData, _ options: Recipe.OptimizationSection) {
        self.task = task
        self.data = data
        self.options = options
    }

    /// Makes one update.
    ///
    /// - Parameters:
    ///   - update: Its number, from 1.
    ///   - learningRate: The step size.
    /// - Returns: The update's sums.
    /// - Throws: ``TrainingError/notFinite(update:what:utterances:)``, or what the data or the model threw.
    func callAsFunction(_ update: Int, learningRate: Double) throws -> Statistics {
        var sums = Statistics()
        var utterances: [Int] = []
        for group in task.groups { try group.parameters.clearGradients() }
        for microBatch in 0..<options.updateFreq {
            guard let batch = try data.next() else { break }
            sums += try task.accumulate(batch, update: update, microBatch: microBatch)
            utterances += batch.utterances
        }
        let norm = try gradientNorm(task.groups.map(\.parameters)) / Double(sums.sampleSize)
        guard norm.isFinite, sums.loss.isFinite else { throw try notFinite(update, utterances) }
        let clip = options.clipNorm > 0 ? min(1, options.clipNorm / (norm + 1e-6)) : 1
        for group in task.groups where update >= group.firstUpdate {
            try group.adam.step(learningRate: learningRate, gradientScale: clip / Double(sums.sampleSize))
        }
        sums.updates = 1
        sums.gradientNorm = norm
        return sums
    }

    private func notFinite(_ update: Int, _ utterances: [Int]) throws -> TrainingError {
        var what = "the loss"
        search: for group in task.groups {
            for index in group.parameters.names.indices
            where try !group.parameters.view(index, of: group.parameters.gradients).isFinite() {
                what = "the gradient of \(group.parameters.names[index])"
                break search
            }
        }
        var names = utterances.prefix(10).map { data.manifest.path($0) }
        if utterances.count > 10 { names.append("and \(utterances.count - 10) more") }
        return .notFinite(update: update, what: what, utterances: names)
    }

    // MARK: Checkpoints

    /// The model's weights, for a checkpoint.
    func weights() -> [String: Tensor] { task.module.state() }

    /// Notes what resuming needs to know besides tensors.
    func note(in state: inout TrainingState) {
        for group in task.groups { state.optimizerUpdates[group.name] = group.adam.updates }
    }

    /// Writes the optimizer's tensors into a checkpoint's folder.
    func writeOptimizer(to folder: URL) throws {
        var moments: [String: Tensor] = [:]
        for group in task.groups { moments.merge(try group.moments()) { first, _ in first } }
        try TensorFile.write(moments, to: folder.appendingPathComponent(TrainingState.optimizerName))
    }

    /// Continues from a checkpoint's folder; the weights are the model's already.
    func restore(_ state: TrainingState, from folder: URL) throws {
        let moments = try TensorFile.read(folder.appendingPathComponent(TrainingState.optimizerName))
        for group in task.groups {
            try group.restore(updates: state.optimizerUpdates[group.name] ?? 0, from: moments)
        }
    }
}

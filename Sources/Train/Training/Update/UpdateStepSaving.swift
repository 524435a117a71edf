import Foundation
import W2VInterchange
import W2VTorch

// What checkpoints hold of the updates: weights, averages, moments, and counts.

extension UpdateStep {
    // MARK: Averaged weights

    /// Whether weights are averaged.
    var averages: Bool { task.groups.contains { $0.average != nil } }

    /// Calls `body` with the averaged weights in place of the model's, if there are any.
    func withAveragedWeights<Result>(_ body: () throws -> Result) throws -> Result {
        func use(_ averages: ArraySlice<AveragedParameters>) throws -> Result {
            guard let first = averages.first else { return try body() }
            return try first.inUse { try use(averages.dropFirst()) }
        }
        return try use(task.groups.compactMap(\.average)[...])
    }

    // MARK: Checkpoints

    /// Records what resuming needs besides tensors.
    func record(into state: inout TrainingState) {
        for group in task.groups { state.optimizerUpdates[group.name] = group.optimizer.moments.updates }
        state.lossScaler = scaler?.state
    }

    /// The weights and averaged weights, for a checkpoint.
    ///
    /// - Parameter copying: Whether training continues while they are used.
    /// - Returns: All of them, or this process's part.
    /// - Throws: `TorchError.operation` if memory runs out.
    func weights(copying: Bool) throws -> Snapshot.Weights {
        let learning = Set(task.groups.flatMap(\.parameters.names))
        return Snapshot.Weights(
            task.description,
            fixed: task.module.state().filter { !learning.contains($0.key) }.merging(frozen) { $1 },
            learning: try task.groups.map { try $0.parameters.copy($0.parameters.masters, sharing: !copying) },
            averages: try task.groups.compactMap { group in
                try group.average.map { try group.parameters.copy($0.values, sharing: !copying) }
            })
    }

    /// The optimizer's moments, for a checkpoint.
    ///
    /// - Parameter copying: Whether training continues while they are used.
    /// - Returns: All of them, or this process's part.
    /// - Throws: `TorchError.operation` if memory runs out.
    func moments(copying: Bool) throws -> Snapshot.Moments {
        func copies(_ buffer: (Moments) -> Tensor) throws -> [FlatCopy] {
            try task.groups.map { try $0.parameters.copy(buffer($0.optimizer.moments), sharing: !copying) }
        }
        return Snapshot.Moments(first: try copies(\.first), second: try copies(\.second))
    }

    /// Continues from a checkpoint's folder; the weights are the model's already.
    func restore(_ state: TrainingState, from folder: URL) throws {
        let moments = try TensorFile.read(folder.appendingPathComponent(TrainingState.optimizerName))
        for group in task.groups {
            try group.restore(updates: state.optimizerUpdates[group.name] ?? 0, from: moments)
        }
        if averages {
            let file = folder.appendingPathComponent(Checkpoint.averagedWeightsName)
            let averaged = try Checkpoint.read(file).weights()
            for group in task.groups { try group.average?.restore(averaged) }
        }
        if let saved = state.lossScaler, scaler != nil {
            scaler = LossScaler(precision, updateFreq: microBatchesPerUpdate, state: saved)
        }
    }
}

import Foundation
import W2VBackbone
import W2VBase
import W2VTorch

extension Checkpoint {
    /// Returns the mean of several checkpoints' weights, summed in double precision.
    ///
    /// The average of weights from the last part of a run often recognizes better than any one of them.
    ///
    /// - Parameter checkpoints: At least one; all of one architecture, task and dictionary.
    /// - Returns: The mean of each tensor by the checkpoint's names, in the first checkpoint's number formats.
    /// - Throws: ``CheckpointError/damaged(path:reason:)`` naming the first that does not match the others.
    public static func average(_ checkpoints: [Checkpoint]) throws -> [String: Tensor] {
        guard let first = checkpoints.first else { return [:] }
        for other in checkpoints.dropFirst() { try first.requireSameModel(other) }
        var result: [String: Tensor] = [:]
        try withoutGradient {
            // One tensor at a time: all checkpoints together may exceed the memory.
            for (name, tensor) in first.allState {
                var sum = try tensor.to(dtype: .float64)
                for other in checkpoints.dropFirst() {
                    guard let addend = other.allState[name] else { continue }
                    sum = try sum + addend.to(dtype: .float64)
                }
                result[name] = try (sum / Double(checkpoints.count)).to(dtype: tensor.dtype)
            }
        }
        return result
    }

    private func requireSameModel(_ other: Checkpoint) throws {
        func differs(_ what: String) -> CheckpointError {
            .damaged(path: other.url.path, reason: "\(what), so that they cannot be averaged")
        }
        let (mine, its) = (description, other.description)
        guard mine.task == its.task else {
            throw differs("it holds a \(its.task.name) model and \(url.path) a \(mine.task.name) model")
        }
        for setting in ModelConfiguration.settings where setting.scope.decidesOutput {
            let (here, there) = (setting.text(mine.model), setting.text(its.model))
            guard here == there else {
                throw differs("its \(setting.name) is \(there) and that of \(url.path) is \(here)")
            }
        }
        guard mine.normalize == its.normalize, !mine.normalize || mine.normalizeEpsilon == its.normalizeEpsilon else {
            throw differs("its input normalization is not that of \(url.path)")
        }
        guard mine.labels.map({ ExactText($0) }) == its.labels.map({ ExactText($0) }), mine.text == its.text else {
            throw differs("its labels are not those of \(url.path)")
        }
        if let name = Set(allState.keys).symmetricDifference(other.allState.keys).min() {
            throw differs("\(name) is in one of it and \(url.path) only")
        }
        for (name, tensor) in allState {
            guard let its = other.allState[name], its.shape == tensor.shape else {
                throw differs("its \(name) has another shape than that of \(url.path)")
            }
        }
    }
}

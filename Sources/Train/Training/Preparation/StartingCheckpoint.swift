import Foundation
import W2VBackbone
import W2VInterchange
import W2VTorch

extension TrainingJob {
    /// Reads the checkpoint whose weights a new run starts from.
    ///
    /// - Returns: The checkpoint; `nil` for random weights.
    /// - Throws: `CheckpointError`.
    func startingCheckpoint() throws -> Checkpoint? { try from.map { try Checkpoint.read($0) } }

    /// Returns warnings about assigned values that the checkpoint overrides.
    ///
    /// - Parameters:
    ///   - adopted: The recipe with the checkpoint's architecture.
    ///   - origin: The checkpoint.
    func overriddenAssignments(by adopted: Recipe, of origin: Checkpoint) -> [String] {
        let (asked, used) = (recipe.values, adopted.values)
        return assigned.sorted().compactMap { key in
            guard let wanted = asked[key], let value = used[key], wanted != value else { return nil }
            return "\(key)=\(wanted) has no effect: the model is that of \(origin.url.path), where it is \(value)"
        }
    }
}

extension Checkpoint {
    /// Refuses weights that are NaN or infinite, as they would make all results so.
    ///
    /// - Parameter isResumed: Whether they are those of a resumed run.
    /// - Throws: ``TrainingError``.
    func requireFinite(isResumed: Bool) throws {
        for (name, tensor) in state.sorted(by: { $0.key < $1.key }) where try !tensor.isFinite() {
            throw isResumed
                ? TrainingError.damagedState(
                    path: url.path,
                    reason:
                        "its \(name) has values that are infinite or not numbers, since the run had diverged",
                    advice: "rename an earlier state to last to continue from there, or start again")
                : TrainingError.notFiniteWeights(path: url.path, name: name)
        }
    }
}

extension Recipe {
    /// Returns the recipe with a checkpoint's architecture.
    ///
    /// Settings of training remain the recipe's: dropouts, LayerDrop, the extractor's gradient factor, the Gumbel
    /// temperature, and the recomputation of layers.
    ///
    /// - Parameter description: The checkpoint's model.
    package func adoptingArchitecture(of description: ModelDescription) -> Recipe {
        var adopted = description.model
        adopted.dropout = model.dropout
        adopted.attentionDropout = model.attentionDropout
        adopted.activationDropout = model.activationDropout
        adopted.dropoutInput = model.dropoutInput
        adopted.dropoutFeatures = model.dropoutFeatures
        adopted.finalDropout = model.finalDropout
        adopted.encoderLayerdrop = model.encoderLayerdrop
        adopted.featureGradMult = model.featureGradMult
        adopted.latentTemp = model.latentTemp
        adopted.checkpointActivations = model.checkpointActivations
        var recipe = self
        recipe.model = adopted
        recipe.data.normalize = description.normalize
        recipe.data.normalizeEpsilon = description.normalizeEpsilon
        return recipe
    }
}

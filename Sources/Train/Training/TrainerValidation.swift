import Foundation
import W2VCorpus
import W2VDecoding

/// The held-out sets of a run; the first one selects the best checkpoint.
struct HeldOutSets {
    /// The sets.
    let manifests: [Manifest]
    /// The ``DataIdentity`` of the first one.
    let identity: String

    /// Returns the name of a set's event-file folder: the kind for the first one, with the set's name for the others.
    ///
    /// - Parameters:
    ///   - index: The set's number.
    ///   - kind: `valid`, or `ema` for averaged weights.
    func series(_ index: Int, of kind: String = "valid") -> String {
        guard index > 0 else { return kind }
        let names = manifests.map { URL(fileURLWithPath: $0.name).deletingPathExtension().lastPathComponent }
        let isAlone = names.dropFirst().count { $0 == names[index] } == 1
        return "\(kind)-\(names[index])" + (isAlone ? "" : "-\(index + 1)")
    }
}

extension Trainer {
    /// Evaluates all held-out sets after an update, and saves the weights if they are the best so far.
    ///
    /// If this fails, a checkpoint has the state before it, with a note that validation is pending.
    ///
    /// - Parameter epoch: The update's epoch.
    /// - Throws: ``TrainingError``, or an error of the data or the model.
    func runValidation(epoch: Int) throws {
        let start = ContinuousClock.now
        try during(.validating(epoch: epoch, bestBefore: state.best)) {
            for index in heldOut.manifests.indices { try validate(set: index, epoch: epoch) }
        }
        meter.exclude(since: start)
        meter.lastValidation = .now
    }

    /// Evaluates a held-out set, and the averaged weights in addition to the model's, if there are any.
    ///
    /// As in NVIDIA's program, averaged weights do not select the best checkpoint.
    private func validate(set index: Int, epoch: Int) throws {
        let began = ContinuousClock.now
        let manifest = heldOut.manifests[index]
        let result = try evaluate(manifest)
        let isBest = index == 0 && isBest(result, manifest)
        try record(result, set: index, epoch: epoch, isBest: isBest, since: began)
        if isBest, recipe.checkpoint.keepBest {
            // The best weights alone cannot be resumed from.
            if keeper.lastSaved == nil { try save() }
            try keeper.saveBest(state)
        }
        guard trainStep.averages else { return }
        let averageBegan = ContinuousClock.now
        let average = try trainStep.withAveragedWeights { try evaluate(manifest) }
        try record(average, ofAverage: true, set: index, epoch: epoch, isBest: false, since: averageBegan)
    }

    /// Evaluates the model on a held-out set.
    ///
    /// - Parameter manifest: The set.
    /// - Throws: ``TrainingError/modelDiverged(update:name:saved:)`` if the model's outputs are NaN or infinite.
    private func evaluate(_ manifest: Manifest) throws -> ValidationTally {
        let diverged = TrainingError.modelDiverged(
            update: state.update, name: manifest.name, saved: keeper.lastSaved.flatMap { $0 < state.update ? $0 : nil })
        do {
            let result = try task.validate(manifest, among: cluster)
            guard task.metric != "loss" || result.statistics.loss.isFinite else {
                throw ValidationFailure(failure: diverged, isTheModels: true)
            }
            return result
        } catch is DecoderError {
            throw diverged
        } catch let failure as ValidationFailure where failure.failure is DecoderError {
            throw ValidationFailure(failure: diverged, isTheModels: true)
        }
    }

    /// Returns whether a result is better than all before, and remembers it if so.
    private func isBest(_ result: ValidationTally, _ manifest: Manifest) -> Bool {
        guard let value = result.value(task.metric), value.isFinite else {
            logger.warning(
                """
                \(manifest.name): the \(task.metric) is not a number after update \(state.update), so it cannot choose \
                the best checkpoint; look at the set's transcripts and recordings
                """, metadata: ["update": .stringConvertible(state.update), "file": "\(manifest.name)"])
            return false
        }
        guard value < state.best?.value ?? .infinity else { return false }
        remember(
            TrainingState.Best(
                update: state.update, metric: task.metric, value: value, name: manifest.name,
                identity: heldOut.identity))
        return true
    }
}

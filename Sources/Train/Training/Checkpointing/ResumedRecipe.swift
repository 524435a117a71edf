import Foundation
import Logging
import W2VBackbone
import W2VBase
import W2VObjectives

/// The recipe of a resumed run: the one that it began with, except for keys that are given another value now.
///
/// A value is given by an assignment (``TrainingJob/assigned``), or by an edit of the recipe's file: then the file has
/// another value than it had. What is merely left out of the command line keeps the run's value.
struct ResumedRecipe {
    /// A key whose value is another from now on.
    struct Change: Equatable {
        var key: String
        var then: String
        var now: String
    }

    /// The recipe, before a checkpoint's architecture is taken over.
    private(set) var recipe: Recipe
    /// Keys that were given other values, in the order of the recipe's keys.
    private(set) var changes: [Change] = []
    /// Keys that the command line and the recipe's file have other values for, which do not count.
    private(set) var kept: [Change] = []

    /// Sections and keys that may change: they do not change what an update computes.
    private static let free: Set<String> = [
        "model.checkpoint_activations", "optimization.max_epoch", "data.workers", "data.prefetch",
        "batching.max_tokens_valid",
        "batching.batch_size_valid", "batching.effective_batch", "distributed", "checkpoint", "logging", "validation",
        "watch",
    ]

    /// Keys that say how an update is divided among processes, micro-batches and sub-batches.
    ///
    /// Another machine needs others. The order of the data does not depend on them: ``TrainingState/position`` counts
    /// sub-batches.
    static let hardware: Set<String> = ["batching.num_concat_batches", "optimization.update_freq"]

    /// Keys that belong to a job and not to the run: they are needed before the run's state can be read.
    private static let jobs: Set<String> = ["distributed.timeout", "distributed.join_timeout"]

    /// Finds out what a resumed run continues with.
    ///
    /// - Parameters:
    ///   - state: The run's state.
    ///   - job: What is asked for now.
    /// - Throws: ``/W2VBackbone/ConfigurationError`` for a value in the state that this version does not understand.
    init(_ state: TrainingState, _ job: TrainingJob) throws {
        recipe = job.recipe
        try Self.requireObjectives(of: state, in: job.output)
        let (now, written) = (job.recipe.values, (job.writtenRecipe ?? job.recipe).values)
        // A key that the state does not have is younger than the run, which has computed with its default.
        let defaults = Recipe().values
        for key in Recipe.table.settings.map(\.name) {
            let then = state.overridden?[key] ?? state.recipe[key] ?? defaults[key] ?? ""
            guard let value = now[key], value != then else { continue }
            let change = Change(key: key, then: then, now: value)
            // States of older versions do not say what the file had; then only what is assigned counts as given.
            let wasWritten = state.overridden == nil ? nil : state.replaced.map { $0[key] ?? then }
            let isEdited = wasWritten.map { $0 != written[key] } ?? false
            if job.assigned.contains(key) || Self.jobs.contains(key) || isEdited {
                changes.append(change)
            } else {
                // Such a state has the checkpoint's architecture in place of what was asked for.
                let isAdopted = state.overridden == nil && (key.hasPrefix("model.") || key == "data.normalize")
                if !isAdopted { kept.append(change) }
                try Recipe.table.set(key, to: then, in: &recipe)
            }
        }
    }

    /// Refuses a run with objectives that are not registered here.
    private static func requireObjectives(of state: TrainingState, in folder: URL) throws {
        guard let text = state.recipe["objectives"] else { return }
        let missing = try NameList(settingText: text).names.filter { ObjectiveRegistry.find($0) == nil }
        guard missing.isEmpty else {
            throw TrainingError.missingObjectives(
                folder: folder.path, names: missing, known: ObjectiveRegistry.all.map(\.name))
        }
    }

    /// Whether a change says how an update is divided.
    var divides: Bool { changes.contains { Self.hardware.contains($0.key) } }

    /// Refuses values that would make another run of it, and other data.
    ///
    /// - Parameters:
    ///   - state: The run's state.
    ///   - data: The training data in words.
    ///   - identity: What they are.
    ///   - folder: The run's folder.
    /// - Throws: ``TrainingError/recipeChanged(folder:differences:)``, ``TrainingError/dataChanged(folder:then:now:)``.
    func requireSameRun(_ state: TrainingState, data: String, identity: String, folder: URL) throws {
        let refused = changes.filter { change in
            let section = change.key.split(separator: ".").first.map(String.init) ?? change.key
            guard Self.free.isDisjoint(with: [change.key, section]), !Self.hardware.contains(change.key) else {
                return false
            }
            guard change.key == "optimization.max_update", let then = Int(change.then) else { return true }
            return recipe.optimization.maxUpdate < then
        }
        guard refused.isEmpty else {
            throw TrainingError.recipeChanged(
                folder: folder.path, differences: refused.map { "\($0.key): \($0.then) → \($0.now)" })
        }
        guard state.dataIdentity.map({ $0 == identity }) ?? (state.data == data) else {
            throw TrainingError.dataChanged(folder: folder.path, then: state.data, now: data)
        }
    }

    /// Logs which values differ from those that the run began with, and which of those it keeps.
    ///
    /// - Parameters:
    ///   - update: The update after which the run continues.
    ///   - logger: Gets a line for each change; none if nothing differs.
    func logChanges(after update: Int, to logger: Logger) {
        for change in changes {
            guard change.key == "optimization.max_update", let then = Int(change.then) else {
                logger.info("\(change.key) is \(change.now) from now on; until now it was \(change.then)")
                continue
            }
            logger.warning(
                """
                optimization.max_update is \(change.now) from now on; until now it was \(then)\
                \(rateChange(after: update, then: then))
                """)
        }
        if !kept.isEmpty {
            let list = kept.map { "\($0.key)=\($0.then) (not \($0.now))" }
            logger.info(
                """
                this run keeps values that it began with and this command does not set: \(list.joined(separator: ", ")); \
                \(Phrase.changeKey)
                """)
        }
    }

    /// What more updates do to the learning rate, which is a function of the update and of their number.
    private func rateChange(after update: Int, then: Int) -> String {
        let schedule = recipe.optimization.learningRate
        let before = schedule.rate(update: max(1, update), maxUpdate: then)
        let after = schedule.rate(update: update + 1, maxUpdate: recipe.optimization.maxUpdate)
        let planned = schedule.rate(update: update + 1, maxUpdate: then)
        guard after != planned else { return "; the learning rate continues as planned" }
        return
            "; the schedule is stretched to it: the learning rate was \(short(before)) in update \(max(1, update)) and is "
            + "\(short(after)) in update \(update + 1)"
    }
}

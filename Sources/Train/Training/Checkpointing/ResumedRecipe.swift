import Foundation
import Logging
import W2VBackbone
import W2VBase
import W2VObjectives

/// The recipe of a resumed run: the original one, with the keys that have been given new values since.
///
/// A value is given by an assignment (``TrainingJob/assigned``), or by an edit of the recipe's file: then the file has
/// another value than before. A key that is only missing from the command line keeps the run's value.
struct ResumedRecipe {
    /// A key with a new value.
    struct Change: Equatable, CustomStringConvertible {
        var key: String
        var then: String
        var now: String

        /// Both values, for people.
        var description: String { "\(key) \(then) → \(now)" }
    }

    /// The recipe, before a checkpoint's architecture is adopted.
    private(set) var recipe: Recipe
    /// Keys with new values, in the recipe's order.
    private(set) var changes: [Change] = []
    /// Keys for which the command line or the recipe's file has other values, which are ignored.
    private(set) var kept: [Change] = []

    /// Sections and keys that may change, because they do not affect the result of an update.
    private static let free: Set<String> = [
        "model.checkpoint_activations", "optimization.max_epoch", "data.workers", "data.prefetch",
        "batching.max_tokens_valid",
        "batching.batch_size_valid", "batching.effective_batch", "distributed", "checkpoint", "logging", "validation",
        "watch",
    ]

    /// Keys that divide an update among processes, micro-batches and sub-batches.
    ///
    /// They depend on the machine. The order of the data does not depend on them: ``TrainingState/position`` counts
    /// sub-batches.
    static let hardware: Set<String> = ["batching.num_concat_batches", "optimization.update_freq"]

    /// Keys of a job rather than of the run: they are needed before the run's state can be read.
    private static let jobs: Set<String> = ["distributed.timeout", "distributed.join_timeout"]

    /// Determines the recipe that a resumed run continues with.
    ///
    /// - Parameters:
    ///   - state: The run's state.
    ///   - job: The job that resumes it.
    /// - Throws: ``/W2VBackbone/ConfigurationError`` for a value in the state that this version does not understand.
    init(_ state: TrainingState, _ job: TrainingJob) throws {
        recipe = job.recipe
        try Self.requireObjectives(of: state, in: job.output)
        let (now, written) = (job.recipe.values, (job.writtenRecipe ?? job.recipe).values)
        // A key that the state lacks is newer than the run, which has used its default.
        let defaults = Recipe().values
        for key in Recipe.table.settings.map(\.name) {
            let then = state.overridden?[key] ?? state.recipe[key] ?? defaults[key] ?? ""
            guard let value = now[key], value != then else { continue }
            let change = Change(key: key, then: then, now: value)
            // States of older versions do not record the file's values; then only assignments count as given.
            let wasWritten = state.overridden == nil ? nil : state.replaced.map { $0[key] ?? then }
            let isEdited = wasWritten.map { $0 != written[key] } ?? false
            if job.continuesRecord || job.assigned.contains(key) || Self.jobs.contains(key) || isEdited {
                changes.append(change)
            } else {
                // Such a state has the checkpoint's architecture in place of the requested one.
                let isAdopted = state.overridden == nil && (key.hasPrefix("model.") || key == "data.normalize")
                if !isAdopted { kept.append(change) }
                try Recipe.table.set(key, to: then, in: &recipe)
            }
        }
    }

    /// Refuses a run with objectives that are not registered.
    private static func requireObjectives(of state: TrainingState, in folder: URL) throws {
        guard let text = state.recipe["objectives"] else { return }
        let missing = try NameList(settingText: text).names.filter { ObjectiveRegistry.find($0) == nil }
        guard missing.isEmpty else {
            throw TrainingError.missingObjectives(
                folder: folder.path, names: missing, known: ObjectiveRegistry.all.map(\.name))
        }
    }

    /// Whether a change affects how an update is divided.
    var divides: Bool { changes.contains { Self.hardware.contains($0.key) } }

    /// Refuses values that would make it a different run, and other data.
    ///
    /// - Parameters:
    ///   - state: The run's state.
    ///   - data: The training data in words.
    ///   - identity: The training data's ``DataIdentity``.
    ///   - folder: The run's folder.
    /// - Throws: ``TrainingError/recipeChanged(folder:differences:)``, ``TrainingError/dataChanged(folder:then:now:)``.
    func requireSameRun(_ state: TrainingState, data: String, identity: String, folder: URL) throws {
        let refused = changes.filter { change in
            let section = change.key.split(separator: ".").first.map(String.init) ?? change.key
            guard Self.free.isDisjoint(with: [change.key, section]), !Self.hardware.contains(change.key) else {
                return false
            }
            guard change.key == "optimization.max_update", let then = Int(change.then) else { return true }
            // What was asked for can be taken back, but not updates that are made.
            return recipe.optimization.maxUpdate < min(then, state.update)
        }
        guard refused.isEmpty else {
            throw TrainingError.recipeChanged(
                folder: folder.path, differences: refused.map { "\($0.key): \($0.then) → \($0.now)" })
        }
        guard state.dataIdentity.map({ $0 == identity }) ?? (state.data == data) else {
            throw TrainingError.dataChanged(folder: folder.path, then: state.data, now: data)
        }
    }

    /// Logs the values that differ from those that the run started with, and the ones that are ignored.
    ///
    /// - Parameters:
    ///   - update: The update after which the run continues.
    ///   - logger: Receives a line for each change.
    func logChanges(after update: Int, to logger: Logger) {
        for change in changes {
            let undo = "\(Phrase.assignment("\(change.key)=\(change.then)")) takes it back"
            guard change.key == "optimization.max_update", let then = Int(change.then) else {
                logger.info("\(change); \(undo)")
                continue
            }
            logger.warning("\(change)\(rateChange(after: update, then: then)); \(undo)")
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

    /// Describes the effect of more updates on the learning rate, which is a function of the update and of their total
    /// number.
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

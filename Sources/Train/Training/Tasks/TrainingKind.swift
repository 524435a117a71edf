import Logging
import W2VInterchange
import W2VObjectives
import W2VTorch

extension TrainingJob {
    /// A kind of training run: what one differs in from another.
    ///
    /// A kind is one file, which declares it, and one line of `all`.
    public struct Task: Sendable {
        /// The name in logs and for scripts.
        public let rawValue: String
        /// The name for people.
        let phrase: String
        /// The program's command.
        let command: String
        /// What the checkpoints of such runs hold.
        let model: ModelTask
        /// Whether labels beside the manifests are learned from.
        let readsLabels: Bool
        /// Whether passes can be recorded (`optimization.record_steps`).
        let recordsSteps: Bool
        /// What follows a sentence about held-out utterances that are left out.
        let exclusion: String
        /// Entries of the code books that are in use when training goes well, and the number of code books.
        let codeBooks: @Sendable (Recipe) -> (entries: Int, groups: Int)
        /// Whether a recipe has values that only such runs use.
        let isMeant: @Sendable (Recipe) -> Bool
        /// Sentences about what a run of this many updates will not reach.
        let unreached: @Sendable (Recipe, _ updates: Int, _ end: String) -> [String]
        /// Builds the model and what it learns.
        let make: @Sendable (RunPreparation, ProcessGroup?, Logger) throws -> any TrainingTask

        /// All kinds.
        static let all = [pretraining, finetuning]
    }
}

extension TrainingJob.Task: Hashable, CustomStringConvertible {
    /// The name in logs.
    public var description: String { rawValue }

    /// Two kinds are the same if their names are.
    public static func == (left: Self, right: Self) -> Bool { left.rawValue == right.rawValue }

    /// Hashes the name.
    public func hash(into hasher: inout Hasher) { hasher.combine(rawValue) }
}

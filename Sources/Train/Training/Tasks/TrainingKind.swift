import Logging
import W2VInterchange
import W2VObjectives
import W2VTorch

extension TrainingJob {
    /// A kind of training run, with everything that distinguishes it from other kinds.
    ///
    /// A kind is one file, which declares it, and one line in `all`.
    public struct Kind: Sendable {
        /// The name in logs and for scripts.
        public let rawValue: String
        /// The name for people.
        let phrase: String
        /// The program's command for it.
        let command: String
        /// The model in the checkpoints of such runs.
        let model: ModelTask
        /// Whether it learns from labels beside the manifests.
        let readsLabels: Bool
        /// Whether passes can be recorded (`optimization.record_steps`).
        let recordsSteps: Bool
        /// The end of a sentence about held-out utterances that are left out.
        let exclusion: String
        /// The number of code-book entries in use when training goes well, and the number of code books.
        let codeBooks: @Sendable (Recipe) -> (entries: Int, groups: Int)
        /// Whether a recipe has values that only such runs use.
        let isMeant: @Sendable (Recipe) -> Bool
        /// Returns warnings about what a run of this many updates will not reach.
        let unreached: @Sendable (Recipe, _ updates: Int, _ end: String) -> [String]
        /// Builds the model and its objectives.
        let make: @Sendable (RunPreparation, ProcessGroup?, Logger) throws -> any TrainingTask

        /// All kinds.
        static let all = [pretraining, finetuning]
    }
}

extension TrainingJob.Kind: Hashable, CustomStringConvertible {
    /// The name in logs.
    public var description: String { rawValue }

    /// Returns whether two kinds have the same name.
    public static func == (left: Self, right: Self) -> Bool { left.rawValue == right.rawValue }

    /// Hashes the name.
    public func hash(into hasher: inout Hasher) { hasher.combine(rawValue) }
}

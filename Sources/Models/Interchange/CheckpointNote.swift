/// A note on something that a checkpoint contains, lacks or contradicts, and its consequence.
public struct CheckpointNote: Sendable, Equatable {
    /// The subject of a note.
    public enum Subject: Sendable, Equatable {
        /// A language model that the checkpoint contains beside the model.
        case languageModel
        /// The dictionary that was supplied for the checkpoint.
        case dictionary
        /// Anything else that users of the model should know.
        case use
        /// Anything that matters only for conversion and further training.
        case conversion
    }

    /// A phrase: the subject, a colon, and the consequence.
    public let phrase: String
    /// The subject.
    public let subject: Subject

    /// Makes a note.
    ///
    /// - Parameter phrase: The subject, a colon, and the consequence.
    public init(_ phrase: String, _ subject: Subject = .use) {
        self.phrase = phrase
        self.subject = subject
    }
}

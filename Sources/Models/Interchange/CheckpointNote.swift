/// Something that a checkpoint holds, lacks or contradicts, and what is made of it.
public struct CheckpointNote: Sendable, Equatable {
    /// What a note is about.
    public enum Subject: Sendable, Equatable {
        /// A language model that the checkpoint holds beside the model.
        case languageModel
        /// The dictionary that was given for the checkpoint.
        case dictionary
        /// Anything else that users of the model should know.
        case use
        /// What matters only for conversion and further training.
        case conversion
    }

    /// A phrase: what it is, a colon, and what becomes of it.
    public let phrase: String
    /// What it is about.
    public let subject: Subject

    /// Makes a note.
    ///
    /// - Parameter phrase: What it is, a colon, and what becomes of it.
    public init(_ phrase: String, _ subject: Subject = .use) {
        self.phrase = phrase
        self.subject = subject
    }
}

/// What can be wrong with putting a model to use, one sentence each.
public enum RecognitionError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A recording is too short for a single frame; counts are samples at 16 kHz.
    case tooShort(recording: String, samples: Int, needed: Int)
    /// The model's output for a recording is NaN or infinite.
    case notFinite(recording: String)
    /// A dictionary has another number of symbols than the model has labels; both count the four specials.
    case dictionarySize(dictionary: String, symbols: Int, labels: Int)
    /// A folder of saved logits is not whole; `reason` says what is wrong and what to do.
    case badLogits(file: String, reason: String)
    /// Recordings cannot be cut into windows of this length, in seconds, with this overlap.
    case badWindows(seconds: Double, overlap: Double)
    /// An option is no number that it can be.
    case badOption(name: String, value: Double, expected: String)
    /// Another process could not recognize a recording; its sentence.
    case inAnotherProcess(String)
    /// Another process failed, and the recording may be in order; its sentence.
    case failureInAnotherProcess(String)

    /// The sentence.
    public var description: String {
        switch self {
        case .tooShort(let recording, let samples, let needed):
            "\(recording): has \(samples) samples at 16 kHz, and the model needs at least \(needed); leave it out."
        case .notFinite(let recording):
            "\(recording): the model's output is NaN or infinite; look for samples far beyond full scale in the recording, and "
                + "for NaN in the checkpoint."
        case .dictionarySize(let dictionary, let symbols, let labels):
            "\(dictionary): gives \(symbols) symbols with the four specials, but the model writes \(labels) labels; "
                + "use the dictionary that it was fine-tuned with."
        case .badLogits(let file, let reason): "\(file): \(reason)."
        case .badWindows(let seconds, let overlap):
            "windows of \(seconds) s that share \(overlap) s cannot be cut: a window needs a length, and its neighbours may "
                + "share at most half of it."
        case .badOption(let name, let value, let expected): "\(name) is \(value); it must be \(expected)."
        case .inAnotherProcess(let sentence), .failureInAnotherProcess(let sentence): sentence
        }
    }
}

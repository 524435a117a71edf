import W2VBase

/// What can be wrong with putting a model to use.
public enum RecognitionError: ExplainedError, Equatable {
    /// A recording is too short for a single frame; counts are samples at 16 kHz.
    case tooShort(recording: String, samples: Int, needed: Int)
    /// The model's output for a recording is NaN or infinite.
    case notFinite(recording: String)
    /// A dictionary has another number of symbols than the model has labels; both count the four specials.
    case dictionarySize(dictionary: String, symbols: Int, labels: Int)
    /// A folder of saved logits is not whole.
    case badLogits(file: String, reason: String, advice: Advice? = nil)
    /// Recordings cannot be cut into windows of this length, in seconds, with this overlap.
    case badWindows(seconds: Double, overlap: Double)
    /// An option is no number that it can be.
    case badOption(name: String, value: Double, expected: String)
    /// Another process could not recognize a recording; its sentence, and whose fault that is.
    case inAnotherProcess(String, kind: ErrorKind)

    /// Input, or what another process says.
    public var kind: ErrorKind { if case .inAnotherProcess(_, let kind) = self { kind } else { .input } }

    /// What is wrong with which recording or file, and what to do.
    public var explanation: Explanation {
        switch self {
        case .tooShort(let recording, let samples, let needed):
            Explanation(
                "\(recording): has \(samples) samples at 16 kHz, and the model needs at least \(needed)", "leave it out"
            )
        case .notFinite(let recording):
            Explanation(
                "\(recording): the model's output is NaN or infinite",
                "look for samples far beyond full scale in the recording, and for NaN in the checkpoint")
        case .dictionarySize(let dictionary, let symbols, let labels):
            Explanation(
                "\(dictionary): gives \(symbols) symbols with the four specials, but the model writes \(labels) labels",
                "use the dictionary that it was fine-tuned with")
        case .badLogits(let file, let reason, let advice): Explanation("\(file): \(reason)", advice)
        case .badWindows(let seconds, let overlap):
            Explanation(
                "windows of \(seconds) s that share \(overlap) s cannot be cut",
                "give windows a length, and let neighbors share at most half of it")
        case .badOption(let name, let value, let expected): Explanation("\(name) is \(value); it must be \(expected)")
        case .inAnotherProcess(let sentence, _): Explanation(sentence)
        }
    }
}

extension Phrase {
    /// How to save log-probabilities.
    public static let saveLogits = Phrase("save the logits again", name: "saveLogits")
    /// What saves log-probabilities.
    public static let logitsFolder = Phrase("a folder of logits that was saved to its end", name: "logitsFolder")
}

import W2VBase

/// An error of recognition with a fine-tuned model.
public enum RecognitionError: ExplainedError, Equatable {
    /// A dictionary whose number of symbols differs from the model's number of labels; both include the four special
    /// symbols.
    case dictionarySize(dictionary: String, symbols: Int, labels: Int)
    /// A folder of saved logits that is incomplete or damaged.
    case badLogits(file: String, reason: String, advice: Advice? = nil)

    /// Always an input error.
    public var kind: ErrorKind { .input }

    /// The file at fault, and the remedy.
    public var explanation: Explanation {
        switch self {
        case .dictionarySize(let dictionary, let symbols, let labels):
            Explanation(
                "\(dictionary): gives \(symbols) symbols with the four specials, but the model writes \(labels) labels",
                "use the dictionary that it was fine-tuned with")
        case .badLogits(let file, let reason, let advice): Explanation("\(file): \(reason)", advice)
        }
    }
}

extension Phrase {
    /// The way to save log-probabilities.
    public static let saveLogits = Phrase("save the logits again", name: "saveLogits")
    /// The requirement for a folder of saved log-probabilities.
    public static let logitsFolder = Phrase("a folder of logits that was saved to its end", name: "logitsFolder")
}

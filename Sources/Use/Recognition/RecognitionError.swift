import W2VBase

/// What can be wrong with putting a model to use.
public enum RecognitionError: ExplainedError, Equatable {
    /// A dictionary has another number of symbols than the model has labels; both count the four specials.
    case dictionarySize(dictionary: String, symbols: Int, labels: Int)
    /// A folder of saved logits is not whole.
    case badLogits(file: String, reason: String, advice: Advice? = nil)

    /// Input.
    public var kind: ErrorKind { .input }

    /// What is wrong with which file, and what to do.
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
    /// How to save log-probabilities.
    public static let saveLogits = Phrase("save the logits again", name: "saveLogits")
    /// What saves log-probabilities.
    public static let logitsFolder = Phrase("a folder of logits that was saved to its end", name: "logitsFolder")
}

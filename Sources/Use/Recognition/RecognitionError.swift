/// What can be wrong with putting a model to use, one sentence each.
public enum RecognitionError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A dictionary has another number of symbols than the model has labels; both count the four specials.
    case dictionarySize(dictionary: String, symbols: Int, labels: Int)
    /// A folder of saved logits is not whole; `reason` says what is wrong and what to do.
    case badLogits(file: String, reason: String)

    /// The sentence.
    public var description: String {
        switch self {
        case .dictionarySize(let dictionary, let symbols, let labels):
            "\(dictionary): gives \(symbols) symbols with the four specials, but the model writes \(labels) labels; "
                + "use the dictionary that it was fine-tuned with."
        case .badLogits(let file, let reason): "\(file): \(reason)."
        }
    }
}

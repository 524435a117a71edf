import W2VBase

/// An error of the input of a decoder or an aligner.
public enum DecoderError: ExplainedError, Equatable {
    /// The number of scores is no multiple of the number of labels.
    case wrongCount(count: Int, labels: Int)
    /// The blank is not one of the labels.
    case blankOutOfRange(blank: Int, labels: Int)
    /// A score is not a number.
    case notANumber(frame: Int, label: Int)
    /// An option is out of its range.
    case badOption(name: String, value: String, expected: String)
    /// A word has letters that the dictionary lacks; `symbols` are the dictionary's, without anything between them if each is
    /// one code point, else with spaces.
    case unspellable(word: String, symbols: String)
    /// There is nothing to align.
    case emptyTranscript
    /// The transcript has more letters than the recording has frames for; word boundaries are no letters.
    case tooLong(labels: Int, needed: Int, frames: Int)
    /// A label of the transcript is not one of the model's, or is the blank.
    case badLabel(label: Int, labels: Int)
    /// No path with a probability above zero leads through the transcript.
    case impossible(frame: Int)

    /// Input: scores, options or a text.
    public var kind: ErrorKind { .input }

    /// The problem, with expected and found values, and what to do about it.
    public var explanation: Explanation {
        switch self {
        case .wrongCount(let count, let labels):
            Explanation(
                "expected scores for whole frames of \(labels) labels, found \(count) scores",
                "hand over a contiguous [frames, labels] matrix")
        case .blankOutOfRange(let blank, let labels):
            Explanation(
                "the blank has index \(blank) but the scores have \(labels) labels",
                "use the dictionary that the model was fine-tuned with")
        case .notANumber(let frame, let label):
            Explanation(
                "the score of label \(label) at frame \(frame) is not a number",
                "check the checkpoint and the recording for NaN values")
        case .badOption(let name, let value, let expected):
            Explanation("the option \(name) is \(value), and it must be \(expected)")
        case .unspellable(let word, let symbols): unspellable(word, symbols)
        case .emptyTranscript:
            Explanation("the transcript has no words", "write down what is said in the recording")
        case .tooLong(let labels, let needed, let frames):
            Explanation(
                "the transcript has \(labels) letters and needs at least \(needed) frames, but the recording has "
                    + "\(frames)", "check that the transcript belongs to the recording")
        case .badLabel(let label, let labels):
            Explanation(
                "the transcript has label \(label), and of \(labels) labels only those other than the blank can be aligned"
            )
        case .impossible(let frame):
            Explanation(
                "no path leads through the transcript: all labels that could be at frame \(frame) have probability zero"
            )
        }
    }

    /// The letters that a word has and the dictionary lacks, and what may be the matter with them; nil for other errors.
    public var missing: MissingLetters? {
        guard case .unspellable(let word, let symbols) = self else { return nil }
        let separator = " " as Unicode.Scalar
        return symbols.unicodeScalars.contains(separator)
            ? MissingLetters(in: word, symbols: symbols.unicodeScalars.split(separator: separator).map { String($0) })
            : MissingLetters(in: word, symbols: symbols.unicodeScalars.map { String($0) })
    }

    private func unspellable(_ word: String, _ symbols: String) -> Explanation {
        let letters = (missing?.letters ?? []).prefix(12).map(\.quotedWithCodePoints).joined(separator: ", ")
        let beginning = "\"\(word.excerpt())\" has \(letters.isEmpty ? "letters" : letters) that the dictionary lacks"
        guard let reasons = missing?.reasons, !reasons.isEmpty else {
            return Explanation(
                beginning + " (it has \(symbols.excerpt(120)))", "write the word in the dictionary's letters")
        }
        return Explanation(beginning, "\(reasons.prefix(3).map(\.advice).joined(separator: "; "))")
    }
}

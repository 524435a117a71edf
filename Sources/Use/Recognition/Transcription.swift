import W2VDecoding

/// The amount of detail in a transcription; for a long recording, times take many times the memory of the text.
public enum TranscriptionDetail: Int, Comparable, Sendable {
    /// The text, its confidence and the recording's length.
    case text
    /// Also the words, with times and confidences.
    case words
    /// Also the characters.
    case characters

    /// Whether one detail keeps less than another.
    public static func < (first: TranscriptionDetail, second: TranscriptionDetail) -> Bool {
        first.rawValue < second.rawValue
    }
}

/// The recognized text of a recording.
public struct Transcription: Sendable, Equatable, Codable {
    /// The words with the model's separator between them, usually a space; empty where nothing was recognized.
    public var text: String
    /// The words in order of time, if requested; a word's confidence is the geometric mean of its letters'
    /// probabilities.
    public var words: [TimedText]
    /// The letters of the words, with their own times and probabilities, if requested.
    public var characters: [TimedText]
    /// The geometric mean of all letters' probabilities, from 0 to 1; 1 without letters.
    public var confidence: Double
    /// The recording's length in seconds.
    public var duration: Double
    /// The text between words.
    public var wordSeparator = " "

    /// Makes a transcription.
    ///
    /// - Parameters:
    ///   - text: The text.
    ///   - words: The words.
    ///   - characters: The letters, if known.
    ///   - confidence: The confidence, from 0 to 1.
    ///   - duration: The recording's length in seconds.
    public init(
        text: String, words: [TimedText], characters: [TimedText] = [], confidence: Double, duration: Double
    ) {
        self.text = text
        self.words = words
        self.characters = characters
        self.confidence = confidence
        self.duration = duration
    }

    /// Reads an encoded transcription; the server's JSON has no separator of words.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            text: try values.decode(String.self, forKey: .text),
            words: try values.decode([TimedText].self, forKey: .words),
            characters: try values.decode([TimedText].self, forKey: .characters),
            confidence: try values.decode(Double.self, forKey: .confidence),
            duration: try values.decode(Double.self, forKey: .duration))
        wordSeparator = try values.decodeIfPresent(String.self, forKey: .wordSeparator) ?? wordSeparator
    }

    /// Returns the form of the transcription from which the time-stamped formats are written.
    ///
    /// - Parameter name: The recording's name in the formats.
    /// - Returns: The words and letters.
    public func timed(as name: String) -> TimedTranscript {
        var timed = TimedTranscript(name: name, duration: duration, words: words, characters: characters)
        // An empty line would end a subtitle.
        timed.wordSeparator = wordSeparator.contains(where: \.isNewline) ? " " : wordSeparator
        return timed
    }
}

/// The words of a recording that has not been recognized to its end; more follow, and these do not change.
public struct TranscriptionPart: Sendable {
    /// The beginning of the text.
    public var text: String
    /// The words so far, if requested.
    public var words: [TimedText]
    /// Their letters, if requested.
    public var characters: [TimedText]
    /// The text between words.
    public var wordSeparator: String
}

/// A transcription with the log-probabilities that it was decoded from.
public struct Recognition: Sendable {
    /// The transcription.
    public var transcription: Transcription
    /// The log-probabilities [frames, labels], natural logarithms, row-major.
    public var logProbabilities: [Float]
}

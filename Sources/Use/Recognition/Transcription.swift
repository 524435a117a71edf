import W2VDecoding

/// How much of a transcription is kept: of a long recording times take many times the memory of the text.
public enum TranscriptionDetail: Int, Comparable, Sendable {
    /// The text, its confidence and the recording's length.
    case text
    /// Words with times and confidences as well.
    case words
    /// Words and characters.
    case characters

    /// Whether one keeps less than another.
    public static func < (first: TranscriptionDetail, second: TranscriptionDetail) -> Bool {
        first.rawValue < second.rawValue
    }
}

/// What was recognized in a recording.
public struct Transcription: Sendable, Equatable, Codable {
    /// The words with the model's separator between them, usually a space; empty where nothing was heard.
    public var text: String
    /// The words in order of time, if they were wanted; a word's confidence is the geometric mean of its letters'
    /// probabilities.
    public var words: [TimedText]
    /// The letters of the words, if they were wanted, with their own times and probabilities.
    public var characters: [TimedText]
    /// The geometric mean of all letters' probabilities, from 0 to 1; 1 without letters.
    public var confidence: Double
    /// The recording's length in seconds.
    public var duration: Double
    /// What the model writes between words; not part of the encoding.
    public var wordSeparator = " "

    private enum CodingKeys: String, CodingKey { case text, words, characters, confidence, duration }

    /// Makes a transcription.
    ///
    /// - Parameters:
    ///   - text: The transcript.
    ///   - words: Its words.
    ///   - characters: Its letters, if they are known.
    ///   - confidence: From 0 to 1.
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

    /// The transcription as the time-stamped formats are written from it.
    ///
    /// - Parameter name: What the formats call the recording.
    /// - Returns: Words and letters.
    public func timed(as name: String) -> TimedTranscript {
        var timed = TimedTranscript(name: name, duration: duration, words: words, characters: characters)
        // An empty line would end a subtitle.
        timed.wordSeparator = wordSeparator.contains(where: \.isNewline) ? " " : wordSeparator
        return timed
    }
}

/// A transcription with the log-probabilities that it was read from.
public struct Recognition: Sendable {
    /// What was recognized.
    public var transcription: Transcription
    /// Natural logarithms [frames, labels], row by row.
    public var logProbabilities: [Float]
}

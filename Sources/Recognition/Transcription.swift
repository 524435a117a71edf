/// One word of a transcript.
public struct RecognizedWord: Sendable, Equatable, Codable {
    /// The word.
    public var text: String
    /// Where its first letter begins, in seconds from the recording's start.
    public var start: Double
    /// Where its last letter ends, in seconds.
    public var end: Double
    /// The geometric mean of its letters' probabilities, from 0 to 1.
    public var confidence: Double

    /// Makes a word.
    ///
    /// - Parameters:
    ///   - text: The word.
    ///   - start: Its beginning in seconds.
    ///   - end: Its end in seconds.
    ///   - confidence: From 0 to 1.
    public init(text: String, start: Double, end: Double, confidence: Double) {
        self.text = text
        self.start = start
        self.end = end
        self.confidence = confidence
    }
}

/// What was recognised in a recording.
public struct Transcription: Sendable, Equatable, Codable {
    /// The words separated by single spaces; empty where nothing was heard.
    public var text: String
    /// The words with their times.
    public var words: [RecognizedWord]
    /// The geometric mean of all letters' probabilities, from 0 to 1; 1 without letters.
    public var confidence: Double
    /// The recording's length in seconds.
    public var duration: Double

    /// Makes a transcription.
    ///
    /// - Parameters:
    ///   - text: The transcript.
    ///   - words: Its words.
    ///   - confidence: From 0 to 1.
    ///   - duration: The recording's length in seconds.
    public init(text: String, words: [RecognizedWord], confidence: Double, duration: Double) {
        self.text = text
        self.words = words
        self.confidence = confidence
        self.duration = duration
    }
}

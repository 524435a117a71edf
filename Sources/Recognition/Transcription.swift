import Decoding

/// What was recognised in a recording.
public struct Transcription: Sendable, Equatable, Codable {
    /// The words separated by single spaces; empty where nothing was heard.
    public var text: String
    /// The words with their times; a word's confidence is the geometric mean of its letters' probabilities.
    public var words: [TimedText]
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
    public init(text: String, words: [TimedText], confidence: Double, duration: Double) {
        self.text = text
        self.words = words
        self.confidence = confidence
        self.duration = duration
    }
}

import Foundation
import W2VRecognition

/// The length of a recording, as OpenAI's API bills it.
struct OpenAIUsage: Encodable {
    var type = "duration"
    var seconds: Double
}

/// A transcription in OpenAI's format `json`.
struct OpenAITranscription: Encodable {
    var text: String
    var logprobs: [TokenLogprob]?
    var usage: OpenAIUsage

    init(_ transcription: Transcription, hasLogprobs: Bool) {
        text = transcription.text
        if hasLogprobs {
            logprobs = TokenLogprob.list(
                transcription.words, transcription.characters, transcription.wordSeparator)
        }
        usage = OpenAIUsage(seconds: transcription.duration)
    }
}

/// A transcription in OpenAI's format `verbose_json`.
struct OpenAIVerboseTranscription: Encodable {
    struct Word: Encodable {
        var word: String
        var start: Double
        var end: Double
    }

    /// A segment as OpenAI's API requires it; Whisper's own values that do not apply are neutral.
    struct Segment: Encodable {
        var id: Int
        /// The start of the segment in hundredths of a second, Whisper's unit.
        var seek: Int
        var start: Double
        var end: Double
        var text: String
        var tokens: [Int] = []
        var temperature = 0.0
        var avgLogprob: Double
        var compressionRatio = 1.0
        var noSpeechProb = 0.0
    }

    var task = "transcribe"
    /// The client's: a model of this kind does not identify the language.
    var language: String
    var duration: Double
    var text: String
    var segments: [Segment]?
    var words: [Word]?
    var usage: OpenAIUsage

    init(_ transcription: Transcription, _ wanted: OpenAIRequest) {
        language = wanted.language
        duration = transcription.duration
        text = transcription.text
        if wanted.wantsSegments {
            segments = transcription.timed(as: "").captions().map(\.text).enumerated().map { id, caption in
                // JSON cannot represent infinity.
                Segment(
                    id: id, seek: Int(caption.start * 100), start: caption.start, end: caption.end, text: caption.text,
                    avgLogprob: log(max(caption.confidence, 1e-30)))
            }
        }
        if wanted.wantsWords {
            words = transcription.words.map { Word(word: $0.text, start: $0.start, end: $0.end) }
        }
        usage = OpenAIUsage(seconds: transcription.duration)
    }
}

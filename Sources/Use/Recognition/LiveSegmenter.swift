import Foundation
import W2VDecoding

/// The text recognized so far in one segment of live speech.
public struct LiveEvent: Sendable, Equatable, Codable {
    /// Whether the text may still change.
    public enum Kind: String, Sendable, Codable {
        /// The segment is not over: a later event replaces this one.
        case partial
        /// The segment is over, and this is its text.
        case final
    }

    /// Whether the text may still change.
    public var event: Kind
    /// The words, separated by single spaces.
    public var text: String
    /// The start of the first word, in seconds from the start of the input.
    public var start: Double
    /// The end of the last word, in seconds from the start of the input.
    public var end: Double
    /// The geometric mean of all letters' probabilities, from 0 to 1.
    public var confidence: Double
    /// The words, with times from the start of the input.
    public var words: [TimedText]

    /// Makes an event from a transcription that starts `offset` seconds into the input; nil without words.
    init?(_ event: Kind, _ transcription: Transcription, offset: Double) {
        guard let first = transcription.words.first, let last = transcription.words.last else { return nil }
        self.event = event
        text = transcription.text
        start = exactSeconds(offset + first.start)
        end = exactSeconds(offset + last.end)
        confidence = transcription.confidence
        words = transcription.words.map {
            TimedText(
                text: $0.text, start: exactSeconds(offset + $0.start), end: exactSeconds(offset + $0.end),
                confidence: $0.confidence)
        }
    }
}

/// Cuts a stream of log-probabilities into segments of speech: at pauses, or between words when there is no pause.
struct LiveSegmenter {
    private let transcriber: CTCTranscriber
    private let labels: Int
    /// The number of frames of silence that end a segment.
    private let pause: Int
    /// The number of frames at which a segment is ended.
    private let longest: Int
    /// The first frame of the segment, from the start of the input.
    private var start = 0
    /// The settled log-probabilities from `start` on.
    private var settled: [Float] = []
    private var shown = ""

    init(_ transcriber: CTCTranscriber, pause: Int, longest: Int) {
        self.transcriber = transcriber
        self.pause = max(1, pause)
        self.longest = max(1, longest)
        labels = transcriber.labelCount
    }

    /// The number of settled frames that do not belong to a finished segment.
    var waitingFrames: Int { settled.count / labels }

    /// Adds the next frames.
    ///
    /// - Parameters:
    ///   - frames: Log-probabilities [frames, labels] that follow the previous ones.
    ///   - tentative: The frames after them, which may still change.
    ///   - isLast: Whether these are the last frames.
    /// - Returns: The finished segments, and the next one so far if its text is new.
    /// - Throws: `DecoderError` when a score is NaN.
    mutating func add(
        _ frames: some Sequence<Float>, tentative: some Sequence<Float>, isLast: Bool = false
    ) throws -> [LiveEvent] {
        settled.append(contentsOf: frames)
        var events: [LiveEvent] = []
        while true {
            let transcription = try transcribe(settled + Array(tentative))
            let words = transcription.words.map { (start: frame($0.start), end: frame($0.end)) }
            guard let first = words.first else {
                drop(waitingFrames)
                shown = ""
                return events
            }
            let silence = min(waitingFrames, first.start - pause)
            if silence > 0 {
                drop(silence)
                continue
            }
            guard let cut = end(of: words, isLast: isLast) else {
                if let event = LiveEvent(.partial, transcription, offset: seconds(start)), event.text != shown {
                    shown = event.text
                    events.append(event)
                }
                return events
            }
            let said = try transcribe(Array(settled.prefix(cut * labels)))
            if let event = LiveEvent(.final, said, offset: seconds(start)) { events.append(event) }
            shown = ""
            drop(cut)
        }
    }

    /// The settled frame at which the next segment starts; nil if the current one may continue.
    private func end(of words: [(start: Int, end: Int)], isLast: Bool) -> Int? {
        let count = waitingFrames
        let starts = words.dropFirst().map(\.start) + [count]
        for (word, next) in zip(words, starts) where min(next, count) - word.end >= pause {
            return word.end + (pause + 1) / 2
        }
        if isLast { return count > 0 ? count : nil }
        guard count >= longest else { return nil }
        // Without a pause, cut at the widest gap between words in the later half of the segment.
        let gaps = zip(words, starts.dropLast()).map { (cut: ($0.end + $1 + 1) / 2, length: $1 - $0.end) }
            .filter { $0.cut >= count / 2 && $0.cut <= count }
        return gaps.max { $0.length < $1.length }?.cut ?? count
    }

    private mutating func drop(_ frames: Int) {
        settled.removeFirst(frames * labels)
        start += frames
    }

    private func transcribe(_ scores: [Float]) throws -> Transcription {
        try transcriber.transcribe(scores, duration: seconds(scores.count / labels))
    }

    private func seconds(_ frames: Int) -> Double { Double(frames) * transcriber.frameSeconds }

    private func frame(_ seconds: Double) -> Int { Int((seconds / transcriber.frameSeconds).rounded()) }
}

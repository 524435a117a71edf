import Decoding
import Foundation

/// From a model's log-probabilities to words with times and confidences.
struct CTCTranscriber: Sendable {
    /// The symbol of each label.
    let symbols: [String]
    /// From one frame to the next, in seconds: 20 ms for the usual layers.
    let frameSeconds: Double
    private let decoder: GreedyDecoder
    private let hasWordBoundary: Bool

    /// fairseq's padding and end of sentence: never part of a text, should a model write them after all.
    private static let silent: Set<String> = ["<s>", "<pad>", "</s>"]

    init(symbols: [String], frameSeconds: Double) {
        self.symbols = symbols
        self.frameSeconds = frameSeconds
        hasWordBoundary = symbols.contains(LetterText.wordBoundary)
        decoder = GreedyDecoder(
            blank: 0, ignored: Set(symbols.indices.filter { Self.silent.contains(symbols[$0]) }))
    }

    /// Reads the most probable path.
    ///
    /// - Parameters:
    ///   - logProbabilities: [frames, labels], row by row.
    ///   - duration: The recording's length in seconds.
    /// - Returns: Words with times and confidences.
    /// - Throws: `DecodingError` when a score is not a number.
    func transcribe(_ logProbabilities: [Float], duration: Double) throws -> Transcription {
        let spans = try decoder.decode(logProbabilities, labels: symbols.count)
        let scores = spans.map { span in
            let sum = span.frames.reduce(0.0) { $0 + Double(logProbabilities[$1 * symbols.count + span.label]) }
            return sum / Double(span.frames.count)
        }
        // Without a boundary in the dictionary every symbol is a word, as with phonemes.
        let words =
            hasWordBoundary
            ? LetterText.words(spans) { symbols[$0] }
            : spans.map { WordSpan(word: symbols[$0.label], frames: $0.frames) }
        var next = spans.startIndex
        let recognized = words.map { word in
            var sum = 0.0
            var letters = 0
            while next < spans.count, spans[next].frames.upperBound <= word.frames.upperBound {
                if spans[next].frames.lowerBound >= word.frames.lowerBound {
                    sum += scores[next]
                    letters += 1
                }
                next += 1
            }
            return RecognizedWord(
                text: word.word, start: Double(word.frames.lowerBound) * frameSeconds,
                end: min(Double(word.frames.upperBound) * frameSeconds, duration),
                confidence: exp(sum / Double(max(letters, 1))))
        }
        return Transcription(
            text: recognized.map(\.text).joined(separator: " "), words: recognized,
            confidence: scores.isEmpty ? 1 : exp(scores.reduce(0, +) / Double(scores.count)), duration: duration)
    }
}

import Decoding
import Foundation

/// How a model's log-probabilities become text.
public enum RecognitionDecoder: Sendable {
    /// The most probable label of every frame.
    case greedy
    /// A beam search, perhaps with a language model.
    case beam(BeamSearchDecoder)
}

/// From a model's log-probabilities to words with times and confidences.
struct CTCTranscriber: Sendable {
    /// The symbol of each label.
    let symbols: [String]
    /// From one frame to the next, in seconds: 20 ms for the usual layers.
    let frameSeconds: Double
    let decoder: RecognitionDecoder
    private let greedy: GreedyDecoder
    private let boundary: Int?

    /// fairseq's padding and end of sentence: never part of a text, should a model write them after all.
    private static let silent: Set<String> = ["<s>", "<pad>", "</s>"]

    init(symbols: [String], frameSeconds: Double, decoder: RecognitionDecoder = .greedy) {
        self.symbols = symbols
        self.frameSeconds = frameSeconds
        self.decoder = decoder
        boundary = symbols.firstIndex(of: LetterText.wordBoundary)
        greedy = GreedyDecoder(blank: 0, ignored: Self.silentLabels(symbols))
    }

    /// The labels that are never part of a text.
    static func silentLabels(_ symbols: [String]) -> Set<Int> {
        Set(symbols.indices.filter { silent.contains(symbols[$0]) })
    }

    /// Reads what is said.
    ///
    /// - Parameters:
    ///   - logProbabilities: [frames, labels], row by row.
    ///   - duration: The recording's length in seconds.
    /// - Returns: Words with times and confidences.
    /// - Throws: `DecodingError` when a score is not a number.
    func transcribe(_ logProbabilities: [Float], duration: Double) throws -> Transcription {
        switch decoder {
        case .greedy:
            var stream = GreedyStream(greedy, labels: symbols.count)
            try stream.append(logProbabilities)
            return transcription(stream.decoded(), duration: duration)
        case .beam(let decoder):
            guard let best = try decoder.decode(logProbabilities).first, !best.labels.isEmpty else {
                return transcription([], duration: duration)
            }
            return transcription(
                try align(best.labels, logProbabilities).labels, duration: duration)
        }
    }

    /// What reads a recording's log-probabilities as they come, where that can be done.
    var stream: GreedyStream? {
        if case .greedy = decoder { GreedyStream(greedy, labels: symbols.count) } else { nil }
    }

    /// Finds where labels were said; a word boundary before and after them may be heard or not.
    func align(_ labels: [Int], _ logProbabilities: [Float]) throws(DecodingError) -> Alignment {
        let bounded = boundary.map { [$0] + labels + [$0] } ?? labels
        return try ForcedAligner(optionalEnds: boundary != nil).align(
            logProbabilities, labels: symbols.count, transcript: bounded)
    }

    /// Groups labels into words.
    func transcription(_ labels: [AlignedLabel], duration: Double) -> Transcription {
        func timed(_ letters: [AlignedLabel]) -> TimedText {
            let score = letters.reduce(0) { $0 + $1.score } / Double(letters.count)
            return TimedText(
                text: letters.map { symbols[$0.label] }.joined(), start: seconds(letters[0].frames.lowerBound),
                end: min(seconds(letters[letters.count - 1].frames.upperBound), duration), confidence: exp(score))
        }
        let groups = words(labels)
        let words = groups.map(timed)
        let score = labels.reduce(0) { $0 + $1.score } / Double(max(labels.count, 1))
        return Transcription(
            text: words.map(\.text).joined(separator: " "), words: words,
            characters: groups.flatMap { $0.map { timed([$0]) } }, confidence: labels.isEmpty ? 1 : exp(score),
            duration: duration)
    }

    /// The labels of each word; without a boundary in the dictionary every symbol is a word, as with phonemes.
    func words(_ labels: [AlignedLabel]) -> [[AlignedLabel]] {
        guard let boundary else { return labels.map { [$0] } }
        return labels.split { $0.label == boundary }.map(Array.init)
    }

    private func seconds(_ frame: Int) -> Double { Double(frame) * frameSeconds }
}

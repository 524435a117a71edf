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
    private let alphabet: DecodingAlphabet?
    private let boundary: Int?

    /// fairseq's padding and end of sentence: never part of a text, should a model write them after all.
    private static let silent: Set<String> = ["<s>", "<pad>", "</s>"]

    init(symbols: [String], frameSeconds: Double, decoder: RecognitionDecoder = .greedy) {
        self.symbols = symbols
        self.frameSeconds = frameSeconds
        self.decoder = decoder
        alphabet = try? Recognizer.alphabet(symbols: symbols)
        boundary = alphabet?.wordBoundary
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
    ///   - detail: How much of it is wanted.
    /// - Returns: Words with times and confidences.
    /// - Throws: `DecodingError` when a score is not a number.
    func transcribe(
        _ logProbabilities: [Float], duration: Double, detail: TranscriptionDetail = .characters
    ) throws -> Transcription {
        switch decoder {
        case .greedy:
            var stream = GreedyTranscription(greedy, labels: symbols.count, builder(detail))
            try stream.append(logProbabilities)
            return stream.finished(duration: duration)
        case .beam(let decoder):
            guard let best = try decoder.decode(logProbabilities, atMost: 1).first, !best.labels.isEmpty else {
                return transcription([], duration: duration)
            }
            return transcription(
                try align(best.labels, logProbabilities).labels, words: best.words.map(\.word), duration: duration,
                detail: detail)
        }
    }

    /// What reads a recording's log-probabilities as they come, where that can be done.
    func stream(_ detail: TranscriptionDetail) -> GreedyTranscription? {
        if case .greedy = decoder { GreedyTranscription(greedy, labels: symbols.count, builder(detail)) } else { nil }
    }

    /// Finds where labels were said; a word boundary before and after them may be heard or not.
    func align(_ labels: [Int], _ logProbabilities: [Float]) throws(DecodingError) -> Alignment {
        let bounded = boundary.map { [$0] + labels + [$0] } ?? labels
        // Between letters the silent labels say what the blank says.
        var scores = logProbabilities
        alphabet?.foldSilence(in: &scores)
        return try ForcedAligner(optionalEnds: boundary != nil).align(
            scores, labels: symbols.count, transcript: bounded)
    }

    /// Groups labels into words.
    ///
    /// - Parameters:
    ///   - labels: In order of time.
    ///   - words: How the words are written, where a lexicon spells them otherwise; nil for the labels' symbols.
    ///   - duration: The recording's length in seconds.
    ///   - detail: How much of it is wanted.
    /// - Returns: Words with times and confidences.
    func transcription(
        _ labels: [AlignedLabel], words: [String]? = nil, duration: Double, detail: TranscriptionDetail = .characters
    ) -> Transcription {
        var builder = builder(detail)
        builder.writtenWords = words
        for label in labels { builder.append(label) }
        return builder.finished(duration: duration)
    }

    private func builder(_ detail: TranscriptionDetail) -> TranscriptionBuilder {
        TranscriptionBuilder(symbols: symbols, boundary: boundary, frameSeconds: frameSeconds, detail: detail)
    }
}

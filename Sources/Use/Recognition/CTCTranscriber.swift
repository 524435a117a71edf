import Foundation
import W2VDecoding

/// How a model's log-probabilities become text.
public enum RecognitionDecoder: Sendable {
    /// The most probable label of every frame.
    case greedy
    /// A beam search, perhaps with a language model.
    case beam(BeamSearchDecoder)
}

/// From a model's log-probabilities to words with times and confidences.
struct CTCTranscriber: Sendable {
    /// What labels stand for.
    let writing: LabelWriting
    /// From one frame to the next, in seconds: 20 ms for the usual layers.
    let frameSeconds: Double
    let decoder: RecognitionDecoder
    private let greedy: GreedyDecoder

    /// How many labels there are.
    var labelCount: Int { writing.texts.count }

    init(_ writing: LabelWriting, frameSeconds: Double, decoder: RecognitionDecoder = .greedy) {
        self.writing = writing
        self.frameSeconds = frameSeconds
        self.decoder = decoder
        greedy = GreedyDecoder(blank: 0, ignored: writing.silent)
    }

    /// Reads what is said.
    ///
    /// - Parameters:
    ///   - logProbabilities: [frames, labels], row by row.
    ///   - duration: The recording's length in seconds.
    ///   - detail: How much of it is wanted.
    /// - Returns: Words with times and confidences.
    /// - Throws: `DecoderError` when a score is not a number.
    func transcribe(
        _ logProbabilities: [Float], duration: Double, detail: TranscriptionDetail = .characters
    ) throws -> Transcription {
        switch decoder {
        case .greedy:
            var stream = GreedyTranscription(greedy, labels: labelCount, builder(detail))
            try stream.append(logProbabilities)
            return stream.finished(duration: duration)
        case .beam(let decoder):
            guard let best = try decoder.decode(logProbabilities, atMost: 1).first, !best.labels.isEmpty else {
                return transcription([], duration: duration)
            }
            // Letters that are white space part words too, which the search counts as one.
            let isRespelled = decoder.respellsWords && writing.parting.count <= 1
            let written = isRespelled ? best.words.map(\.word) : nil
            return transcription(
                try align(best.labels, logProbabilities).labels, words: written, duration: duration, detail: detail)
        }
    }

    /// What reads a recording's log-probabilities as they come, where that can be done.
    func stream(_ detail: TranscriptionDetail) -> GreedyTranscription? {
        if case .greedy = decoder { GreedyTranscription(greedy, labels: labelCount, builder(detail)) } else { nil }
    }

    /// Finds where labels were said; a word boundary before and after them may be heard or not.
    func align(_ labels: [Int], _ logProbabilities: [Float]) throws(DecoderError) -> Alignment {
        let boundary = writing.boundary
        let bounded = boundary.map { [$0] + labels + [$0] } ?? labels
        // Between letters the silent labels say what the blank says.
        var scores = logProbabilities
        writing.alphabet.foldSilence(in: &scores)
        do throws(DecoderError) {
            return try ForcedAligner(optionalEnds: boundary != nil).align(
                scores, labels: labelCount, transcript: bounded)
        } catch .tooLong(_, let needed, let frames) {
            // Word boundaries need frames too, but people count letters.
            throw .tooLong(labels: labels.count { $0 != boundary }, needed: needed, frames: frames)
        }
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
        TranscriptionBuilder(writing, frameSeconds: frameSeconds, detail: detail)
    }
}

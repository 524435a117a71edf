import Foundation
import W2VBase
import W2VDecoding

/// A method of turning a model's log-probabilities into text.
public enum RecognitionDecoder: Sendable {
    /// The most probable label of every frame.
    case greedy
    /// A beam search, optionally with a language model.
    case beam(BeamSearchDecoder)
}

/// Turns a model's log-probabilities into words with times and confidences.
struct CTCTranscriber: Sendable {
    /// The text of the labels.
    let writing: LabelWriting
    /// The seconds from one frame to the next; 20 ms for the usual layers.
    let frameSeconds: Double
    let decoder: RecognitionDecoder
    private let greedy: GreedyDecoder

    /// The number of labels.
    var labelCount: Int { writing.texts.count }

    init(_ writing: LabelWriting, frameSeconds: Double, decoder: RecognitionDecoder = .greedy) {
        self.writing = writing
        self.frameSeconds = frameSeconds
        self.decoder = decoder
        greedy = GreedyDecoder(blank: 0, ignored: writing.silent)
    }

    /// Decodes log-probabilities.
    ///
    /// - Parameters:
    ///   - logProbabilities: [frames, labels], row-major.
    ///   - duration: The recording's length in seconds.
    ///   - detail: The amount of detail to keep.
    /// - Returns: Words with times and confidences.
    /// - Throws: `DecoderError` when a score is NaN.
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
            // Letters that are whitespace split words too, but the search sees them as one word.
            let isRespelled = decoder.respellsWords && writing.parting.count <= 1
            let written = isRespelled ? best.words.map(\.word) : nil
            return transcription(
                try align(best.labels, logProbabilities).labels, words: written, duration: duration, detail: detail)
        }
    }

    /// Returns a transcriber that prefers more words; the same for greedy decoding, and for words that cannot be
    /// spelled.
    func preferring(_ words: [String]) -> CTCTranscriber {
        guard !words.isEmpty, case .beam(let decoder) = decoder,
            let other = try? decoder.with(moreHotWords: words)
        else { return self }
        return CTCTranscriber(writing, frameSeconds: frameSeconds, decoder: .beam(other))
    }

    /// Returns a transcriber that writes its texts in another form.
    func writing(in form: TextForm) -> CTCTranscriber {
        var writing = writing
        writing.form = form
        return CTCTranscriber(writing, frameSeconds: frameSeconds, decoder: decoder)
    }

    /// Returns a decoder that consumes log-probabilities as they arrive, or nil if the method needs all of them at
    /// once.
    func stream(_ detail: TranscriptionDetail) -> GreedyTranscription? {
        if case .greedy = decoder { GreedyTranscription(greedy, labels: labelCount, builder(detail)) } else { nil }
    }

    /// Finds the times of labels; word boundaries before and after them are optional.
    func align(_ labels: [Int], _ logProbabilities: [Float]) throws(DecoderError) -> Alignment {
        let boundary = writing.boundary
        let bounded = boundary.map { [$0] + labels + [$0] } ?? labels
        // Between letters, the silent labels count as the blank.
        var scores = logProbabilities
        writing.alphabet.foldSilence(in: &scores)
        do throws(DecoderError) {
            return try ForcedAligner(optionalEnds: boundary != nil).align(
                scores, labels: labelCount, transcript: bounded)
        } catch .tooLong(_, let needed, let frames) {
            // Word boundaries need frames too, but a message counts letters.
            throw .tooLong(labels: labels.count { $0 != boundary }, needed: needed, frames: frames)
        }
    }

    /// Groups labels into words.
    ///
    /// - Parameters:
    ///   - labels: The labels, in order of time.
    ///   - words: The words as a lexicon writes them, where that differs from their letters; nil for the labels'
    ///     symbols.
    ///   - duration: The recording's length in seconds.
    ///   - detail: The amount of detail to keep.
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

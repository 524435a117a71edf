import Foundation
import W2VBase
import W2VDecoding
import W2VInference
import W2VInterchange

extension Recognizer {
    /// Returns the alphabet of the columns of a model's log-probabilities.
    ///
    /// - Parameter symbols: The symbol of each label; the first is the blank.
    /// - Returns: An alphabet in which fairseq's specials are never written.
    /// - Throws: `DecoderError` when there are no symbols.
    public static func alphabet(symbols: [String]) throws -> DecodingAlphabet {
        try LabelWriting(symbols: symbols, style: TextStyle()).alphabet
    }

    /// The letters of the alphabet, for messages.
    private static func letters(_ alphabet: DecodingAlphabet) -> String {
        let letters = alphabet.symbols.indices.filter {
            $0 != alphabet.blank && $0 != alphabet.wordBoundary && !alphabet.silent.contains($0)
        }.map { ExactText(alphabet.symbols[$0]) }.filter { $0 != "<unk>" }.sorted().map(\.text)
        return letters.joined(separator: letters.allSatisfy { $0.unicodeScalars.count == 1 } ? "" : " ")
    }

    /// Finds the times of a transcript's words and characters in a recording.
    ///
    /// - Parameters:
    ///   - recording: The recording, of any length.
    ///   - transcript: The spoken text, with whitespace between words. Case, composition, apostrophes and punctuation may
    ///     differ from the dictionary's letters.
    ///   - heard: Called after every pass with the seconds of audio that have passed through the model; for recordings
    ///     of hours, finding the path afterwards takes about as long again.
    ///   - kind: The kind of the request.
    ///   - begins: Called when a pass of the model starts.
    /// - Returns: The words as the transcript writes them, and the model's characters, with times and confidences.
    /// - Throws: `DecoderError` when the transcript is empty, has characters that the dictionary lacks, or is too long
    ///   for the recording; the errors of recognition.
    public func align(
        _ recording: Recording, transcript: String, heard: ((Double) -> Void)? = nil, as kind: PassKind = .long,
        begins: (@Sendable (PassStart) -> Void)? = nil
    ) async throws -> TimedTranscript {
        let spelled = try spell(transcript)
        let results = try await logProbabilities(of: Recordings([recording]), as: kind, begins: begins).all {
            heard?($0.seconds)
        }
        return try align(spelled, try results[0].get(), name: recording.name)
    }

    /// Finds the times of the words of many recordings' transcripts, as the results are iterated and in order.
    ///
    /// - Parameters:
    ///   - recordings: The recordings.
    ///   - transcript: Returns a recording's transcript by its index.
    /// - Returns: The alignment of each recording, or its error.
    public func alignments(
        of recordings: Recordings, transcript: @escaping @Sendable (Int) throws -> String
    ) -> InferenceResults<TimedTranscript> {
        let opened = Recordings(count: recordings.count) { index in
            // A transcript that cannot be spelled costs no pass of the model.
            _ = try self.spell(transcript(index))
            return try recordings.open(index)
        }
        return logProbabilities(of: opened).mapResults { finished in
            try await ParallelMap.map(finished.map { ($0.index, $0.result) }) { index, result in
                result.flatMap { scores in
                    Result { try self.align(self.spell(transcript(index)), scores, name: "") }
                }
            }
        }
    }

    private func spell(_ transcript: String) throws -> SpelledTranscript {
        try SpelledTranscript(
            transcriber.writing.words(in: transcript), alphabet: alphabet, letters: Self.letters(alphabet))
    }

    private func align(_ spelled: SpelledTranscript, _ scores: [Float], name: String) throws -> TimedTranscript {
        let separator = alphabet.wordBoundary.map { [$0] } ?? []
        let alignment = try transcriber.align(Array(spelled.labels.joined(separator: separator)), scores)
        let duration = exactSeconds(Double(scores.count / symbols.count) * frameSeconds)
        return spelled.written(
            transcriber.writing(in: TextForm()).transcription(alignment.labels, duration: duration).timed(as: name))
    }
}

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
    ///   - transcript: The spoken text, in the dictionary's letters, with whitespace between words.
    ///   - heard: Called after every pass with the seconds of audio that have passed through the model; for recordings
    ///     of hours, finding the path afterwards takes about as long again.
    ///   - kind: The kind of the request.
    ///   - begins: Called when a pass of the model starts.
    /// - Returns: Words and characters with times and confidences.
    /// - Throws: `DecoderError` when the transcript is empty, has characters that the dictionary lacks, or is too long
    ///   for the recording; the errors of recognition.
    public func align(
        _ recording: Recording, transcript: String, heard: ((Double) -> Void)? = nil, as kind: PassKind = .long,
        begins: (@Sendable (PassStart) -> Void)? = nil
    ) async throws -> TimedTranscript {
        let words = transcriber.writing.words(in: transcript)
        guard !words.isEmpty else { throw DecoderError.emptyTranscript }
        let spelled = try words.map { word in
            guard let labels = alphabet.labels(of: word) else {
                throw DecoderError.unspellable(word: word, symbols: Self.letters(alphabet))
            }
            return labels
        }
        let separator = alphabet.wordBoundary.map { [$0] } ?? []
        let results = try await logProbabilities(of: Recordings([recording]), as: kind, begins: begins).all {
            heard?($0.seconds)
        }
        let scores = try results[0].get()
        let alignment = try transcriber.align(Array(spelled.joined(separator: separator)), scores)
        return transcriber.transcription(
            alignment.labels, duration: exactSeconds(Double(scores.count / symbols.count) * frameSeconds)
        ).timed(as: recording.name)
    }
}

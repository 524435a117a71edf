import Foundation
import W2VAudio
import W2VBase
import W2VCorpus
import W2VDecoding
import W2VInference

/// Recognizes a manifest's utterances and counts the errors.
///
/// Every utterance counts: one that is too short for a frame counts as an empty transcript with all its words deleted,
/// and characters that the model's dictionary lacks count as errors like any other.
public struct Evaluator: Sendable {
    /// The recognizer.
    public let recognizer: Recognizer
    /// The unit that counts as one character.
    public let characters: CharacterUnit
    /// The form in which references and recognized texts are compared.
    public var form: TextForm { recognizer.form }

    /// Makes an evaluator.
    ///
    /// - Parameters:
    ///   - recognizer: The recognizer.
    ///   - characters: The unit that counts as one character.
    ///   - form: The form in which references and recognized texts are compared; by default as they are written.
    public init(_ recognizer: Recognizer, characters: CharacterUnit = .codePoints, form: TextForm = TextForm()) {
        self.recognizer = recognizer.writing(in: form)
        self.characters = characters
    }

    /// Evaluates the model on a manifest read from a file.
    ///
    /// - Parameters:
    ///   - url: A fairseq manifest with labels beside it, or JSON lines.
    ///   - labels: The extension of the labels: `ltr` files hold letters, all others hold words.
    ///   - progress: Called after every pass with the number of utterances done and the total.
    /// - Returns: The rates and the results.
    /// - Throws: `CorpusError`, `AudioError` or `InferenceError` about the data, at the first bad utterance.
    public func evaluate(
        _ url: URL, labels: String = "ltr", progress: ((Int, Int) -> Void)? = nil
    ) async throws -> Evaluation {
        try await evaluate(
            Manifest.readForEvaluation(url, labels: labels), labels: labels, progress: progress)
    }

    /// Evaluates the model on a manifest.
    ///
    /// - Parameters:
    ///   - manifest: The manifest, with labels.
    ///   - labels: `ltr` if the labels are letters.
    ///   - tags: The tags to group utterances by: for each tag's name, the values in the manifest's order.
    ///   - folder: The folder to save log-probabilities in, in the format of ``SavedLogits``.
    ///   - progress: Called after every pass with the number of utterances done and the total.
    /// - Returns: The rates and the results.
    /// - Throws: `CorpusError`, `AudioError` or `InferenceError` about the data, at the first bad utterance;
    ///   `FileWriteError` and the file system's errors about the folder.
    public func evaluate(
        _ manifest: Manifest, labels: String = "ltr", tags: [String: [String?]] = [:], savingLogits folder: URL? = nil,
        progress: ((Int, Int) -> Void)? = nil
    ) async throws -> Evaluation {
        if let folder { try SavedLogits.begin(folder) }
        let results = transcriptions(of: Recordings(manifest), savingLogits: folder)
        let evaluation = try await evaluation(of: manifest, labels: labels, tags: tags, results, progress: progress)
        if let folder { try SavedLogits.finish(folder, evaluation, by: recognizer) }
        return evaluation
    }

    /// Recognizes utterances as the results are iterated, and saves their log-probabilities.
    ///
    /// - Parameters:
    ///   - recordings: The utterances.
    ///   - folder: The folder to save log-probabilities in, after `SavedLogits.begin`; nil to save nothing.
    ///   - number: Returns an utterance's index in the whole manifest, where these are a part of it.
    /// - Returns: The transcription of each utterance.
    public func transcriptions(
        of recordings: Recordings, savingLogits folder: URL?, number: @escaping @Sendable (Int) -> Int = { $0 }
    ) -> InferenceResults<Transcription> {
        guard let folder else { return recognizer.transcriptions(of: recordings) }
        let labels = recognizer.symbols.count
        return recognizer.recognitions(of: recordings).mapResults { finished in
            try finished.map { one in
                guard let recognition = try? one.result.get() else { return one.result.map(\.transcription) }
                // A file that cannot be written is not the recording's fault, and ends the run.
                try SavedLogits.write(
                    recognition.logProbabilities, labels: labels, index: number(one.index), to: folder)
                return .success(recognition.transcription)
            }
        }
    }

    /// Counts the errors in recognition results.
    ///
    /// - Parameters:
    ///   - manifest: The manifest, with labels.
    ///   - labels: `ltr` if the labels are letters.
    ///   - tags: The tags to group utterances by.
    ///   - results: The transcriptions of all of the manifest's utterances, in order.
    ///   - progress: Called after every pass with the number of utterances done and the total.
    /// - Returns: The rates and the results.
    /// - Throws: The first error of an utterance other than being too short; an error of the results.
    public func evaluation(
        of manifest: Manifest, labels: String = "ltr", tags: [String: [String?]] = [:],
        _ results: InferenceResults<Transcription>, progress: ((Int, Int) -> Void)? = nil
    ) async throws -> Evaluation {
        guard manifest.hasLabels else { throw CorpusError.noLabels(manifest: manifest.name) }
        let began = ContinuousClock.now
        let transcriptions = try await results.all { progress?($0.recordings, manifest.count) }
        let references = manifest.references(labels: labels, alphabet: recognizer.alphabet)
        var utterances = try transcriptions.enumerated().map { index, result in
            try evaluated(manifest[index], reference: references[index], result)
        }
        for (name, values) in tags {
            for (index, value) in values.enumerated() { utterances[index].tags[name] = value }
        }
        return Evaluation(
            utterances: utterances, unwritable: Self.unwritable(utterances, recognizer.transcriber.writing),
            seconds: (ContinuousClock.now - began) / .seconds(1))
    }

    /// Evaluates saved log-probabilities, without the model.
    ///
    /// - Parameters:
    ///   - logits: The folder that an evaluation saved.
    ///   - characters: The unit that counts as one character.
    ///   - form: The form in which references and recognized texts are compared.
    ///   - decoder: Makes the decoder from the model's alphabet.
    ///   - progress: Called after every utterance with the number of utterances done and the total.
    /// - Returns: The rates and the results; the time is that of decoding alone.
    /// - Throws: `RecognitionError.badLogits`, `SafetensorsError` or `DecoderError` about the files; an error of
    ///   `decoder`.
    public static func evaluate(
        _ logits: SavedLogits, characters: CharacterUnit = .codePoints, form: TextForm = TextForm(),
        decoder: (DecodingAlphabet) throws -> RecognitionDecoder = { _ in .greedy },
        progress: ((Int, Int) -> Void)? = nil
    ) async throws -> Evaluation {
        let began = ContinuousClock.now
        var writing = try LabelWriting(symbols: logits.symbols, style: logits.style)
        writing.form = form
        let transcriber = CTCTranscriber(
            writing, frameSeconds: logits.frameSeconds, decoder: try decoder(writing.alphabet))
        let total = logits.entries.count
        let utterances = try await ParallelMap.map(Array(0..<total), finished: { progress?($0, total) }) { index in
            let entry = logits.entries[index]
            let transcription = try transcriber.transcribe(logits.logProbabilities(index), duration: entry.seconds)
            var utterance = EvaluatedUtterance(
                identifier: entry.utterance, audio: entry.audio, reference: entry.reference,
                transcription: transcription, isTooShort: entry.file == nil, characters: characters, form: form)
            utterance.tags = entry.tags
            return utterance
        }
        return Evaluation(
            utterances: utterances, unwritable: unwritable(utterances, writing),
            seconds: (ContinuousClock.now - began) / .seconds(1))
    }

    private static func unwritable(_ utterances: [EvaluatedUtterance], _ writing: LabelWriting) -> UnwritableText {
        // A difference that the comparison folds is not an error of the dictionary.
        let texts = utterances.lazy.map { utterance -> (identifier: String, reference: String) in
            (
                utterance.identifier,
                writing.form.isUnchanging ? utterance.reference : writing.folded(utterance.reference)
            )
        }
        return UnwritableText(texts, alphabet: writing.alphabet, words: writing.words)
    }

    private func evaluated(
        _ utterance: Utterance, reference: String, _ result: Result<Transcription, any Error>
    ) throws -> EvaluatedUtterance {
        let transcription: Transcription
        var isTooShort = false
        do {
            transcription = try result.get()
        } catch InferenceError.tooShort(_, let samples, _) {
            isTooShort = true
            transcription = Transcription(
                text: "", words: [], confidence: 1, duration: Double(samples) / Double(AudioFile.modelSampleRate))
        }
        return EvaluatedUtterance(
            identifier: utterance.identifier, audio: utterance.audio.path, reference: reference,
            transcription: transcription, isTooShort: isTooShort, characters: characters, form: form)
    }
}

extension Manifest {
    /// Reads a list with labels and checks that all its recordings exist.
    ///
    /// - Parameters:
    ///   - url: The list.
    ///   - labels: The extension of the labels.
    /// - Returns: The manifest.
    /// - Throws: `CorpusError`.
    public static func readForEvaluation(_ url: URL, labels: String) throws -> Manifest {
        let manifest = try read(url, labels: labels)
        try manifest.validate()
        guard manifest.hasLabels else { throw CorpusError.noLabels(manifest: manifest.name) }
        return manifest
    }

    /// Returns the reference of each utterance, read in the same way as in fine-tuning's validation.
    ///
    /// Labels of any extension are letters if one of them is the word boundary; `ltr` labels also without one, if the
    /// model has it. For a model whose symbols are words, such as phonemes, every symbol is a word and boundaries are
    /// never written, unless the labels spell the symbols themselves (`o ʊ |` for `oʊ`), as `.ltr` files of phonemes
    /// do.
    func references(labels: String, alphabet: DecodingAlphabet) -> [String] {
        let boundary = LabelDictionary.wordBoundary
        let lines = (0..<count).map { self[$0].labels ?? "" }
        let hasBoundary = lines.contains {
            $0.unicodeScalars.split(separator: " ").contains { $0.elementsEqual(["|"]) }
        }
        let spelled = { lines.map { Transcript.text(ofLine: $0, isSpelled: true) } }
        let listed = { lines.map { Transcript.text(ofLine: $0, isSpelled: false) } }
        guard !alphabet.isSpelled else {
            let isSpelled =
                hasBoundary || (labels == "ltr" && alphabet.symbols.contains { $0.hasSameCodePoints(as: boundary) })
            return isSpelled ? spelled() : listed()
        }
        guard hasBoundary else { return listed() }
        let symbols = listed().map { line in
            LetterText.words(in: line).filter { !$0.hasSameCodePoints(as: boundary) }.joined(separator: " ")
        }
        let words = spelled()
        let foreign = { (texts: [String]) in
            texts.reduce(0) { $0 + LetterText.words(in: $1).count { alphabet.label(of: $0) == nil } }
        }
        return foreign(words) < foreign(symbols) ? words : symbols
    }
}

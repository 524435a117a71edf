import Foundation
import W2VBase

/// CTC prefix beam search, with n-best hypotheses and optional n-gram language model, lexicon and hot words.
///
///     let model = try LanguageModel(contentsOf: URL(filePath: "3-gram.arpa"))
///     let decoder = try BeamSearchDecoder(alphabet: recognizer.alphabet, model: model)
///     print(try decoder.decode(logProbabilities).first?.text ?? "")
///
/// Hypotheses, their scores and their word times are those of pyctcdecode 0.5.0. The language model scores a word when
/// its boundary is read; the score is added to the acoustic one with a weight (shallow fusion):
///
///     score = ln p(frames) + α · ln p(words) + β · |words|
///
/// Source: Graves and Jaitly 2014, algorithm 1; Hannun et al. 2014; pyctcdecode.
public struct BeamSearchDecoder: Sendable {
    /// The labels of the columns of scores.
    public let alphabet: DecodingAlphabet
    /// The language model.
    public let model: LanguageModel?
    /// The options of the search.
    public let options: BeamSearchOptions
    /// The words that count as known: the given ones, otherwise the language model's.
    public let lexicon: Lexicon?
    let hotWords: HotWords

    /// Makes a decoder.
    ///
    /// - Parameters:
    ///   - alphabet: The labels of the columns of scores.
    ///   - lexicon: The known words; nil for those of the language model.
    ///   - options: The options of the search.
    /// - Throws: `LanguageModelError.unusable` when the dictionary can spell less than half of the model's words, which
    ///   shows that the two do not match; `DecoderError` for options out of range and hot words that cannot be
    ///   spelled.
    public init(
        alphabet: DecodingAlphabet, model: LanguageModel? = nil, lexicon: Lexicon? = nil,
        options: BeamSearchOptions = BeamSearchOptions()
    ) throws {
        try Self.check(options)
        self.alphabet = alphabet
        self.model = model
        self.options = options
        var known = lexicon
        if let model, let words = model.words {
            let own = Lexicon(words, alphabet: alphabet, model: model)
            // Words that only the given lexicon can spell count too.
            let isRespelled = lexicon?.respelled.isEmpty == false
            guard isRespelled || own.count > 0 && own.count >= own.unspellable.count else {
                throw LanguageModelError.unusable(path: model.path, reason: Self.mismatch(own, alphabet))
            }
            if known == nil { known = own }
        }
        self.lexicon = known
        hotWords = try HotWords(
            options.hotWords, weight: options.hotWordWeight, alphabet: alphabet, lexicon: known)
    }

    /// Whether some words are written differently from the labels that spell them.
    public var respellsWords: Bool { lexicon?.respelled.isEmpty == false }

    /// Returns the same decoder with other weights, which shares the lexicon.
    ///
    /// - Parameter beta: The bonus for each word.
    public func with(alpha: Double, beta: Double) -> BeamSearchDecoder {
        var options = options
        options.alpha = alpha
        options.beta = beta
        return BeamSearchDecoder(self, options)
    }

    /// Returns the same decoder with more hot words, which shares the language model and the lexicon.
    ///
    /// - Parameter words: Words to prefer beside those of the options.
    /// - Throws: `DecoderError` for words that cannot be spelled.
    public func with(moreHotWords words: [String]) throws(DecoderError) -> BeamSearchDecoder {
        var options = options
        options.hotWords += words
        return BeamSearchDecoder(
            self, options,
            hotWords: try HotWords(
                options.hotWords, weight: options.hotWordWeight, alphabet: alphabet, lexicon: lexicon))
    }

    private init(_ other: BeamSearchDecoder, _ options: BeamSearchOptions, hotWords: HotWords? = nil) {
        alphabet = other.alphabet
        model = other.model
        lexicon = other.lexicon
        self.hotWords = hotWords ?? other.hotWords
        self.options = options
    }

    private static func check(_ options: BeamSearchOptions) throws(DecoderError) {
        let checks: [(String, Double, Bool, String)] = [
            ("beam_width", Double(options.beamWidth), options.beamWidth >= 1, "at least 1"),
            ("beam_prune_logp", options.beamPruneLogp, options.beamPruneLogp <= 0, "at most 0"),
            ("token_min_logp", options.tokenMinLogp, options.tokenMinLogp <= 0, "at most 0"),
            ("alpha", options.alpha, options.alpha.isFinite, "a finite number"),
            ("beta", options.beta, options.beta.isFinite, "a finite number"),
            ("unk_score_offset", options.unknownScoreOffset, options.unknownScoreOffset.isFinite, "a finite number"),
            ("hotword_weight", options.hotWordWeight, options.hotWordWeight.isFinite, "a finite number"),
        ]
        for (name, value, isGood, expected) in checks where !isGood {
            throw .badOption(name: name, value: "\(value)", expected: expected)
        }
    }

    private static func mismatch(_ lexicon: Lexicon, _ alphabet: DecodingAlphabet) -> String {
        var foreign: [ExactText: Int] = [:]
        for word in lexicon.unspellable.prefix(10_000) {
            for letter in Set(alphabet.unspellable(in: word).map { ExactText($0) }) { foreign[letter, default: 0] += 1 }
        }
        let common = foreign.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(8).map(\.key.text.printable)
        let total = lexicon.count + lexicon.unspellable.count
        return "has other letters than the dictionary, which can spell only \(lexicon.count) of its \(total) words (it "
            + "lacks \(common.joined(separator: " "))); use a language model made from text in the dictionary's letters"
    }

    /// Decodes one utterance.
    ///
    /// - Parameters:
    ///   - logProbabilities: Natural logarithms [frames, labels], contiguous: after log-softmax.
    ///   - count: The maximum number of hypotheses; each of an hour takes a megabyte.
    /// - Returns: Hypotheses, the best first; at least one, which is empty if there are no frames.
    /// - Throws: `DecoderError` when the shape is wrong or a score is NaN.
    public func decode(
        _ logProbabilities: [Float], atMost count: Int = .max
    ) throws(DecoderError) -> [Hypothesis] {
        let result = logProbabilities.withUnsafeBufferPointer { buffer in
            Result { () throws(DecoderError) in try decode(buffer, atMost: count) }
        }
        return try result.get()
    }

    /// Decodes one utterance in place.
    ///
    /// - Parameters:
    ///   - logProbabilities: Natural logarithms [frames, labels], contiguous: after log-softmax.
    ///   - count: The maximum number of hypotheses.
    /// - Returns: Hypotheses, the best first; at least one, which is empty if there are no frames.
    /// - Throws: `DecoderError` when the shape is wrong or a score is NaN.
    public func decode(
        _ logProbabilities: UnsafeBufferPointer<Float>, atMost count: Int = .max
    ) throws(DecoderError) -> [Hypothesis] {
        try decode(logProbabilities, BeamSearch(self), atMost: count)
    }

    /// Decodes one utterance with a new search.
    func decode(
        _ logProbabilities: UnsafeBufferPointer<Float>, _ start: BeamSearch, atMost count: Int
    ) throws(DecoderError) -> [Hypothesis] {
        let labels = alphabet.symbols.count
        guard logProbabilities.count.isMultiple(of: labels) else {
            throw .wrongCount(count: logProbabilities.count, labels: labels)
        }
        var search = start
        for frame in 0..<logProbabilities.count / labels {
            let row = UnsafeBufferPointer(rebasing: logProbabilities[frame * labels..<(frame + 1) * labels])
            try search.step(row, frame: frame)
        }
        return search.finish(atMost: count)
    }

    /// Decodes many utterances in parallel.
    ///
    /// - Parameters:
    ///   - utterances: The log-probabilities [frames, labels] of each.
    ///   - threads: The number of threads; nil for all cores.
    /// - Returns: The hypotheses of each, in the given order.
    /// - Throws: `DecoderError`, and `CancellationError` when the task is cancelled.
    public func decode(_ utterances: [[Float]], threads: Int? = nil) async throws -> [[Hypothesis]] {
        try await ParallelMap.map(utterances, threads: threads) { try decode($0) }
    }
}

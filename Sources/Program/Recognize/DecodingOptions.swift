import ArgumentParser
import Foundation
import W2VBase
import W2VDecoding
import W2VRecognition

/// A comma-separated list of numbers, which may be negative.
struct NumberList: ExpressibleByArgument {
    var numbers: [Double]

    init(_ numbers: [Double]) { self.numbers = numbers }

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
        numbers = parts.compactMap { Double($0) }
        guard numbers.count == parts.count, numbers.allSatisfy(\.isFinite) else { return nil }
    }

    var defaultValueDescription: String { numbers.map { String(format: "%g", $0) }.joined(separator: ",") }
}

/// The options of decoding.
struct DecodingOptions: ParsableArguments {
    /// The decoding methods.
    enum Kind: String, CaseIterable, ExpressibleByArgument {
        case greedy
        case beam
    }

    @Option(
        help:
            "Decoder: greedy takes the best letter of every frame, beam runs a beam search. (default: beam with --lm, --lexicon, --lexicon-only or --hotword, else greedy)"
    )
    var decoder: Kind?

    @Option(help: "Language model: an ARPA file, an output of 'lm convert', or a KenLM binary.", completion: .file())
    var lm: String?

    @Option(parsing: .unconditional, help: "Weight of the language model.")
    var alpha = BeamSearchOptions().alpha

    @Option(parsing: .unconditional, help: "Bonus for each word.")
    var beta = BeamSearchOptions().beta

    @Option(help: "Number of hypotheses to keep after each frame.")
    var beamWidth = BeamSearchOptions().beamWidth

    @Option(
        parsing: .unconditional,
        help: "Score relative to the best below which hypotheses are pruned (natural logarithm).")
    var beamPruneLogp = BeamSearchOptions().beamPruneLogp

    @Option(parsing: .unconditional, help: "Log-probability below which letters are not tried (natural logarithm).")
    var tokenMinLogp = BeamSearchOptions().tokenMinLogp

    @Option(parsing: .unconditional, help: "Penalty for unknown words (logarithm to base 10, weighted by alpha).")
    var unkScoreOffset = BeamSearchOptions().unknownScoreOffset

    @Flag(help: "Do not score the start and end of an utterance as those of a sentence.")
    var noLmBoundary = false

    @Option(
        help:
            "Known words, instead of the language model's: one per line, optionally followed by a spelling in the dictionary's symbols.",
        completion: .file())
    var lexicon: String?

    @Flag(help: "Only output words from the lexicon or language model.")
    var lexiconOnly = false

    @Option(help: "Word or phrase to prefer; repeatable.")
    var hotword: [String] = []

    @Option(parsing: .unconditional, help: "Bonus for each hot word.")
    var hotwordWeight = BeamSearchOptions().hotWordWeight

    @Flag(
        help:
            "Drop hypotheses that differ from a better one only in words outside the language model's context; faster.")
    var pruneHistory = false

    /// Whether any option asks for a beam search.
    private var wantsBeam: Bool { lm != nil || lexicon != nil || !hotword.isEmpty || lexiconOnly }

    func validate() throws {
        if decoder == .greedy, wantsBeam {
            throw ValidationError("--decoder greedy uses no language model, lexicon or hot words; use --decoder beam.")
        }
        if lexiconOnly, lexicon == nil, lm == nil {
            throw ValidationError("--lexicon-only needs words to choose from: give --lexicon or --lm.")
        }
        try refuseIgnored()
        if !(1...1_000_000).contains(beamWidth) {
            throw ValidationError("--beam-width is \(beamWidth); it must be from 1 to 1000000.")
        }
        // NaN fails this comparison too.
        guard beamPruneLogp <= 0, tokenMinLogp <= 0 else {
            throw ValidationError("--beam-prune-logp and --token-min-logp are logarithms of probabilities, at most 0.")
        }
        for number in [alpha, beta, unkScoreOffset, hotwordWeight] where !number.isFinite {
            throw ValidationError("the decoding weights must be finite numbers.")
        }
    }

    /// Refuses weights that decoding would not use.
    private func refuseIgnored() throws {
        let usual = BeamSearchOptions()
        if lm == nil, alpha != usual.alpha || unkScoreOffset != usual.unknownScoreOffset || noLmBoundary {
            throw ValidationError(
                "--alpha, --unk-score-offset and --no-lm-boundary are about a language model: give one with --lm.")
        }
        if !isBeamSearch,
            beta != usual.beta || beamWidth != usual.beamWidth || pruneHistory
                || beamPruneLogp != usual.beamPruneLogp || tokenMinLogp != usual.tokenMinLogp
        {
            throw ValidationError(
                "--beta, --beam-width, --beam-prune-logp, --token-min-logp and --prune-history are about a beam search: "
                    + "give --decoder beam, or what it searches with (--lm, --lexicon, --hotword).")
        }
    }

    /// Whether the decoder is a beam search.
    var isBeamSearch: Bool { decoder == .beam || decoder == nil && wantsBeam }

    /// A short description of the decoding.
    var summary: String {
        guard isBeamSearch else { return "greedy" }
        let model = lm.map { ", language model \($0), alpha \(alpha), beta \(beta)" } ?? ", no language model"
        return "beam search, \(beamWidth) hypotheses" + model
    }

    /// The options of the beam search.
    var search: BeamSearchOptions {
        var options = BeamSearchOptions()
        options.beamWidth = beamWidth
        options.beamPruneLogp = beamPruneLogp
        options.tokenMinLogp = tokenMinLogp
        options.alpha = alpha
        options.beta = beta
        options.unknownScoreOffset = unkScoreOffset
        options.scoresBoundary = !noLmBoundary
        options.hotWords = hotword
        options.hotWordWeight = hotwordWeight
        options.prunesHistory = pruneHistory
        options.allowsUnknownWords = !lexiconOnly
        return options
    }

    /// Makes a beam search for a model's alphabet.
    ///
    /// - Parameter alphabet: The alphabet of the model's labels.
    /// - Returns: The beam search.
    /// - Throws: `LanguageModelError` and `DecoderError` about files and options.
    func beamSearch(_ alphabet: DecodingAlphabet) throws -> BeamSearchDecoder {
        let model = try lm.map { try LanguageModel(contentsOf: fileURL($0)) }
        let words = try lexicon.map { try Lexicon(contentsOf: fileURL($0), alphabet: alphabet, model: model) }
        let decoder = try BeamSearchDecoder(alphabet: alphabet, model: model, lexicon: words, options: search)
        guard let name = lexicon ?? lm, let listed = decoder.lexicon else { return decoder }
        if lexicon != nil, !listed.specials.isEmpty {
            Console.log.warning(
                """
                \(name): left out the special words \(listed.specials.joined(separator: " ")), which stand for no speech.
                """, metadata: ["file": "\(name)"])
        }
        if let first = listed.unspellable.first {
            Console.log.warning(
                """
                \(name): \(listed.unspellable.count) of \(listed.unspellable.count + listed.count) words have letters \
                that the dictionary lacks and cannot be written, such as \(first.quotedWithCodePoints).
                """, metadata: ["file": "\(name)"])
        }
        return decoder
    }

    /// Makes the decoder for a model's alphabet.
    ///
    /// - Parameter alphabet: The alphabet of the model's labels.
    /// - Returns: The decoder.
    /// - Throws: `LanguageModelError` and `DecoderError` about files and options.
    func recognitionDecoder(alphabet: DecodingAlphabet) throws -> RecognitionDecoder {
        guard isBeamSearch else { return .greedy }
        return .beam(try beamSearch(alphabet))
    }
}

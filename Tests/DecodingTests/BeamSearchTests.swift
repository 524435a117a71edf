import Foundation
import TestSupport
import Testing

@testable import W2VDecoding

@Suite(.onTestThreads) struct BeamSearchTests {
    private struct Golden: Decodable {
        var labels: [String]
        var cases: [Case]
    }

    private struct Case: Decodable {
        var options: Options
        var frames: Int
        var offset: Int
        var count: Int
        var beams: [Beam]
    }

    private struct Options: Decodable {
        var model: String?
        var alpha: Double?
        var beta: Double?
        var unkScoreOffset: Double?
        var lmScoreBoundary: Bool?
        var beamWidth: Int?
        var beamPruneLogp: Double?
        var tokenMinLogp: Double?
        var pruneHistory: Bool?
        var hotwords: [String]?
        var hotwordWeight: Double?
        var unigrams: [String]?

        var search: BeamSearchOptions {
            var options = BeamSearchOptions()
            if let alpha { options.alpha = alpha }
            if let beta { options.beta = beta }
            if let unkScoreOffset { options.unknownScoreOffset = unkScoreOffset }
            if let lmScoreBoundary { options.scoresBoundary = lmScoreBoundary }
            if let beamWidth { options.beamWidth = beamWidth }
            if let beamPruneLogp { options.beamPruneLogp = beamPruneLogp }
            if let tokenMinLogp { options.tokenMinLogp = tokenMinLogp }
            if let pruneHistory { options.prunesHistory = pruneHistory }
            if let hotwords { options.hotWords = hotwords }
            if let hotwordWeight { options.hotWordWeight = hotwordWeight }
            return options
        }
    }

    private struct Beam: Decodable {
        var text: String
        var words: [WordSpan]
        var acoustic: Double
        var score: Double

        enum CodingKeys: CodingKey { case text, words, acoustic, score }

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            text = try container.decode(String.self, forKey: .text)
            acoustic = try container.decode(Double.self, forKey: .acoustic)
            score = try container.decode(Double.self, forKey: .score)
            var list = try container.nestedUnkeyedContainer(forKey: .words)
            words = []
            while !list.isAtEnd {
                var word = try list.nestedUnkeyedContainer()
                let text = try word.decode(String.self)
                let (start, end) = (try word.decode(Int.self), try word.decode(Int.self))
                words.append(WordSpan(word: text, frames: start..<end))
            }
        }
    }

    /// pyctcdecode's hypotheses, in order, with their word times and scores.
    @Test func hypothesesAreThoseOfPyctcdecode() async throws {
        let golden: Golden = try DecodingFixtures.read("beams.json")
        let scores = try DecodingFixtures.floats(Data(contentsOf: DecodingFixtures.url("beams.f32")))
        let alphabet = try DecodingAlphabet(symbols: golden.labels)
        #expect(golden.cases.count == 36)
        for (number, test) in golden.cases.enumerated() {
            let model = try test.options.model.map {
                try LanguageModel(contentsOf: DecodingFixtures.url("\($0).arpa.gz"))
            }
            let lexicon = test.options.unigrams.map { Lexicon($0, alphabet: alphabet, model: model) }
            let decoder = try BeamSearchDecoder(
                alphabet: alphabet, model: model, lexicon: lexicon, options: test.options.search)
            let row = golden.labels.count
            let part = Array(scores[test.offset..<test.offset + test.frames * row])
            let found = try decoder.decode(part)
            #expect(found.count == test.count, "case \(number)")
            // Nodes that no hypothesis leads to may be dropped at any time.
            let forgetful = try part.withUnsafeBufferPointer {
                try decoder.decode($0, BeamSearch(decoder, room: number % 2 * 500), atMost: 3)
            }
            #expect(forgetful == Array(found.prefix(3)), "case \(number)")
            for (rank, (ours, theirs)) in zip(found, test.beams).enumerated() {
                #expect(ours.text == theirs.text, "case \(number), rank \(rank)")
                #expect(ours.words == theirs.words, "case \(number), rank \(rank)")
                #expect(abs(ours.acousticScore - theirs.acoustic) < 1e-4, "case \(number), rank \(rank)")
                #expect(abs(ours.score - theirs.score) < 1e-4, "case \(number), rank \(rank)")
            }
        }
    }

    /// With a beam wide enough to prune nothing, a text's score is its probability over all paths: with symbols of
    /// several code points, which spell the same text in several ways, and with labels that are never written.
    @Test(
        arguments: [
            (["-", "|", "A", "B"], []), (["-", "|", "A", "AB", "B"], []), (["-", "|", "A", "AA", "A"], []),
            (["-", "</s>", "|", "A", "B"], [1]), (["A", "AB", "-", "|", "<pad>"], [4]),
        ] as [([String], Set<Int>)])
    func acousticScoresAreProbabilities(symbols: [String], silent: Set<Int>) throws {
        var choices = Choices(seed: 41)
        let (count, frames) = (symbols.count, 5)
        let blank = try #require(symbols.firstIndex(of: "-"))
        let alphabet = try DecodingAlphabet(symbols: symbols, blank: blank, silent: silent)
        var options = BeamSearchOptions()
        (options.beamWidth, options.tokenMinLogp, options.beamPruneLogp) = (100_000, -1000, -1000)
        let decoder = try BeamSearchDecoder(alphabet: alphabet, options: options)
        let greedy = GreedyDecoder(blank: blank, ignored: silent)
        for _ in 0..<4 {
            let logits = (0..<frames * count).map { _ in Float.random(in: -3...3, using: &choices) }
            let scores = stride(from: 0, to: logits.count, by: count).flatMap { start in
                let row = logits[start..<start + count]
                let total = log(row.reduce(0) { $0 + exp($1) })
                return row.map { $0 - total }
            }
            var expected: [String: Double] = [:]
            var path = [Int](repeating: 0, count: frames)
            while path.last != count {
                let score = path.enumerated().reduce(0.0) { $0 + Double(scores[$1.offset * count + $1.element]) }
                let letters = greedy.collapse(path).map { symbols[$0.label] }
                expected[LetterText.transcript(letters: letters), default: 0] += exp(score)
                path[0] += 1
                for place in 0..<frames - 1 where path[place] == count {
                    (path[place], path[place + 1]) = (0, path[place + 1] + 1)
                }
            }
            let found = try decoder.decode(scores)
            #expect(found.count == expected.count)
            for hypothesis in found {
                #expect(abs(exp(hypothesis.acousticScore) - (expected[hypothesis.text] ?? 0)) < 1e-6)
                let letters = hypothesis.labels.map { symbols[$0] }
                #expect(LetterText.transcript(letters: letters) == hypothesis.text)
            }
            #expect(found.map(\.score) == found.map(\.score).sorted(by: >))
        }
    }

    private static func oneHot(_ text: String, _ alphabet: DecodingAlphabet) -> [Float] {
        text.flatMap { letter in
            alphabet.symbols.map { $0 == String(letter) ? Float(-0.01) : -7 }
        }
    }

    @Test func labelsSpellTheText() throws {
        let alphabet = try DecodingAlphabet(symbols: ["-", "|", "A", "B", "C", "#"], silent: [5])
        let decoder = try BeamSearchDecoder(alphabet: alphabet)
        let best = try #require(try decoder.decode(Self.oneHot("-A-AB#|-C-|", alphabet)).first)
        #expect(best.text == "AAB C")
        #expect(best.labels == [2, 2, 3, 1, 4])
        #expect(best.words == [WordSpan(word: "AAB", frames: 1..<5), WordSpan(word: "C", frames: 8..<9)])
        #expect(try decoder.decode([]).map(\.text) == [""])
    }

    @Test func aLexiconCanBeTheOnlyWords() throws {
        let alphabet = try DecodingAlphabet(symbols: ["-", "|", "A", "B", "C"])
        var options = BeamSearchOptions()
        options.allowsUnknownWords = false
        options.tokenMinLogp = -20
        let lexicon = Lexicon(["AB", "ABC", "C"], alphabet: alphabet)
        let decoder = try BeamSearchDecoder(alphabet: alphabet, lexicon: lexicon, options: options)
        for text in ["AA|C", "AB|CCB", "B-B-B", "A|B", "ABCA", "---"] {
            for hypothesis in try decoder.decode(Self.oneHot(text, alphabet)) {
                #expect(Set(hypothesis.words.map(\.word)).isSubset(of: ["AB", "ABC", "C"]), "\(text)")
            }
        }
        #expect(try decoder.decode(Self.oneHot("AB|-C-|", alphabet)).first?.text == "AB C")
    }

    /// Without a word boundary every label is a word, as with phonemes.
    @Test func labelsCanBeWords() throws {
        let alphabet = try DecodingAlphabet(symbols: ["-", "AH", "B", "CH"])
        let decoder = try BeamSearchDecoder(alphabet: alphabet)
        let path = [1, 1, 0, 1, 2, 2, 3, 0]
        let scores = path.flatMap { best in (0..<4).map { $0 == best ? Float(-0.01) : -7 } }
        let best = try #require(try decoder.decode(scores).first)
        #expect(best.text == "AH AH B CH" && best.labels == [1, 1, 2, 3])
        #expect(best.words.map(\.frames) == [0..<2, 3..<4, 4..<6, 6..<7])
    }

    @Test func manyUtterancesAtOnceAreTheSame() async throws {
        let golden: Golden = try DecodingFixtures.read("beams.json")
        let scores = try DecodingFixtures.floats(Data(contentsOf: DecodingFixtures.url("beams.f32")))
        let utterances = golden.cases.prefix(8).map {
            Array(scores[$0.offset..<$0.offset + $0.frames * golden.labels.count])
        }
        let decoder = try BeamSearchDecoder(
            alphabet: DecodingAlphabet(symbols: golden.labels),
            model: LanguageModel(contentsOf: DecodingFixtures.url("trigram.arpa.gz")))
        let together = try await decoder.decode(utterances, threads: 3)
        for (one, scores) in zip(together, utterances) { #expect(try one == decoder.decode(scores)) }
    }

    @Test func badInputIsNamed() throws {
        let alphabet = try DecodingAlphabet(symbols: ["-", "|", "A", "B"])
        let decoder = try BeamSearchDecoder(alphabet: alphabet)
        #expect(throws: DecoderError.wrongCount(count: 5, labels: 4)) { try decoder.decode([0, 0, 0, 0, 0]) }
        #expect(throws: DecoderError.notANumber(frame: 1, label: 2)) {
            try decoder.decode([0, 0, 0, 0, 0, 0, .nan, 0])
        }
        #expect(try decoder.decode([-.infinity, -.infinity, -.infinity, -.infinity]).count > 0)
        #expect(throws: DecoderError.blankOutOfRange(blank: 4, labels: 1)) {
            try DecodingAlphabet(symbols: ["-"], blank: 4)
        }
        var options = BeamSearchOptions()
        options.hotWords = ["AB", "XY"]
        #expect(throws: DecoderError.unspellable(word: "XY", symbols: "AB")) {
            try BeamSearchDecoder(alphabet: alphabet, options: options)
        }
        options = BeamSearchOptions()
        options.beamWidth = 0
        #expect(throws: DecoderError.self) { try BeamSearchDecoder(alphabet: alphabet, options: options) }
        let model = try LanguageModel(contentsOf: DecodingFixtures.url("bigram.arpa.gz"))
        let lower = try DecodingAlphabet(symbols: ["-", "|"] + "abcdefghijklmnopqrstuvwxyz".map(String.init))
        do {
            _ = try BeamSearchDecoder(alphabet: lower, model: model)
            Issue.record("a model in capital letters was accepted for a dictionary in small ones")
        } catch let error as LanguageModelError {
            #expect("\(error)".contains("can spell only 0 of its"))
        }
    }

    @Test func lexiconFilesAreWordsOrSpellings() throws {
        try withTemporaryFolder { folder in
            let alphabet = try DecodingAlphabet(symbols: ["-", "|", "A", "B"])
            let url = folder.appendingPathComponent("words")
            func write(_ text: String) throws { try Data(text.utf8).write(to: url) }
            try write("AB\nBA\tB A |\n\nAAX\n")
            let lexicon = try Lexicon(contentsOf: url, alphabet: alphabet)
            #expect(lexicon.count == 2 && lexicon.unspellable == ["AAX"])
            try write("AB\nBA\tB B |\n")
            #expect(try Lexicon(contentsOf: url, alphabet: alphabet).count == 2)
            try write("AB\t-1.5\n")
            #expect(throws: LanguageModelError.self) { try Lexicon(contentsOf: url, alphabet: alphabet) }
            try write("ab\n")
            #expect(throws: LanguageModelError.self) { try Lexicon(contentsOf: url, alphabet: alphabet) }
        }
    }
}

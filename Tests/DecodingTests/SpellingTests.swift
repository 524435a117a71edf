import Foundation
import TestSupport
import Testing

@testable import W2VDecoding

/// The spelling of words: with symbols of several code points, and from lexicons.
@Suite(.onTestThreads) struct SpellingTests {
    /// Log-probabilities of frames in which one label is by far the most probable.
    private static func frames(_ symbols: [String], _ alphabet: DecodingAlphabet) -> [Float] {
        symbols.flatMap { symbol in alphabet.symbols.map { $0 == symbol ? Float(-0.01) : -7 } }
    }

    private static func best(
        _ symbols: [String], _ alphabet: DecodingAlphabet, model: LanguageModel? = nil, lexicon: Lexicon? = nil,
        _ change: (inout BeamSearchOptions) -> Void = { _ in }
    ) throws -> Hypothesis {
        var options = BeamSearchOptions()
        options.allowsUnknownWords = lexicon == nil
        change(&options)
        let decoder = try BeamSearchDecoder(alphabet: alphabet, model: model, lexicon: lexicon, options: options)
        let scores = frames(symbols, alphabet)
        let found = try decoder.decode(scores)
        // Nodes that no hypothesis leads to may be dropped at any time.
        let forgetful = try scores.withUnsafeBufferPointer {
            try decoder.decode($0, BeamSearch(decoder, room: 0), atMost: .max)
        }
        #expect(forgetful == found)
        #expect(Set(found.map(\.text)).count == found.count)
        return try #require(found.first)
    }

    private static let croatian = ["-", "|", "a", "b", "dž", "e", "l", "j", "lj", "n", "nj", "p", "u", "d", "ž"]

    @Test func theLongestSymbolsComeFirst() throws {
        let alphabet = try DecodingAlphabet(symbols: Self.croatian)
        #expect(alphabet.labels(of: "ljuba") == [8, 12, 3, 2])
        #expect(alphabet.labels(of: "njdžep") == [10, 4, 5, 11])
        #expect(alphabet.labels(of: "xenja") == nil)
        #expect(alphabet.unspellable(in: "xenj\u{301}") == ["x", "\u{301}"])
        // The longest symbol first leads nowhere: "ab" would leave a "c" that no symbol begins with.
        let tricky = try DecodingAlphabet(symbols: ["-", "|", "a", "ab", "bc", "abcd"])
        #expect(tricky.labels(of: "abc") == [2, 4] && tricky.labels(of: "abcab") == [2, 4, 3])
        #expect(tricky.labels(of: "abcd") == [5] && tricky.labels(of: "cab") == nil)
        #expect(tricky.unspellable(in: "cabc") == ["c"])
        let phones = try DecodingAlphabet(symbols: ["-", "kʰ", "d͡ʒ"])
        #expect(phones.labels(of: "d͡ʒ") == [2] && phones.labels(of: "kʰd͡ʒ") == nil)
        #expect(phones.unspellable(in: "kʰd͡ʒ") == ["kʰd͡ʒ"])
    }

    /// Symbols are code points: texts that look the same are not the same.
    @Test func symbolsAreCodePoints() throws {
        let alphabet = try DecodingAlphabet(symbols: ["-", "|", "e", "\u{301}", "\u{E9}", "K", "\u{212A}"])
        #expect(alphabet.labels(of: "\u{E9}") == [4] && alphabet.labels(of: "e\u{301}") == [2, 3])
        #expect(alphabet.labels(of: "K\u{212A}") == [5, 6])
        let composed = try DecodingAlphabet(symbols: ["-", "|", "\u{E9}", "e"])
        #expect(composed.labels(of: "e\u{301}") == nil && composed.unspellable(in: "e\u{301}") == ["\u{301}"])
    }

    /// A word is known to the language model whatever labels spell it, as in pyctcdecode.
    @Test func wordsAreKnownHoweverTheyAreSpelled() throws {
        try withTemporaryFolder { folder in
            let url = folder.appendingPathComponent("model.arpa")
            let lines = ["-2\t<unk>", "0\t<s>\t-0.3", "-0.7\t</s>", "-0.7\tnjuba\t-0.2", "-0.7\tlje\t-0.2"]
            let longer = ["-0.2\t<s> njuba", "-0.2\tnjuba lje", "-0.2\tlje </s>"]
            let text = """
                \\data\\
                ngram 1=5
                ngram 2=3

                \\1-grams:
                \(lines.joined(separator: "\n"))

                \\2-grams:
                \(longer.joined(separator: "\n"))

                \\end\\

                """
            try Data(text.utf8).write(to: url)
            let model = try LanguageModel(contentsOf: url)
            let alphabet = try DecodingAlphabet(symbols: Self.croatian)
            let sentence = ["-", "b", "a", "|", "-", "lj", "e"]
            let scores = try [["nj", "u"], ["n", "j", "u"], ["-", "n", "-", "j", "u"]].map { beginning in
                let best = try Self.best(beginning + sentence, alphabet, model: model)
                #expect(best.text == "njuba lje")
                #expect(best.labels == (beginning.count == 2 ? [10] : [9, 7]) + [12, 3, 2, 1, 8, 5])
                return best.score - best.acousticScore
            }
            // The same words have the same language model score, and each is known.
            #expect(scores.allSatisfy { abs($0 - scores[0]) < 1e-9 } && scores[0] > -10)
            let hot = try Self.best(["nj", "u"] + sentence, alphabet) { $0.hotWords = ["njuba lje"] }
            #expect(hot.text == "njuba lje" && hot.score - hot.acousticScore > 19)
        }
    }

    /// Paths through different labels of the same text add up.
    @Test func pathsOfATextAddUp() throws {
        let alphabet = try DecodingAlphabet(symbols: ["-", "|", "n", "j", "nj"])
        let half = Float(log(0.25))
        // Either nj and a blank, or n and j: the same text.
        let scores: [Float] = [-20, -20, half, -20, half, half, -20, -20, half, -20].map { $0 }
        let decoder = try BeamSearchDecoder(alphabet: alphabet)
        let found = try decoder.decode(scores)
        let both = try #require(found.first { $0.text == "nj" })
        #expect(abs(exp(both.acousticScore) - 0.125) < 1e-6)
        #expect(Set(found.map(\.text)).count == found.count)
    }

    private static func lexicon(_ text: String, _ alphabet: DecodingAlphabet) throws -> Lexicon {
        try withTemporaryFolder { folder in
            let url = folder.appendingPathComponent("words")
            try Data(text.utf8).write(to: url)
            return try Lexicon(contentsOf: url, alphabet: alphabet)
        }
    }

    private static let letters = ["-", "|", "T", "H", "E", "D", "O", "G", "R"]

    @Test func aWordMayHaveSeveralSpellings() throws {
        let alphabet = try DecodingAlphabet(symbols: Self.letters)
        let lexicon = try Self.lexicon("THE\tT H E |\nTHE\tD H E |\nDOG D O G\nDOOR\nR\t|\n", alphabet)
        #expect(lexicon.count == 4 && lexicon.unspellable.isEmpty)
        let second = try Self.best(["D", "H", "E", "|", "D", "O", "G"], alphabet, lexicon: lexicon)
        #expect(second.text == "THE DOG" && second.labels == [5, 3, 4, 1, 5, 6, 7])
        #expect(second.words == [WordSpan(word: "THE", frames: 0..<3), WordSpan(word: "DOG", frames: 4..<7)])
        let first = try Self.best(["T", "H", "E", "|", "-", "D", "O", "-", "O", "R"], alphabet, lexicon: lexicon)
        #expect(first.text == "THE DOOR" && first.labels == [2, 3, 4, 1, 5, 6, 6, 8])
        // The frames say something between the two spellings; they are the same word, so there is one hypothesis.
        #expect(
            try Self.best(["T", "D", "H", "E"], alphabet, lexicon: lexicon) { $0.tokenMinLogp = -20 }.text == "THE")
        // Of two likely spellings, in finished words too, the more probable one gives the letters.
        for (heard, other, labels) in [(2, 5, [2, 3, 4]), (5, 2, [5, 3, 4])] {
            var scores = Self.frames(["T", "H", "E", "|", "D", "O", "G"], alphabet)
            (scores[heard], scores[other]) = (log(0.55), log(0.44))
            var options = BeamSearchOptions()
            options.allowsUnknownWords = false
            let both = try BeamSearchDecoder(alphabet: alphabet, lexicon: lexicon, options: options).decode(scores)
            #expect(both.first?.text == "THE DOG" && both.first?.labels == labels + [1, 5, 6, 7])
        }
        let hot = try Self.best(["D", "H", "E"], alphabet, lexicon: lexicon) { $0.hotWords = ["THE"] }
        #expect(hot.text == "THE" && hot.score > 9)
    }

    /// Words that sound alike: the language model chooses.
    @Test func aSpellingMayBeSeveralWords() throws {
        try withTemporaryFolder { folder in
            let url = folder.appendingPathComponent("model.arpa")
            let text = """
                \\data\\
                ngram 1=5
                ngram 2=1

                \\1-grams:
                -99\t<s>\t0
                -1\t</s>
                -1\tRED\t0
                -1\tREAD\t0
                -1\tBOOK

                \\2-grams:
                -0.1\tREAD BOOK

                \\end\\

                """
            try Data(text.utf8).write(to: url)
            let model = try LanguageModel(contentsOf: url)
            let alphabet = try DecodingAlphabet(symbols: ["-", "|", "r", "e", "d", "b", "u", "k"])
            let entries = [
                Lexicon.Entry(word: "RED", spelling: ["r", "e", "d"]),
                .init(word: "READ", spelling: ["r", "e", "d"]), .init(word: "READ", spelling: ["r", "e", "e", "d"]),
                .init(word: "BOOK", spelling: ["b", "u", "k"]), .init(word: "BOOK", spelling: ["b", "x"]),
            ]
            let lexicon = Lexicon(entries: entries, alphabet: alphabet, model: model)
            #expect(lexicon.count == 3 && lexicon.unspellable == ["BOOK"])
            let frames = ["r", "e", "d", "|", "b", "u", "k", "|"]
            #expect(try Self.best(frames, alphabet, model: model, lexicon: lexicon).text == "READ BOOK")
            let first = try Self.best(Array(frames.prefix(3)), alphabet, model: model, lexicon: lexicon) {
                $0.hotWords = ["RED"]
            }
            #expect(first.text == "RED")
        }
    }

    @Test func specialWordsAreNotWords() throws {
        let alphabet = try DecodingAlphabet(symbols: ["<s>", "|", "T", "H", "E", "D", "O", "G", "<unk>"])
        let lexicon = try Self.lexicon(
            "<s>\t<s>\n</s>\t</s>\n<unk>\t<unk>\n<UNK>\nTHE\tT H E |\nDOG\tD O G |\n", alphabet)
        #expect(lexicon.count == 2 && lexicon.unspellable.isEmpty)
        #expect(lexicon.specials == ["<s>", "</s>", "<unk>", "<UNK>"])
        let frames = ["T", "H", "E", "|", "<unk>", "D", "O", "G"]
        #expect(try Self.best(frames, alphabet, lexicon: lexicon) { $0.tokenMinLogp = -20 }.text == "THE DOG")
    }

    /// If every label is a word, a lexicon may still define its written form.
    @Test func labelsMayBeWrittenOtherwise() throws {
        let alphabet = try DecodingAlphabet(symbols: ["-", "AH", "B", "CH"])
        let lexicon = Lexicon(
            entries: [.init(word: "ʌ", spelling: ["AH"]), .init(word: "B"), .init(word: "tʃ", spelling: ["CH", "B"])],
            alphabet: alphabet)
        #expect(lexicon.count == 2 && lexicon.unspellable == ["tʃ"])
        let best = try Self.best(["AH", "-", "AH", "B"], alphabet, lexicon: lexicon)
        #expect(best.text == "ʌ ʌ B" && best.labels == [1, 1, 2])
        #expect(best.words.map(\.frames) == [0..<1, 2..<3, 3..<4])
    }

    @Test func unspellableWordsAreNamed() throws {
        let alphabet = try DecodingAlphabet(symbols: Self.croatian)
        func problem(_ text: String) throws -> String {
            do {
                _ = try Self.lexicon(text, alphabet)
                return "none"
            } catch { return "\(error)" }
        }
        #expect(
            try problem("HELLO 17\nWORLD 3\n").contains("line 1 spells \"HELLO\" with \"17\", which is not one of the"))
        #expect(try problem("HELLO\n").contains("the first is \"HELLO\""))
        #expect(try problem("\n \t\n").contains("holds no words"))
        #expect(try problem("<s>\n").contains("holds no words"))
        do {
            _ = try Self.best(["a"], alphabet) { $0.hotWords = ["xa"] }
            Issue.record("a hot word that the dictionary cannot spell was accepted")
        } catch { #expect("\(error)".contains("it has a b d dž e j l lj n nj p u ž")) }
    }

    /// A label that is never written ends a letter like the blank, in both decoders.
    @Test func silentLabelsEndLetters() throws {
        let symbols = ["<s>", "<pad>", "</s>", "<unk>", "|", "A", "B"]
        let alphabet = try DecodingAlphabet(symbols: symbols, silent: [0, 1, 2])
        func row(_ probabilities: [String: Double]) -> [Float] {
            let rest = (1 - probabilities.values.reduce(0, +)) / Double(symbols.count - probabilities.count)
            return symbols.map { Float(log(probabilities[$0] ?? rest)) }
        }
        let scores = [row(["A": 0.9]), row(["<pad>": 0.5, "</s>": 0.4, "A": 0.06]), row(["A": 0.9]), row(["B": 0.9])]
            .flatMap { $0 }
        let found = try BeamSearchDecoder(alphabet: alphabet).decode(scores)
        #expect(found.first?.text == "AAB")
        let greedy = try GreedyDecoder(ignored: alphabet.silent).decode(scores, labels: symbols.count)
        #expect(greedy.map(\.label) == [5, 5, 6])
        // All labels that are never written count together, including the blank's own share.
        let blank = (1 - 0.96) / 4
        #expect(abs(exp(found[0].acousticScore) - 0.9 * (0.9 + blank) * 0.9 * 0.9) < 2e-3)
        // A silent label of probability one leaves nothing to the blank: an aligner that only knew the blank would find
        // no path.
        let certain = [row(["A": 0.9]), symbols.map { $0 == "<pad>" ? 0 : -Float.infinity }, row(["A": 0.9])]
        #expect(try BeamSearchDecoder(alphabet: alphabet).decode(certain.flatMap { $0 }).first?.text == "AA")
        var folded = certain.flatMap { $0 }
        alphabet.foldSilence(in: &folded)
        #expect(folded[7] == 0)
        let aligned = try ForcedAligner().align(folded, labels: symbols.count, transcript: [5, 5])
        #expect(aligned.labels.map(\.frames) == [0..<1, 2..<3])
    }

    /// If texts are converted to lower case, a word's last σ is written ς, and words are given in this form.
    @Test(arguments: [["-", "|", "α", "σ"], ["-", "|", "α", "σ", "ασ"]])
    func aFinalSigmaIsTheLabelOfSigma(symbols: [String]) throws {
        let alphabet = try DecodingAlphabet(texts: symbols, wordBoundary: 1, isSpelled: true, hasFinalSigma: true)
        #expect(alphabet.labels(of: "σας") == alphabet.labels(of: "σασ"))
        #expect(alphabet.unspellable(in: "σας").isEmpty && alphabet.label(of: "ς") == 3)
        #expect(Lexicon(["ασα", "ας"], alphabet: alphabet).unspellable.isEmpty)
        let lexicon = Lexicon(["ασα", "ας"], alphabet: alphabet)
        let node = [2, 3].reduce(Int32(0)) { lexicon.child($0, Int32($1)) }
        #expect(lexicon.word(at: node) == 0)
        #expect(try DecodingAlphabet(texts: symbols, wordBoundary: 1, isSpelled: true).labels(of: "ας") == nil)
        let own = try DecodingAlphabet(
            texts: symbols + ["ς"], wordBoundary: 1, isSpelled: true, hasFinalSigma: true)
        #expect(own.label(of: "ς") == symbols.count)
    }
}

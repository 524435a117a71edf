import Foundation
import TestSupport
import Testing

@testable import W2VDecoding

@Suite(.onTestThreads) struct LanguageModelTests {
    private struct Case: Decodable {
        var model: String
        var sentence: String
        var beginning: Bool
        var end: Bool
        var scores: [UInt32]
        var unknown: [Bool]
    }

    private static func words(_ sentence: String) -> [String] { sentence.split(separator: " ").map(String.init) }

    /// KenLM's scores of ARPA files and of its own binary files, bit for bit.
    @Test func scoresAreThoseOfKenLM() throws {
        var models: [String: LanguageModel] = [:]
        let cases: [Case] = try DecodingFixtures.read("scores.json")
        #expect(cases.count > 400)
        for test in cases {
            let model = try models[test.model] ?? LanguageModel(contentsOf: DecodingFixtures.url(test.model))
            models[test.model] = model
            let scores = model.score(Self.words(test.sentence), beginning: test.beginning, end: test.end)
            #expect(
                scores.map(\.log10.bitPattern) == test.scores,
                "\(test.model): \(test.sentence) \(scores.map(\.log10)) \(test.scores.map { Float(bitPattern: $0) })")
            #expect(scores.map(\.isUnknown) == test.unknown, "\(test.model): \(test.sentence)")
        }
        #expect(models.count == 10)
    }

    @Test func binaryFormIsTheSameModel() throws {
        var choices = Choices(seed: 31)
        try withTemporaryFolder { folder in
            for name in ["trigram", "suffixes", "unigram"] {
                let text = try LanguageModel(contentsOf: DecodingFixtures.url("\(name).arpa.gz"))
                let url = folder.appendingPathComponent("\(name).bin")
                try text.writeBinary(to: url)
                let binary = try LanguageModel(contentsOf: url)
                #expect(binary.format == .binary && text.format == .arpa)
                #expect(binary.counts == text.counts && binary.words == text.words)
                for _ in 0..<50 {
                    let known = try #require(text.words)
                    let sentence = (0..<8).map { _ in
                        Int.random(in: 0..<9, using: &choices) == 0
                            ? "NO SUCH" : known.randomElement(using: &choices) ?? ""
                    }
                    #expect(binary.score(sentence) == text.score(sentence))
                }
            }
        }
    }

    /// After every history that the model can represent, probabilities add up to one.
    @Test func probabilitiesAddUpToOne() throws {
        for name in ["trigram.arpa.gz", "pruned.arpa.gz", "fallback.trie.kenlm"] {
            let model = try LanguageModel(contentsOf: DecodingFixtures.url(name))
            let words = try #require(model.words)
            for context in [["THE"], ["OF", "THE"], ["NO-SUCH-WORD"], []] {
                var state = model.sentenceBeginning
                for word in context {
                    var next = NGramState()
                    _ = model.score(model.index(of: word), after: state, next: &next)
                    state = next
                }
                var sum = 0.0
                for word in 0..<UInt32(words.count) where words[Int(word)] != "<s>" {
                    var next = NGramState()
                    sum += pow(10, Double(model.score(word, after: state, next: &next)))
                }
                #expect(abs(sum - 1) < 1e-4, "\(name) after \(context): \(sum)")
            }
        }
    }

    @Test func statesForgetWhatCannotMatter() throws {
        let model = try LanguageModel(contentsOf: DecodingFixtures.url("bigram.arpa.gz"))
        func state(_ words: [String]) -> NGramState {
            var state = model.sentenceBeginning
            for word in words {
                var next = NGramState()
                _ = model.score(model.index(of: word), after: state, next: &next)
                state = next
            }
            return state
        }
        #expect(state(["OF", "THE"]) == state(["AND", "THE"]))
        #expect(state(["THE", "OF"]) != state(["THE", "AND"]))
        #expect(Set([state(["OF", "THE"]), state(["THE"]), state(["OF"])]).count == 2)
    }

    private static let small = """
        \\data\\
        ngram 1=4
        ngram 2=3

        \\1-grams:
        -1.5\t<unk>
        -99\t<s>\t-0.3
        -0.7\t</s>
        -0.4\tA\t-0.2

        \\2-grams:
        -0.3\t<s> A
        -0.6\tA </s>
        -0.9\tA A

        \\end\\

        """

    /// Errors in an ARPA file are named with their line.
    @Test func badFilesAreNamed() throws {
        try withTemporaryFolder { folder in
            let url = folder.appendingPathComponent("model.arpa")
            func problem(_ text: String) throws -> String {
                try Data(text.utf8).write(to: url)
                do {
                    _ = try LanguageModel(contentsOf: url)
                    return "none"
                } catch { return "\(error)" }
            }
            func replaced(_ old: String, _ new: String) throws -> String {
                #expect(Self.small.contains(old))
                return try problem(Self.small.replacingOccurrences(of: old, with: new))
            }
            #expect(try problem(Self.small) == "none")
            #expect(try problem(Self.small.replacingOccurrences(of: "\n", with: "\r\n")) == "none")
            #expect(try problem("").contains("is empty"))
            #expect(try problem("hello\nworld\n").contains("line 1: expected \\data\\"))
            #expect(try replaced("</s>", "B").contains("has no </s> among its 1-grams"))
            #expect(try replaced("ngram 2=3", "ngram 2=4").contains("ends the 2-grams after 3 of them"))
            #expect(
                try replaced("ngram 2=3", "ngram 2=2").contains("line 14: expected an empty line after the 2 2-grams"))
            #expect(try replaced("ngram 2=3", "ngram 3=3").contains("line 3: expected ngram 2=COUNT"))
            #expect(
                try replaced("-0.9\tA A", "-0.9\tA B").contains("line 14: expected words that are among the 1-grams"))
            #expect(try replaced("-0.9\tA A", "-0.9\tA </s>").contains("\"A </s>\" twice"))
            #expect(try replaced("-0.9\tA A", "x\tA A").contains("line 14: expected a probability"))
            #expect(try replaced("-0.9\tA A", "0.9\tA A").contains("line 14: expected a logarithm"))
            #expect(try replaced("-0.9\tA A", "-0.9\tA A A").contains("line 14"))
            #expect(try replaced("-0.9\tA A", "-0.9\tA").contains("line 14"))
            #expect(try replaced("\\end\\", "").contains("ends after line"))
            #expect(
                try replaced("-0.4\tA\t-0.2", "-0.4\t<unk>\t-0.2").contains("line 9: expected the unknown word once"))
            #expect(try problem(Self.small.components(separatedBy: "-0.4")[0]).contains("announces 4"))
            let compressed = try Data(contentsOf: DecodingFixtures.url("bigram.arpa.gz"))
            try compressed.prefix(compressed.count / 2).write(to: url)
            #expect(throws: LanguageModelError.self) { try LanguageModel(contentsOf: url) }
            #expect(
                throws: LanguageModelError.unreadable(path: "/no/such/model", reason: "there is no such file or folder")
            ) {
                try LanguageModel(contentsOf: URL(fileURLWithPath: "/no/such/model"))
            }
            #expect(throws: LanguageModelError.self) { try LanguageModel(contentsOf: folder) }
        }
    }

    /// A damaged binary file is rejected, or gives wrong scores at worst: it never crashes the program.
    @Test(arguments: ["ours", "fallback.probing.kenlm", "fallback.trie.kenlm", "fallback.quantized-array.kenlm"])
    func damagedBinaryFilesDoNoHarm(name: String) throws {
        var choices = Choices(seed: 32)
        try withTemporaryFolder { folder in
            let url = folder.appendingPathComponent("model")
            if name == "ours" {
                try LanguageModel(contentsOf: DecodingFixtures.url("fallback.arpa.gz")).writeBinary(to: url)
            } else {
                try FileManager.default.copyItem(at: DecodingFixtures.url(name), to: url)
            }
            let whole = try Data(contentsOf: url)
            var refused = 0
            for round in 0..<300 {
                var data = whole
                if round < 100 {
                    data = data.prefix(Int.random(in: 1..<data.count, using: &choices))
                } else {
                    // The header first, where damage has the largest effect.
                    let limit = round < 200 ? min(200, data.count) : data.count
                    for _ in 0..<3 {
                        data[Int.random(in: 0..<limit, using: &choices)] = UInt8.random(in: 0...255, using: &choices)
                    }
                }
                try Data(data).write(to: url)
                guard let model = try? LanguageModel(contentsOf: url) else {
                    refused += 1
                    continue
                }
                _ = model.score(["THE", "CAT", "SAID", "NO-SUCH", "THE"])
            }
            #expect(refused >= 100)
        }
    }
}

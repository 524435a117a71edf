import Foundation
import TestSupport
import Testing

@testable import W2VDecoding

@Suite(.onTestThreads) struct LanguageModelBuilderTests {
    /// The n-grams of an ARPA file with their weights.
    private static func entries(_ url: URL) throws -> [String: (probability: Float, backoff: Float)] {
        let model = try ARPAReader.read(url.path)
        var entries: [String: (probability: Float, backoff: Float)] = [:]
        for list in model.lists {
            for index in 0..<list.count {
                entries["\(list.order) " + model.text(list, index)] = (
                    list.probabilities[index], list.backoffs.isEmpty ? 0 : list.backoffs[index]
                )
            }
        }
        return entries
    }

    /// KenLM's lmplz makes the same models, with little memory, so that everything is sorted on disk, and with much.
    @Test(arguments: [
        ("trigram", "corpus.txt", 3, [], nil as [Float]?), ("bigram", "corpus.txt", 2, [], nil),
        ("unigram", "corpus.txt", 1, [], nil), ("pruned", "corpus.txt", 4, [0, 0, 1, 2], nil),
        ("fallback", "small.txt", 3, [], [0.5, 1, 1.5]),
    ])
    func modelsAreThoseOfLmplz(
        name: String, text: String, order: Int, prune: [Int], fallback: [Float]?
    ) throws {
        let expected = try Self.entries(DecodingFixtures.url("\(name).arpa.gz"))
        try withTemporaryFolder { folder in
            for (memory, file) in [(1 << 20, "model.arpa"), (64 << 20, "model.arpa.gz")] {
                let builder = try LanguageModelBuilder(
                    options: .init(
                        order: order, prune: prune, fallback: fallback, memory: memory, temporaryFolder: folder))
                try builder.add(DecodingFixtures.url(text))
                let url = folder.appendingPathComponent(file)
                let summary = try builder.write(to: url)
                let found = try Self.entries(url)
                #expect(summary.counts.reduce(0, +) == expected.count)
                #expect(Set(found.keys) == Set(expected.keys))
                for (words, weights) in expected {
                    let ours = try #require(found[words])
                    #expect(abs(ours.probability - weights.probability) < 1e-5, "\(words)")
                    #expect(abs(ours.backoff - weights.backoff) < 1e-5, "\(words)")
                }
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 2)
        }
    }

    @Test func badTextIsNamed() throws {
        try withTemporaryFolder { folder in
            let text = folder.appendingPathComponent("text")
            let model = folder.appendingPathComponent("model.arpa")
            func make(_ fallback: [Float]?) throws {
                let builder = try LanguageModelBuilder(
                    options: .init(order: 2, fallback: fallback, temporaryFolder: folder))
                try builder.add(text)
                try builder.write(to: model)
            }
            func problem(_ content: String, fallback: [Float]? = nil) -> String {
                do {
                    try Data(content.utf8).write(to: text)
                    try make(fallback)
                    return "none"
                } catch { return "\(error)" }
            }
            #expect(problem("A B\nA </s> B\n").contains("line 2: expected words other than <s>"))
            #expect(problem("").contains("the text has no words"))
            #expect(problem("\n\n").contains("the text has no words"))
            #expect(problem("A B C\n").contains("allow fixed discounts"))
            #expect(!FileManager.default.fileExists(atPath: model.path))
            #expect(problem("A B C\n", fallback: [0.5, 1, 1.5]) == "none")
        }
    }

    @Test(arguments: [
        LanguageModelBuilder.Options(order: 0), .init(order: 9), .init(order: 2, prune: [1]),
        .init(order: 3, prune: [0, 2, 1]), .init(order: 2, prune: [0, 0, 0]), .init(order: 2, fallback: [2]),
    ])
    func badOptionsAreNamed(options: LanguageModelBuilder.Options) {
        #expect(throws: DecoderError.self) { try LanguageModelBuilder(options: options) }
    }
}

import Foundation
import TestSupport
import Testing
import W2VBase

@testable import W2VDecoding

/// Texts from other programs, and changes that editors make.
@Suite(.onTestThreads) struct TextInputTests {
    private static let plain = """
        \\data\\
        ngram 1=4
        ngram 2=2

        \\1-grams:
        -1.0\t<s>\t-0.3
        -1.0\t</s>
        -0.6\tA\t-0.2
        -0.6\t<unk>

        \\2-grams:
        -0.2\t<s> A
        -0.3\tA </s>

        \\end\\

        """

    /// Returns the scores of known and unknown words, or the model's error.
    private static func outcome(_ bytes: Data, in folder: URL, name: String = "model.arpa") throws -> String {
        let url = folder.appendingPathComponent(name)
        try bytes.write(to: url)
        do {
            let model = try LanguageModel(contentsOf: url)
            return "\(model.score(["A"]).map(\.log10)) \(model.score(["A", "B", "A"]).map(\.log10))"
        } catch { return "\(error)" }
    }

    private static func outcome(_ old: String, _ new: String, in folder: URL) throws -> String {
        #expect(plain.contains(old))
        return try outcome(Data(plain.replacingOccurrences(of: old, with: new).utf8), in: folder)
    }

    /// White space is as free as in KenLM's reader.
    @Test(arguments: [
        ("ngram 1=4", "ngram  1=         4"), ("ngram 2=2", "ngram 2= 2"), ("ngram 2=2", "ngram\t2\t=\t2 "),
        ("\\data\\\n", "\\data\\\n\n"), ("\\data\\\n", "\n# a comment\n\\data\\ \n"),
        ("\n\n\\1-grams:", "\n\\1-grams:"),
        ("\n\n\\2-grams:", "\n\\2-grams:\t"), ("\\2-grams:\n", "\\2-grams:\n\n"), ("\n\n\\end\\", "\n\\end\\"),
        ("-0.3\tA </s>", "-0.3 A </s>"), ("-0.3\tA", "-0.3E0\tA"), ("-0.2\t<s>", "-.2\t<s>"),
        ("-1.0\t<s>", "-inf\t<s>"), ("-1.0\t<s>", "-Infinity\t<s>"), ("-1.0\t<s>", "-99\t<s>"),
        ("-0.6\tA", "-0.6\(String(repeating: "0", count: 100))\tA"),
        ("\\data\\", "\u{FEFF}\\data\\"), ("\n", "\r\n"),
    ])
    func theSameModelIsRead(old: String, new: String) throws {
        try withTemporaryFolder { folder in
            let expected = try Self.outcome(Data(Self.plain.utf8), in: folder)
            #expect(expected.hasPrefix("["))
            #expect(try Self.outcome(old, new, in: folder) == expected)
        }
    }

    /// A word of probability zero scores −99, as SRILM writes it: a sum of infinities would be NaN.
    @Test func zeroProbabilityIsFinite() throws {
        try withTemporaryFolder { folder in
            let written = try Self.outcome("-0.6\tA", "-99\tA", in: folder)
            #expect(try Self.outcome("-0.6\tA", "-inf\tA", in: folder) == written && written.hasPrefix("["))
        }
    }

    @Test(arguments: [
        ("-0.6\tA", "-0x1p-3\tA", "line 8: expected a probability"), ("-0.6\tA", "nan\tA", "line 8"),
        ("-0.6\tA", "inf\tA", "line 8"), ("-0.6\tA\t-0.2", "-0.6\tA\t-0x1", "line 8"),
        ("-0.6\tA\t-0.2", "-0.6\tA\t-inf", "line 8"), ("-0.6\tA", "-1-1\tA", "line 8"),
        ("ngram 1=4", "ngram 1=0x4", "line 2: expected ngram 1=COUNT"), ("ngram 2=2", "ngram 1 2=2", "line 3"),
        ("ngram 2=2", "ngram 2=2=2", "line 3"), ("ngram 2=2", "ngram 2=", "line 3"),
        ("ngram 2=2", "ngram 2=-2", "line 3"),
    ])
    func ambiguousLinesAreRejected(old: String, new: String, problem: String) throws {
        try withTemporaryFolder { folder in
            let found = try Self.outcome(old, new, in: folder)
            #expect(found.contains(problem), "\(found)")
        }
    }

    /// A file that announces far more than it contains is rejected without taking memory for it.
    @Test func announcedCountsTakeNoMemory() throws {
        try withTemporaryFolder { folder in
            let found = try Self.outcome("ngram 1=4", "ngram 1=4000000000", in: folder)
            #expect(found.contains("announces 4000000000"), "\(found)")
        }
    }

    /// Every text reader drops a byte-order mark, and requires UTF-8.
    @Test func textIsUTF8() throws {
        try withTemporaryFolder { folder in
            let latin = Data(Self.plain.utf8) + Data("# caf".utf8) + Data([0xE9, 0x0A])
            #expect(try Self.outcome(latin, in: folder).contains("line 16: expected UTF-8, found \"# caf\u{FFFD}\""))
            let wide = Data(Self.plain.utf8.flatMap { [$0, 0] })
            #expect(try Self.outcome(wide, in: folder).contains("line 1: expected UTF-8, found \"\\<U+0000>d"))
            #expect(try Self.outcome(wide, in: folder).contains("iconv -f UTF-16 -t UTF-8"))
            let packed = Data("BZh91AY&SY".utf8) + Data([0x9B, 0x00, 0xD1, 0x0A])
            #expect(try Self.outcome(packed, in: folder).contains("is compressed: unpack it, as with bzip2 -d"))

            let alphabet = try DecodingAlphabet(symbols: ["-", "|", "A", "B", "é"])
            let words = folder.appendingPathComponent("words")
            try Data("\u{FEFF}AB\nBA\n".utf8).write(to: words)
            #expect(try Lexicon(contentsOf: words, alphabet: alphabet).unspellable.isEmpty)
            try (Data("AB\n".utf8) + Data([0xE9, 0x0A])).write(to: words)
            #expect(throws: LanguageModelError.notUTF8(path: words.path, line: 2, found: "\u{FFFD}")) {
                try Lexicon(contentsOf: words, alphabet: alphabet)
            }
        }
    }

    /// `lm build` accepts the same texts, and writes only what can be read back.
    @Test func modelsOfTextsCanBeReadAgain() throws {
        try withTemporaryFolder { folder in
            let text = folder.appendingPathComponent("text")
            let model = folder.appendingPathComponent("model.arpa")
            func build(_ bytes: Data) throws -> String {
                try? FileManager.default.removeItem(at: model)
                try bytes.write(to: text)
                do {
                    let builder = try LanguageModelBuilder(
                        options: .init(order: 2, fallback: [0.5, 1, 1.5], temporaryFolder: folder))
                    try builder.add(text)
                    try builder.write(to: model)
                } catch {
                    #expect(!FileManager.default.fileExists(atPath: model.path))
                    return "\(error)"
                }
                _ = try LanguageModel(contentsOf: model)
                return try String(contentsOf: model, encoding: .utf8)
            }
            let expected = try build(Data("AB BA\nAB\n".utf8))
            #expect(expected.hasPrefix("\\data\\"))
            #expect(try build(Data("\u{FEFF}AB BA\r\nAB".utf8)) == expected)
            #expect(try build(Data("AB\n".utf8) + Data([0xE9, 0x20, 0xE8, 0x0A])).contains("line 2: expected UTF-8"))
            for special in ["<UNK>", "<unk>", "<s>", "</s>"] {
                #expect(try build(Data("AB\nA \(special)\n".utf8)).contains("line 2: expected words other than"))
            }
            // White space other than ASCII's is part of words, in building and in scoring.
            for odd in ["A\u{A0}B C", "A\u{3000}B", "A\u{2009}B\tC", "A\u{85}B", "A \u{301}B"] {
                #expect(try build(Data("\(odd)\nC\n".utf8)).hasPrefix("\\data\\"), "\(odd.debugDescription)")
                let words = LetterText.words(in: odd)
                let scores = try LanguageModel(contentsOf: model).score(words)
                #expect(scores.allSatisfy { !$0.isUnknown }, "\(odd.debugDescription)")
            }
        }
    }

    /// A small compressed file can expand to a line of gigabytes.
    @Test func lineLengthIsLimited() throws {
        try withTemporaryFolder { folder in
            let url = folder.appendingPathComponent("text")
            try Data(("AB\n" + String(repeating: "A", count: 3 << 20) + "\nB\n").utf8).write(to: url)
            var reader = try LineReader(url, unpacks: true, longestLine: 1 << 20)
            #expect(try reader.next()?.text == "AB")
            do {
                _ = try reader.next()
                Issue.record("a line of 3 MiB was read")
            } catch {
                #expect("\(error)".contains("has more than 1 MiB in line 2"))
            }
            var whole = try LineReader(url, unpacks: true)
            var lengths: [Int] = []
            while let line = try whole.next() { lengths.append(line.count) }
            #expect(lengths == [2, 3 << 20, 1])
        }
    }

    /// System errors are reported in the system's words.
    @Test func writeFailuresGiveTheSystemsReason() throws {
        try withTemporaryFolder { folder in
            let model = try LanguageModel(contentsOf: DecodingFixtures.url("bigram.arpa.gz"))
            let place = folder.appendingPathComponent("model.bin")
            try Data("old".utf8).write(to: place)
            try FileManager.default.createDirectory(
                at: folder.appendingPathComponent("folder"), withIntermediateDirectories: true)
            #expect(throws: LanguageModelError.self) {
                try model.writeBinary(to: folder.appendingPathComponent("folder"))
            }
            #expect(
                throws: LanguageModelError.unwritable(
                    path: "/no/such/m", reason: "its folder is not there; make it first")
            ) {
                try model.writeBinary(to: URL(fileURLWithPath: "/no/such/m"))
            }
            #expect(try Data(contentsOf: place) == Data("old".utf8))
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == ["folder", "model.bin"])
        }
    }
}

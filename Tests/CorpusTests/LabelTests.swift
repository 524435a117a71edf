import Foundation
import Testing

@testable import Corpus

@Suite("Labels and dictionaries")
struct LabelTests {
    let corpus: TestCorpus

    init() throws { corpus = try TestCorpus() }

    @Test func readsFairseqDictionaries() throws {
        let url = try corpus.write("dict.ltr.txt", "| 94802\nE 51860\nT 38431\n' 12\n")
        let dictionary = try LabelDictionary(contentsOf: url)
        #expect(dictionary.symbols == ["<s>", "<pad>", "</s>", "<unk>", "|", "E", "T", "'"])
        #expect(dictionary.count == 8 && dictionary.index(of: "E") == 5 && LabelDictionary.blank == 0)
        #expect(try dictionary.encode("T E | E |") == [6, 5, 4, 5, 4])
        #expect(try dictionary.encode("") == [])
        #expect(dictionary.text(of: [6, 5, 4, 0, 5, 1, 3, 4]) == "TE E<unk>")
        try dictionary.write(to: corpus.file("again.txt"))
        #expect(try Data(contentsOf: corpus.file("again.txt")) == Data(contentsOf: url))
    }

    @Test func neverReplacesASymbolSilently() throws {
        let manifest = try corpus.manifest(lengths: [500, 600], labels: ["A B |", "A ß |"])
        let dictionary = LabelDictionary(counting: ["A B |"])
        #expect(try dictionary.encode(manifest, at: 0).count == 3)
        let expected = CorpusError.unknownSymbol(
            symbol: "ß", utterance: "u1.flac", file: corpus.file("train.ltr").path, line: 2)
        #expect(throws: expected) { try dictionary.encode(manifest, at: 1) }
        #expect(throws: expected) { try dictionary.validate(manifest) }
        #expect("\(expected)".contains("u1.flac") && "\(expected)".contains(":2:") && "\(expected)".contains("ß"))
    }

    @Test(arguments: ["A", "A x", "A -1", "A 1 2", ""])
    func namesBadDictionaryLines(line: String) throws {
        let url = try corpus.write("dict.txt", "| 5\n\(line)\nB 1\n")
        let error = try #require(throws: CorpusError.self) { try LabelDictionary(contentsOf: url) }
        #expect("\(error)".hasPrefix("\(url.path):2: "))
    }

    @Test func refusesDuplicatesAndEmptyFiles() throws {
        let twice = try corpus.write("twice.txt", "| 5\nA 3\nA 2\n")
        #expect(throws: CorpusError.duplicateSymbol(symbol: "A", file: twice.path, line: 3)) {
            try LabelDictionary(contentsOf: twice)
        }
        let special = try corpus.write("special.txt", "<pad> 5\n")
        #expect(throws: CorpusError.duplicateSymbol(symbol: "<pad>", file: special.path, line: 1)) {
            try LabelDictionary(contentsOf: special)
        }
        #expect(throws: CorpusError.self) { try LabelDictionary(contentsOf: corpus.write("empty.txt", "")) }
    }

    @Test func countsSymbols() throws {
        let dictionary = LabelDictionary(counting: ["B A | C |", "A |"])
        #expect(dictionary.symbols.dropFirst(4) == ["|", "A", "B", "C"])
        #expect(dictionary.counts.dropFirst(4) == [3, 2, 1, 1])
        let phones = LabelDictionary(counting: ["sil ah", "ah"])
        #expect(phones.text(of: [4, 5, 4]) == "ah sil ah")
    }

    @Test func spellsTranscripts() throws {
        #expect(Transcript.letters("HELLO  WORLD ") == "H E L L O | W O R L D |")
        #expect(Transcript.letters("") == "" && Transcript.words(" a\tb ") == "a b")
        #expect(Transcript.text(fromLetters: "H I | Y O U |") == "HI YOU")
        try Transcript.writeLabels(["AB C", "", "D"], beside: corpus.file("train.tsv"))
        #expect(try String(contentsOf: corpus.file("train.ltr"), encoding: .utf8) == "A B | C |\n\nD |\n")
        #expect(try String(contentsOf: corpus.file("train.wrd"), encoding: .utf8) == "AB C\n\nD\n")
        #expect(throws: CorpusError.self) { try Transcript.writeLabels(["A|B"], beside: corpus.file("train.tsv")) }
    }

    @Test func findsTranscriptsByOrderOrKey() throws {
        let manifest = try Manifest(
            root: corpus.folder, paths: ["x/a.flac", "b.flac", "c.wav"], sampleCounts: [1, 2, 3])
        #expect(
            try Transcript.read(corpus.write("order.txt", "one\ntwo\nthree\n"), for: manifest) == [
                "one", "two", "three",
            ])
        let keyed = try corpus.write("keyed.txt", "c\tthree\nb.flac\ttwo\nx/a.flac\tone\nunused\tzero\n")
        #expect(try Transcript.read(keyed, for: manifest) == ["one", "two", "three"])
        let short = try corpus.write("short.txt", "one\ntwo\n")
        #expect(throws: CorpusError.labelCount(labels: short.path, found: 2, manifest: "manifest", expected: 3)) {
            try Transcript.read(short, for: manifest)
        }
        for text in ["c\tthree\nb\ttwo\n", "a\tone\nb\ttwo\nc\t3\nc\t4\n", "a\tone\nb\n"] {
            #expect(throws: CorpusError.self) { try Transcript.read(corpus.write("bad.txt", text), for: manifest) }
        }
    }
}

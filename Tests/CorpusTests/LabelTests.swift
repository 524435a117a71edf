import Foundation
import TestSupport
import Testing

@testable import W2VCorpus

@Suite("Labels and dictionaries", .onTestThreads)
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

    /// fairseq splits symbols at any white space; a no-break space remains a symbol, as in other dictionaries.
    @Test func tabsPartSymbolsToo() throws {
        let manifest = try corpus.manifest(lengths: [500, 600], labels: ["a\tb\t|", "c \u{B} a \u{A0} |"])
        #expect(
            try LabelDictionary(counting: manifest).symbols.dropFirst(4).map { $0 } == ["a", "|", "b", "c", "\u{A0}"])
        #expect(Transcript.text(fromLetters: try #require(manifest[0].labels)) == "ab")
    }

    @Test func neverReplacesASymbolSilently() throws {
        let manifest = try corpus.manifest(lengths: [500, 600], labels: ["A B |", "A ß |"])
        let dictionary = LabelDictionary(counting: ["A B |"])
        #expect(try dictionary.encode(manifest, at: 0).count == 3)
        let expected = CorpusError.unknownSymbol(
            symbol: "ß", utterance: "u1.flac", file: corpus.file("train.ltr").path, line: 2)
        #expect(throws: expected) { try dictionary.encode(manifest, at: 1) }
        let error = try #require(throws: CorpusError.self) { try dictionary.validate(manifest) }
        guard case .labelsDoNotFit(["ß"], 0, 1, 6, "u1.flac", corpus.file("train.ltr").path, 2, _) = error else {
            throw error
        }
    }

    @Test(arguments: ["A", "A x", "A -1", "A 1 2", ""])
    func namesBadDictionaryLines(line: String) throws {
        let url = try corpus.write("dict.txt", "| 5\n\(line)\nB 1\n")
        let error = try #require(throws: CorpusError.self) { try LabelDictionary(contentsOf: url) }
        #expect(error.name == "badLine" && error.place == "\(url.path):2")
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
        let lines = ["B A | C |", "ä <s> A  |", ""]
        let manifest = try Manifest(
            root: corpus.folder, paths: ["a", "b", "c"], sampleCounts: [1, 2, 3], labels: lines)
        #expect(try LabelDictionary(counting: manifest) == LabelDictionary(counting: lines))
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

    @Test func refusesKeysThatFitSeveralRecordings() throws {
        let manifest = try Manifest(
            root: corpus.folder, paths: ["en/up.wav", "fr/up.wav", "en/one.wav", "en/one.wav"],
            sampleCounts: [1, 2, 3, 3])
        for key in ["up", "up.wav"] {
            let url = try corpus.write("texts", "one\tx\n\(key)\tup\n")
            let ambiguous = CorpusError.ambiguousKey(
                key: key, file: url.path, line: 2, utterances: ["en/up.wav", "fr/up.wav"])
            #expect(throws: ambiguous) { try Transcript.read(url, for: manifest) }
            // If one of them has its own line, that line may still belong to the other.
            let half = try corpus.write("texts", "one\tx\n\(key)\tup\nen/up.wav\tup\n")
            #expect(throws: CorpusError.self) { try Transcript.read(half, for: manifest) }
            let table = try corpus.write("tags.tsv", "path\tlanguage\n\(key)\ten\n")
            let tags = try #require(throws: CorpusError.self) {
                try UtteranceTags.read("language", of: manifest, from: table)
            }
            #expect(tags.name == "ambiguousKey" && tags.place == "\(table.path):2")
        }
        let whole = try corpus.write("texts", "en/up.wav\tup\nfr/up.wav\thaut\none\tx\nup\tunused\n")
        #expect(try Transcript.read(whole, for: manifest) == ["up", "haut", "x", "x"])
    }

    @Test func namesTheTranscriptWithAWordBoundary() throws {
        let manifest = try Manifest(root: corpus.folder, paths: ["a.wav", "b.wav"], sampleCounts: [1, 2])
        for text in ["one\na|b\n", "b\tone\na\ta|b\n"] {
            let url = try corpus.write("texts", text)
            let error = try #require(throws: CorpusError.self) { try Transcript.read(url, for: manifest) }
            #expect(error.name == "badLine" && error.place == "\(url.path):2" && error.expected.contains("|"))
        }
    }
}

@Suite("Advice about dictionaries", .onTestThreads)
struct LabelAdviceTests {
    private func advice(dictionary: [String], labels: [String]) throws -> String {
        let manifest = try Manifest(
            name: "m.tsv", root: .init(fileURLWithPath: "/"), paths: labels.indices.map { "\($0).wav" },
            sampleCounts: labels.map { _ in 16_000 }, labels: labels)
        let error = try #require(throws: CorpusError.self) {
            try LabelDictionary(counting: dictionary).validate(manifest)
        }
        return "\(error)"
    }

    @Test func saysWhatIsProbablyWrong() throws {
        let letters = ["H E L L O | Y O U |"]
        let words = try advice(dictionary: letters, labels: ["HELLO YOU", "YOU"])
        #expect(words.contains("whole words") && words.contains("read the spelled labels"))
        #expect(words.hasPrefix("m.tsv:2: "))
        #expect(words.contains("\"YOU\", \"HELLO\" (3 of 3"))
        #expect(try advice(dictionary: letters, labels: ["H |", "h e l l o | y o u |"]).contains("lower case and"))
        #expect(try advice(dictionary: ["h e l l o |"], labels: ["H E L |"]).contains("are capitals and"))
        #expect(try advice(dictionary: ["H E L L O"], labels: ["H E L L O |"]).contains("has no word boundary |"))
        #expect(try advice(dictionary: letters, labels: ["H E Ä |"]).contains("clean the transcripts"))
        let none = try advice(dictionary: letters, labels: ["H E L L O", ""])
        #expect(none.contains("no label has the word boundary") && none.contains("spell the transcripts"))
        // Phones have no word boundary on either side.
        try LabelDictionary(counting: ["ah t"]).validate(
            Manifest(root: .init(fileURLWithPath: "/"), paths: ["a"], sampleCounts: [1], labels: ["t ah"]))
    }

    @Test func refusesListsWhoseLabelsAreAllEmpty() throws {
        func manifest(_ labels: [String]) throws -> Manifest {
            try Manifest(
                name: "m.tsv", root: .init(fileURLWithPath: "/"), paths: labels.indices.map { "\($0).wav" },
                sampleCounts: labels.map { _ in 16_000 }, labels: labels)
        }
        let dictionary = LabelDictionary(counting: ["A |"])
        let empty = try manifest(["", " ", ""])
        let expected = CorpusError.emptyLabels(file: "m.tsv", count: 3)
        #expect(throws: expected) { try dictionary.validate(empty) }
        #expect(throws: expected) { try LabelDictionary(counting: empty) }
        #expect("\(expected)".hasPrefix("m.tsv: all 3 label lines are empty"))
        let some = try manifest(["", "A |", ""])
        #expect(some.emptyLabelCount == 2 && empty.emptyLabelCount == 3)
        try dictionary.validate(some)
        #expect(try LabelDictionary(counting: some).count == 6)
    }

    @Test func spellsLikeTheDefinition() {
        for text in ["", " ", "a", " a  b ", "grüß dich", "a\u{00A0}b", "日本 語", "x\u{3000}y\tz", "e\u{301}a"] {
            let words = text.split(whereSeparator: \.isWhitespace)
            let expected = words.map { $0.unicodeScalars.map { String($0) }.joined(separator: " ") + " |" }
            #expect(Transcript.letters(text) == expected.joined(separator: " "), "\(text)")
            var line: [UInt8] = []
            Transcript.appendLine(Array(text.utf8), labels: "wrd", to: &line)
            #expect(String(decoding: line, as: UTF8.self) == Transcript.words(text), "\(text)")
        }
    }
}

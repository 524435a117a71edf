import Foundation
import TestSupport
import Testing
import W2VAudio
import W2VBase

@testable import W2VCorpus

/// Texts are equal if their code points are: K and the Kelvin sign look alike and are canonically equivalent, but
/// differ.
@Suite(.onTestThreads) struct TextIdentityTests {
    let corpus: TestCorpus
    private let kelvin = "\u{212A}"

    init() throws { corpus = try TestCorpus() }

    private func labeled(_ labels: [String]) throws -> Manifest {
        try Manifest(
            name: "m.tsv", root: corpus.folder, paths: labels.indices.map { "\($0).wav" },
            sampleCounts: labels.map { _ in 16_000 }, labels: labels)
    }

    @Test func symbolsAreCountedByCodePoints() throws {
        let lines = ["K \(kelvin) K |", "\u{6A02} \u{F914} \u{E9} e \u{301} |", "\u{301} a |"]
        for dictionary in [LabelDictionary(counting: lines), try LabelDictionary(counting: labeled(lines))] {
            let counts = zip(dictionary.symbols.map { ExactText($0) }, dictionary.counts).dropFirst(4)
            let found = Dictionary(uniqueKeysWithValues: counts.map { ($0, $1) })
            #expect(
                found == [
                    "|": 3, "K": 2, ExactText(kelvin): 1, "\u{6A02}": 1, "\u{F914}": 1, "\u{E9}": 1, "e": 1,
                    "\u{301}": 2,
                    "a": 1,
                ])
            try dictionary.write(to: corpus.file("dict.txt"))
            let read = try LabelDictionary(contentsOf: corpus.file("dict.txt"))
            #expect(read == dictionary)
            #expect(try read.encode("K \(kelvin)") == [read.index(of: "K"), read.index(of: kelvin)])
            #expect(read.index(of: "K") != read.index(of: kelvin))
        }
        #expect(LabelDictionary(counting: ["K"]) != LabelDictionary(counting: [kelvin]))
        let symbols = LabelDictionary.specials + ["K", kelvin]
        #expect(try LabelDictionary(symbols: symbols).count == 6)
        #expect(throws: CorpusError.self) { try LabelDictionary(symbols: symbols + [kelvin]) }
        #expect(throws: CorpusError.self) { try LabelDictionary(counting: ["K"]).encode(kelvin) }
    }

    @Test func labelsGiveBackTheirCodePoints() throws {
        for text in [
            "cafe\u{301} noe\u{308}l", "\u{939}\u{93F}\u{928}\u{94D}\u{926}\u{940}",
            "\u{301}a \u{0E33}\u{0E49} b\u{A0}c",
        ] {
            let line = text.unicodeScalars.map { $0 == " " ? "|" : String($0) }.joined(separator: " ") + " |"
            #expect(Transcript.text(fromLetters: line).hasSameCodePoints(as: text), "\(text)")
            let dictionary = LabelDictionary(counting: [line])
            #expect(dictionary.text(of: try dictionary.encode(line)).hasSameCodePoints(as: text), "\(text)")
        }
        #expect(Transcript.words("a \u{301}b").hasSameCodePoints(as: "a \u{301}b"))
    }

    @Test func namesOfUtterancesAreFoundByCodePoints() throws {
        let manifest = try Manifest(
            root: corpus.folder, paths: ["K.wav", "\(kelvin).wav", "e\u{301}.wav", "\u{E9}.wav"],
            sampleCounts: [1, 2, 3, 4])
        let texts = try corpus.write("texts", "\u{E9}\tfour\n\(kelvin)\ttwo\nK\tone\ne\u{301}\tthree\n")
        #expect(try Transcript.read(texts, for: manifest) == ["one", "two", "three", "four"])
        let tags = try corpus.write("tags.tsv", "path\tx\nK\t1\n\(kelvin)\t2\n\u{E9}\t4\n")
        #expect(try UtteranceTags.read("x", of: manifest, from: tags) == ["1", "2", nil, "4"])
        let phones = try corpus.write(
            "phones", "\(kelvin) 0 0.0001 b\n\nK 0 0.0001 a\ne\u{301} 0 0.0001 c\n\u{E9} 0 0.0001 d\n")
        let alignment = try PhoneAlignment(contentsOf: phones, manifest: manifest)
        #expect((0..<4).map { alignment[$0].map { alignment.symbols[$0.phone] } } == [["a"], ["b"], ["c"], ["d"]])
    }

    @Test func foldersAreToldApartByCodePoints() throws {
        let lists = try ["K", kelvin, "\u{301}a"].map { name in
            try AudioFile.write(
                TestCorpus.signal(0, count: 800),
                to: URL(fileURLWithPath: try corpus.write("\(name)/\u{308}x.wav", "").path))
            return (try ManifestBuilder().build(corpus.file(name)).train, 1.0)
        }
        let joined = try Manifest.joined(lists)
        try joined.write(to: corpus.file("all.tsv"))
        let read = try Manifest.read(corpus.file("all.tsv"))
        #expect(read.sources[0].root.path == corpus.folder.path)
        try read.validate()
        let found = Set((0..<3).map { ExactText(read.path($0)) })
        #expect(found == Set(["K", kelvin, "\u{301}a"].map { ExactText($0 + "/\u{308}x.wav") }))
    }

    @Test func namesInKaldiFoldersAreFoundByCodePoints() throws {
        for name in ["a", "b"] { try AudioFile.write(TestCorpus.signal(0, count: 800), to: corpus.file(name + ".wav")) }
        try corpus.write("kaldi/wav.scp", "K ../a.wav\n\(kelvin) ../b.wav\n")
        try corpus.write("kaldi/text", "\(kelvin) two\nK one\n")
        try corpus.write("kaldi/utt2spk", "\(kelvin) e\u{301}\nK \u{E9}\n")
        try corpus.write("kaldi/spk2age", "\u{E9} 30\ne\u{301} 40\n")
        let manifest = try Manifest.read(corpus.file("kaldi"), labels: "wrd")
        #expect((0..<2).map { manifest[$0].labels } == ["one", "two"])
        #expect(try UtteranceTags.read("age", of: manifest) == ["30", "40"])
    }

    @Test func messagesShowWhatAScreenDoesNot() throws {
        let dictionary = LabelDictionary(counting: ["A B \u{E9} |"])
        func message(_ labels: String) throws -> String {
            let manifest = try labeled([labels])
            return "\(try #require(throws: CorpusError.self) { try dictionary.validate(manifest) })"
        }
        let invisible = try message("A \u{AD} B \u{200B} \u{FEFF} |")
        for point in ["U+00AD", "U+200B", "U+FEFF"] { #expect(invisible.contains(point), "\(invisible)") }
        #expect(!invisible.unicodeScalars.contains { $0.isInvisible })
        let decomposed = try message("A e \u{301} |")
        #expect(decomposed.contains("U+0301") && decomposed.contains("the text is decomposed"), "\(decomposed)")
        let many = try message(
            (0x4E00..<0x4E14).compactMap { Unicode.Scalar($0).map(String.init) }.joined(separator: " "))
        #expect(many.contains("and 8 others (20 of 20"), "\(many)")
        let composed = LabelDictionary(counting: ["e \u{301} |"])
        let error = try #require(throws: CorpusError.self) { try composed.validate(labeled(["\u{E9} |"])) }
        #expect("\(error)".contains("the text is composed"), "\(error)")
    }

    @Test func brokenLinesAreQuotedInPart() throws {
        let long = String(repeating: "x", count: 600_000)
        for (name, text) in [
            ("a.tsv", "/audio\n\(long)\n"), ("b.tsv", "\(long)\t5\n"), ("c.jsonl", "{\"a\": \"\(long)\"}\n"),
        ] {
            let url = try corpus.write(name, text)
            let error = try #require(throws: CorpusError.self) { try Manifest.read(url) }
            #expect("\(error)".utf8.count < 3000)
        }
        let manifest = try Manifest.read(corpus.write("d.tsv", "/audio\n\(long)\t5\n"))
        #expect("\(try #require(throws: CorpusError.self) { try manifest.validate() })".utf8.count < 3000)
        let error = try #require(throws: CorpusError.self) {
            try LabelDictionary(contentsOf: corpus.write("dict", "\(long)\n"))
        }
        #expect("\(error)".utf8.count < 3000)
    }

    @Test func otherEncodingsAreNamed() throws {
        let file = corpus.file("utf16.tsv")
        try #require("/audio\na.wav\t5\n".data(using: .utf16)).write(to: file)
        #expect("\(try #require(throws: CorpusError.self) { try Manifest.read(file) })".contains("iconv -f UTF-16"))
    }
}

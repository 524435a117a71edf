import Foundation
import TestSupport
import Testing

@testable import W2VCorpus

@Suite("Phone alignments", .onTestThreads)
struct PhoneAlignmentTests {
    let corpus: TestCorpus
    let manifest: Manifest

    init() throws {
        corpus = try TestCorpus()
        // 100 and 50 frames of 10 ms.
        manifest = try Manifest(
            name: "m.tsv", root: corpus.folder, paths: ["x/a.flac", "b.flac"], sampleCounts: [16_000, 8000])
    }

    private func frames(_ parts: (String, Int)...) -> String {
        parts.flatMap { Array(repeating: $0.0, count: $0.1) }.joined(separator: " ")
    }

    private func read(_ text: String, hop: Int? = nil) throws -> PhoneAlignment {
        try PhoneAlignment(contentsOf: corpus.write("train.ph", text), manifest: manifest, hop: hop)
    }

    @Test func readsAPhoneAFrame() throws {
        let first = frames(("sil", 20), ("ah", 50), ("sil", 28))
        let second = frames(("bb", 10), ("ah", 40))
        for text in ["\(first)\n\(second)\n", "b \(second)\na \(first)\n", "x/a.flac \(first)\nb.flac \(second)\n"] {
            let alignment = try read(text)
            let symbol = { (index: Int) in alignment.symbols[index] }
            #expect(Set(alignment.symbols) == ["sil", "ah", "bb"] && alignment.count == 2)
            #expect(alignment[0].map(\.samples) == [0..<3200, 3200..<11_200, 11_200..<15_680])
            #expect(alignment[1].map { symbol($0.phone) } == ["bb", "ah"])
            // The model's frames are 20 ms: 49 of them in a second; the middle of frame 9 is sample 3080.
            let phones = alignment.phones(0, frames: 49)
            #expect(phones[9].map(symbol) == "sil" && phones[10].map(symbol) == "ah" && phones[48] != nil)
            #expect(alignment.phones(0, frames: 60)[59] == nil)
        }
        // With 20 ms per frame.
        let coarse = try read("\(frames(("aa", 49)))\n\(frames(("aa", 10), ("bb", 14)))\n")
        #expect(coarse[1].map(\.samples) == [0..<3200, 3200..<7680])
    }

    @Test func readsTimes() throws {
        for text in [
            "a 0.1 0.3 ah\na 0.3 0.5 t\nb 0 0.5 ah\n", "a 1 0.1 0.2 ah\na 1 0.3 0.2 t\nb A 0 0.5 ah\n",
        ] {
            let alignment = try read(text)
            #expect(alignment.symbols == ["ah", "t"])
            #expect(alignment[0].map(\.samples) == [1600..<4800, 4800..<8000])
            let phones = alignment.phones(0, frames: 49)
            #expect(phones[0] == nil && phones[5] == 0 && phones[20] == 1 && phones[30] == nil)
        }
    }

    @Test func namesWhatIsWrong() throws {
        let good = frames(("aa", 50))
        for (text, place, word) in [
            ("\(frames(("aa", 80)))\n\(good)\n", ":1: ", "100 phones (one every 10 ms) or 50 phones"),
            ("\(frames(("aa", 100)))\n\(frames(("aa", 40)))\n", ":2: ", "50 phones"),
            ("a \(good)\n", ": has no line for b.flac", "m.tsv:3"), ("\(good)\n", ": has 1 lines", "2 utterances"),
            ("a 0 0.5 x\nb 0 0.9 x\n", ":2: ", "inside the recording"),
            ("a 0 0.5 x\na 0.4 0.6 y\nb 0 0.5 x\n", ":2: ", "where the one before ends"),
            ("a 0.5 0.4 x\nb 0 0.5 x\n", ":1: ", "ends after it begins"),
            ("a 0 0.5 x\nc 0 0.5 x\n", ":2: ", "the name of an utterance"),
            ("a \(frames(("aa", 100)))\na \(good)\n", ":2: ", "no other line"),
        ] {
            let error = try #require(throws: CorpusError.self) { try read(text) }
            #expect("\(error)".hasPrefix(corpus.file("train.ph").path + place) && "\(error)".contains(word), "\(error)")
        }
        #expect(throws: CorpusError.self) { try read("\(frames(("aa", 100)))\n\(good)\n", hop: 320) }
    }
}

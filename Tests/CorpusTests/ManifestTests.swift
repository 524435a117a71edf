import Foundation
import TestSupport
import Testing
import W2VAudio

@testable import W2VCorpus

@Suite("Manifests", .onTestThreads)
struct ManifestTests {
    let corpus: TestCorpus

    init() throws { corpus = try TestCorpus() }

    @Test func readsFairseq() throws {
        let url = try corpus.write("train.tsv", "/audio\na/b.flac\t32000\n/other/c.wav\t400\r\nd é.opus\t0")
        try corpus.write("train.ltr", "A B |\nC |\n\n")
        try corpus.write("train.phn", "a\nb\nc")
        let manifest = try Manifest.read(url, labels: "ltr")
        #expect(manifest.count == 3 && manifest.sources[0].format == .fairseq && manifest.totalSamples == 32_400)
        #expect(
            manifest[0]
                == Utterance(
                    identifier: "a/b.flac", audio: URL(fileURLWithPath: "/audio/a/b.flac"), sampleCount: 32_000,
                    offset: nil, labels: "A B |", speaker: nil, line: 2))
        #expect(manifest[1].audio.path == "/other/c.wav")
        #expect(manifest[2].audio.path == "/audio/d é.opus" && manifest[2].labels == "")
        #expect(try Manifest.read(url, labels: "phn")[2].labels == "c")
        #expect(try Manifest.read(url)[0].labels == nil)
    }

    @Test func relativeRootsStartFromTheManifest() throws {
        let url = try corpus.write("lists/train.tsv", "../audio\na.flac\t1\n")
        #expect(try Manifest.read(url)[0].audio.standardizedFileURL.path == corpus.file("audio/a.flac").path)
    }

    @Test func readsJSONLines() throws {
        let url = try corpus.write(
            "train.json",
            """
            {"audio_filepath": "a.wav", "duration": 2, "text": "hi  there"}
            {"audio_filepath": "/b.wav", "duration": 1.5, "text": "yes", "offset": 0.25, "speaker": "x", "phn": "y e s"}

            """)
        let manifest = try Manifest.read(url, labels: "ltr")
        #expect(manifest.sampleCounts == [32_000, 24_000] && manifest.sources[0].format == .jsonLines)
        #expect(manifest[0].labels == "h i | t h e r e |" && manifest[0].offset == nil && manifest[0].line == 1)
        #expect(manifest[0].audio.path == corpus.file("a.wav").path)
        #expect(manifest[1].audio.path == "/b.wav" && manifest[1].offset == 4000 && manifest[1].line == 2)
        #expect(try Manifest.read(url, labels: "wrd")[1].labels == "yes")
        let error = try #require(throws: CorpusError.self) { try Manifest.read(url, labels: "phn") }
        #expect(error.place == "\(url.path):1" && error.expected.contains("phn"))
    }

    @Test(arguments: [
        (#"{"audio_filepath": "a.wav"}"#, "duration"), (#"{"duration": 1}"#, "audio_filepath"),
        (#"{"audio_filepath": "a.wav", "duration": -1}"#, "duration"),
        (#"{"audio_filepath": "a.wav", "duration": 1, "offset": "x"}"#, "offset"), ("{", "JSON"),
        ("[1]", "JSON"),
    ])
    func namesBadJSONLines(line: String, word: String) throws {
        let good = #"{"audio_filepath": "a.wav", "duration": 1}"#
        let url = try corpus.write("bad.json", [good, line, good].joined(separator: "\n"))
        let error = try #require(throws: CorpusError.self) { try Manifest.read(url) }
        #expect(error.place == "\(url.path):2" && "\(error)".contains(word))
    }

    @Test(arguments: [
        "b.wav", "b.wav\t", "b.wav\t12x", "b.wav\t-5", "b.wav\t1.5", "\t5", "", "b.wav\t5\t6", "b.wav 5",
        "b.wav\t99999999999999999999",
    ])
    func namesBadLines(line: String) throws {
        let url = try corpus.write("bad.tsv", "/audio\na.wav\t1\n\(line)\nc.wav\t2\n")
        let error = try #require(throws: CorpusError.self) { try Manifest.read(url) }
        #expect(error.name == "badLine" && error.place == "\(url.path):3")
    }

    /// Files with a JSON extension are read as such, so that errors are about JSON.
    @Test func filesNamedJSONAreNoFairseqLists() throws {
        let blank = try corpus.write("blank.jsonl", "\n \n")
        #expect(throws: CorpusError.emptyManifest(file: blank.path)) { try Manifest.read(blank) }
        let commented = try corpus.write(
            "commented.jsonl", "# a list\n{\"audio_filepath\": \"a.wav\", \"duration\": 1}\n")
        let error = try #require(throws: CorpusError.self) { try Manifest.read(commented) }
        #expect(error.name == "badLine" && error.place == "\(commented.path):1", "\(error)")
    }

    @Test func namesWhatIsMissing() throws {
        let url = try corpus.write("noroot.tsv", "a.wav\t100\nb.wav\t100\n")
        #expect(throws: CorpusError.missingRoot(file: url.path)) { try Manifest.read(url) }
        for text in ["", "/audio\n", "\n"] {
            let empty = try corpus.write("empty.tsv", text)
            #expect(throws: CorpusError.emptyManifest(file: empty.path)) { try Manifest.read(empty) }
        }
        let gone = corpus.file("gone.tsv")
        #expect(throws: CorpusError.notFound(file: gone.path)) { try Manifest.read(gone) }
        #expect(
            throws: CorpusError.missingLabels(
                file: corpus.file("noroot.ltr").path, manifest: corpus.file("noroot.tsv").path)
        ) {
            try Manifest.read(try corpus.write("noroot.tsv", "/\na.wav\t1\n"), labels: "ltr")
        }
    }

    @Test func countsLabels() throws {
        let url = try corpus.write("train.tsv", "/audio\na.wav\t1\nb.wav\t2\n")
        for text in ["A |\n", "A |\nB |\nC |\n"] {
            let labels = try corpus.write("train.ltr", text)
            let found = text.split(separator: "\n").count
            #expect(
                throws: CorpusError.labelCount(labels: labels.path, found: found, manifest: url.path, expected: 2)
            ) { try Manifest.read(url, labels: "ltr") }
        }
    }

    @Test func listsMissingAudio() throws {
        try corpus.write("here.wav", "x")
        let url = try corpus.write("train.tsv", corpus.folder.path + "\nhere.wav\t1\ngone.wav\t2\nlost.wav\t3\n")
        let manifest = try Manifest.read(url)
        #expect(manifest.missingAudio() == [1, 2])
        let error = try #require(throws: CorpusError.self) { try manifest.validate() }
        guard case .missingAudio(url.path, 2, 3, let examples) = error else { throw error }
        #expect(examples.contains { $0.contains("gone.wav (line 3)") })
        try manifest.subset([0], name: "here").validate()
    }

    @Test func writesWhatItReads() throws {
        let text = "/audio\na.wav\t100\nb/c.flac\t200\n"
        let manifest = try Manifest.read(try corpus.write("a.tsv", text))
        try manifest.write(to: corpus.file("b.tsv"))
        #expect(try String(contentsOf: corpus.file("b.tsv"), encoding: .utf8) == text)
        let bad = try Manifest(root: corpus.folder, paths: ["a\tb"], sampleCounts: [1])
        #expect(throws: CorpusError.self) { try bad.write(to: corpus.file("c.tsv")) }
        #expect(throws: CorpusError.self) { try Manifest(root: corpus.folder, paths: ["a"], sampleCounts: []) }
    }
}

@Suite("Making manifests", .onTestThreads)
struct ManifestBuilderTests {
    let corpus: TestCorpus

    init() throws { corpus = try TestCorpus() }

    /// This is bad input, not a disk that cannot be written.
    @Test func namesWithTabsNeedJSONLines() throws {
        let corpus = try TestCorpus()
        try AudioFile.write([Float](repeating: 0.1, count: 1600), to: corpus.file("a\tb.wav"))
        let url = try corpus.write("m.jsonl", "{\"audio_filepath\": \"a\\tb.wav\", \"duration\": 0.1}\n")
        let manifest = try Manifest.read(url)
        let error = #expect(throws: CorpusError.self) { try manifest.write(to: corpus.file("m.tsv")) }
        guard case .notForTabs = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test func listsFoldersInOrderAndNamesWhatIsUnreadable() throws {
        for (index, path) in ["b/two.wav", "a.flac", "b/one.WAV", "b/c/deep.flac"].enumerated() {
            let url = corpus.file(path)
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try AudioFile.write(
                TestCorpus.signal(index, count: 8000 + index), sampleRate: index == 0 ? 8000 : 16_000, to: url,
                format: path.hasSuffix("flac") ? .flac : .wav16)
        }
        try corpus.write("b/broken.wav", "no audio")
        try corpus.write("empty.flac", "")
        try corpus.write("b/.hidden.wav", "x")
        try corpus.write("notes.txt", "x")
        let report = try ManifestBuilder(decodes: true).build(corpus.folder)
        #expect(
            (0..<report.train.count).map(report.train.path) == ["a.flac", "b/c/deep.flac", "b/one.WAV", "b/two.wav"])
        #expect(report.train.sampleCounts == [8001, 8003, 8002, 16_000])
        #expect(report.unreadable.map(\.path) == ["b/broken.wav", "empty.flac"])
        #expect(report.unreadable.allSatisfy { $0.reason.contains($0.path) })
        #expect(report.valid == nil)
        #expect(try ManifestBuilder().build(corpus.folder).train.sampleCounts == report.train.sampleCounts)
        try report.train.validate()
    }

    @Test func linkedFoldersAreFollowedOnce() throws {
        for (index, path) in ["f/b/one.wav", "outside/two.wav", "outside/deep/three.wav"].enumerated() {
            let url = corpus.file(path)
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try AudioFile.write(TestCorpus.signal(index, count: 800 + index), to: url)
        }
        // To a folder outside (twice), to one inside, back to the top, in a circle, and to nothing.
        for (link, target) in [
            ("f/z", "outside"), ("f/y", "outside"), ("f/a", "f/b"), ("f/b/up", "f"), ("outside/deep/back", "outside"),
            ("f/gone", "nowhere"),
        ] {
            try FileManager.default.createSymbolicLink(at: corpus.file(link), withDestinationURL: corpus.file(target))
        }
        let expected = ["b/one.wav", "y/deep/three.wav", "y/two.wav"]
        #expect(try AudioFolder.list(corpus.file("f"), extensions: ["wav"]) == expected)
        let report = try ManifestBuilder().build(corpus.file("f"))
        #expect(report.train.sampleCounts == [800, 802, 801] && report.unreadable.isEmpty)
    }

    @Test func splitsBySeed() throws {
        for index in 0..<40 {
            try AudioFile.write(TestCorpus.signal(index, count: 500 + index), to: corpus.file("\(index).wav"))
        }
        let names = { (manifest: Manifest) in (0..<manifest.count).map(manifest.path) }
        let report = try ManifestBuilder(validShare: 0.25, seed: 1).build(corpus.folder)
        let valid = names(try #require(report.valid))
        #expect(valid.count == 10 && report.train.count == 30)
        #expect(Set(valid).isDisjoint(with: names(report.train)))
        #expect(try names(#require(ManifestBuilder(validShare: 0.25, seed: 1).build(corpus.folder).valid)) == valid)
        #expect(try names(#require(ManifestBuilder(validShare: 0.25, seed: 2).build(corpus.folder).valid)) != valid)
    }

    @Test func refusesFoldersWithoutAudio() throws {
        #expect(throws: CorpusError.noAudio(folder: corpus.folder.path, extensions: ["flac"])) {
            try ManifestBuilder(extensions: ["flac"]).build(corpus.folder)
        }
        try corpus.write("a.wav", "no audio")
        let error = try #require(throws: CorpusError.self) { try ManifestBuilder().build(corpus.folder) }
        guard case .allUnreadable(_, 1, _) = error else { throw error }
        #expect(throws: CorpusError.self) { try ManifestBuilder(validShare: 1).build(corpus.folder) }
        #expect(throws: CorpusError.self) { try ManifestBuilder().build(corpus.file("gone")) }
    }
}

import Foundation
import TestSupport
import Testing
import W2VAudio
import W2VBase

@testable import W2VCorpus

@Suite(.onTestThreads) struct TranscriptTableTests {
    let corpus: TestCorpus

    init() throws { corpus = try TestCorpus() }

    private func audio(_ name: String, count: Int = 1600) throws {
        let file = corpus.file(name)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try AudioFile.write(TestCorpus.signal(1, count: count), to: file)
    }

    private func report(_ name: String, _ text: String, _ columns: TranscriptTable.Columns? = nil) throws
        -> TranscriptTable.Report
    {
        try #require(try TranscriptTable(corpus.write(name, text), columns: columns)).build(keepsTags: true)
    }

    /// Common Voice names clips without their folder; sentences may have quotation marks of their own.
    @Test func commonVoice() throws {
        try audio("clips/a.wav", count: 3200)
        try audio("clips/b.wav")
        let text = """
            client_id\tpath\tsentence\tup_votes
            x\ta.wav\t"Hello," she said.\t2
            y\tb.wav\t\"""Quoted"" text"\t
            z\tgone.wav\tNobody.\t1

            """
        let report = try report("train.tsv", text)
        #expect((0..<2).map(report.manifest.path) == ["clips/a.wav", "clips/b.wav"])
        #expect(report.manifest.sampleCounts == [3200, 1600])
        #expect(report.texts == ["\"Hello,\" she said.", "\"Quoted\" text"])
        #expect(report.unreadable.map(\.path) == ["gone.wav"] && report.unreadable[0].reason.contains("train.tsv:4"))
        #expect(report.manifest.tagNames == ["client_id", "up_votes"])
        let form = TextForm(letterCase: .lower, stripsPunctuation: true)
        let labeled = try report.labeled("ltr", form: form)
        #expect(labeled[1].labels == "q u o t e d | t e x t |")
        // A list of training has to be complete.
        #expect(throws: CorpusError.self) { try Manifest.read(corpus.file("train.tsv")) }
    }

    /// RFC 4180: separators, line breaks and doubled quotation marks in quoted fields.
    @Test func huggingFaceAndSpeechBrain() throws {
        try audio("data/one.wav")
        try audio("two.wav")
        let csv = "file_name,transcription\r\ndata/one.wav,\"a, \"\"b\"\"\nc\"\r\ntwo.wav,plain\r\n"
        let hugging = try report("metadata.csv", csv)
        #expect(hugging.texts == ["a, \"b\"\nc", "plain"])
        #expect(hugging.manifest.place(of: 1).line == 4)
        let read = try Manifest.read(corpus.file("metadata.csv"), labels: "wrd")
        #expect((0..<2).map { read[$0].labels } == ["a, \"b\" c", "plain"])
        #expect(try Manifest.hasLabels(corpus.file("metadata.csv"), labels: "ltr"))
        let brain = "ID,duration,wav,spk_id,wrd\n1,0.1,$data_root/data/one.wav,s1,A B\n2,0.1,two.wav,s2,C\n"
        let speech = try report("train.csv", brain)
        #expect(speech.texts == ["A B", "C"] && speech.manifest.path(0) == "data/one.wav")
        #expect(try UtteranceTags.read("spk_id", of: speech.manifest) == ["s1", "s2"])
    }

    /// LJSpeech has no names of columns, no extensions, and its numbers are written out in the last column.
    @Test func ljSpeech() throws {
        try audio("wavs/LJ001-0001.wav")
        try audio("wavs/LJ001-0002.wav")
        let text = "LJ001-0001|In 1455, \"printing\"|In fourteen fifty-five, \"printing\"\nLJ001-0002|one|one\n"
        let report = try report("metadata.csv", text)
        #expect(report.texts == ["In fourteen fifty-five, \"printing\"", "one"])
        #expect(report.manifest.path(0) == "wavs/LJ001-0001.wav")
        // Without such a recording it is no table.
        #expect(try TranscriptTable(corpus.write("other.txt", "a|b\nc|d\n")) == nil)
    }

    @Test func columnsAreNamedOrNumbered() throws {
        try audio("a.wav")
        let named = try report("x.csv", "who;what;where\ns;said;a.wav\n", .init(path: "where", text: "what"))
        #expect(named.texts == ["said"])
        let numbered = try report("y.tsv", "said\ta.wav\n", .init(path: "2", text: "1"))
        #expect(numbered.texts == ["said"])
        let pathsOnly = try report("z.csv", "where,what\na.wav,said\n", .init(path: "where"))
        #expect(pathsOnly.texts.isEmpty && pathsOnly.manifest.count == 1)
        let error = try #require(throws: CorpusError.self) {
            try TranscriptTable(corpus.write("x.csv", "a,b\n1,2\n"), columns: .init(path: "path", text: "sentence"))
        }
        #expect(error.expected.contains("the columns path and sentence"))
    }

    @Test func badTablesAreNamed() throws {
        try audio("a.wav")
        func refusal(_ text: String) throws -> CorpusError {
            try #require(throws: CorpusError.self, "\(text)") { _ = try report("t.csv", text) }
        }
        #expect(try refusal("path,text\na.wav,one,two\n").place?.hasSuffix("t.csv:2") == true)
        #expect(try refusal("path,text\na.wav,\"open\n").expected.contains("closed again"))
        #expect(try refusal("path,text\na.wav,\"a\"b\n").expected.contains("a separator behind"))
        #expect(try refusal("path,text\n,b\n").expected.contains("path of a recording"))
        #expect(try refusal("path,start,end,text\na.wav,0,1,b\n").expected.contains("whole recordings"))
        #expect(try refusal("path,text\nnone.wav,b\n").name == "noTableAudio")
        #expect(try refusal("path,text\n").name == "emptyManifest")
        let bar = try report("bar.csv", "path,text\na.wav,a|b\n")
        #expect(throws: CorpusError.self) { try bar.labeled("ltr") }
        #expect(try bar.labeled("ltr", form: TextForm(stripsPunctuation: true))[0].labels == "a | b |")
    }

    /// A root line with separators is no table.
    @Test func fairseqsManifestsStayManifests() throws {
        try audio("a,path/u.wav")
        let url = try corpus.write("train.tsv", corpus.file("a,path").path + "\nu.wav\t1600\n")
        #expect(try Manifest.read(url).path(0) == "u.wav")
    }

    @Test func transcriptsOfAManifestComeFromTables() throws {
        let list = try Manifest(root: corpus.folder, paths: ["clips/b.mp3", "clips/a.mp3"], sampleCounts: [1, 1])
        let table = try corpus.write("cv.tsv", "client_id\tpath\tsentence\n1\ta.mp3\tFirst.\n2\tb.mp3\tSecond.\n")
        #expect(try Transcript.read(table, for: list) == ["Second.", "First."])
        let other = try corpus.write("x.csv", "file;said\na;x, y\nb;z\n")
        #expect(try Transcript.read([other], for: list, columns: .init(path: "file", text: "said")) == ["z", "x, y"])
    }

    @Test func doubtfulSymbolsAreFound() {
        let doubts = LabelDoubts(texts: ["The cat, 3 don't", "the e\u{301}"])
        #expect(doubts.inBothCases == ["T"] && doubts.punctuation == [","] && doubts.digits == ["3"])
        #expect(doubts.accents == ["\u{301}"] && doubts.sentences.count == 4)
        #expect(LabelDoubts(symbols: ["A", "B", "|", "'"]).sentences.isEmpty)
        // Symbols of several letters, as of phonemes, are what they are.
        #expect(LabelDoubts(symbols: ["AA0", "aa0", "t\u{361}s"]).sentences.isEmpty)
    }
}

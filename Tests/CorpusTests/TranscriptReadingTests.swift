import Foundation
import TestSupport
import Testing
import W2VAudio

@testable import W2VCorpus

@Suite(.onTestThreads) struct TranscriptReadingTests {
    let corpus: TestCorpus

    init() throws { corpus = try TestCorpus() }

    private func manifest(_ paths: [String]) throws -> Manifest {
        try Manifest(root: corpus.folder, paths: paths, sampleCounts: paths.map { _ in 16_000 })
    }

    private func refusal(_ text: String, _ manifest: Manifest) throws -> CorpusError {
        let url = try corpus.write("texts", text)
        return try #require(throws: CorpusError.self, "\(text)") { try Transcript.read(url, for: manifest) }
    }

    private var texts: String { corpus.file("texts").path }

    private let librispeech = ["26/1001/26-1001-0000.flac", "26/1001/26-1001-0001.flac", "26/1001/26-1001-0002.flac"]

    /// LibriSpeech's trans.txt and Kaldi's text have a space after the key.
    @Test(arguments: [" ", "  ", "\t", " \t"])
    func keysEndAtWhiteSpace(separator: String) throws {
        let list = try manifest(librispeech)
        let lines = [
            "26-1001-0002\(separator)THREE WORDS HERE", "26-1001-0000\(separator)ONE", "26-1001-0001\(separator)TWO",
        ]
        let text = lines.joined(separator: "\n") + "\n"
        let read = try Transcript.read(corpus.write("texts", text), for: list)
        #expect(read == ["ONE", "TWO", "THREE WORDS HERE"])
        // Other utterances' lines and blank ones are ignored, whatever their number.
        let more = (0..<20).map { "99-1-\($0)\(separator)OTHER\n\n" }.joined()
        #expect(try Transcript.read(corpus.write("texts", more + text), for: list) == read)
        let lacking = try refusal(lines.dropLast().joined(separator: "\n"), list)
        #expect(lacking.expected == "a transcript for 26/1001/26-1001-0001.flac somewhere", "\(lacking)")
    }

    @Test func keysMayBePathsAndHaveSpaces() throws {
        let list = try manifest(["clips/my first.wav", "clips/my.wav", "clips/second.wav"])
        let paths = "clips/my first.wav one two\nclips/my.wav three\nclips/second.wav four\n"
        #expect(try Transcript.read(corpus.write("a", paths), for: list) == ["one two", "three", "four"])
        let stems = "my three\nsecond four\nmy first one two\n"
        #expect(try Transcript.read(corpus.write("b", stems), for: list) == ["one two", "three", "four"])
        let tabs = "my\tfirst word\nmy first\tone\nsecond\tfour\n"
        #expect(try Transcript.read(corpus.write("c", tabs), for: list) == ["one", "first word", "four"])
    }

    @Test(arguments: [
        "5-1-0 A\n5-1-1 B\n5-1-2 C\n", "spk_a A B\nspk_b B\nspk_c C\n", "x/a.wav A\nx/b.wav B\nx/c.wav C\n",
    ])
    func keysOfOtherListsAreRefused(text: String) throws {
        let error = try refusal(text, manifest(librispeech))
        #expect(error.name == "unknownKeys" && error.place == "\(texts):1", "\(error)")
        #expect(error.value("example", String.self) == librispeech[0])
        // A wrong count does not hide it.
        #expect(try refusal(text + text.replacing("5-", with: "6-"), manifest(librispeech)).name == "unknownKeys")
    }

    /// sclite's trn, tables with commas or bars, names composed differently: taken for transcripts, the labels would have
    /// the names among their words.
    @Test(arguments: [
        ("A B (26-1001-0000)\nC (26-1001-0001)\nD (26-1001-0002)\n", 1, "in parentheses at the end"),
        ("\"26-1001-0000\",\"A, B\"\n\"26-1001-0001\",\"C\"\n\"26-1001-0002\",\"D\"\n", 1, "\",\" stands"),
        ("name,said\n26-1001-0000,A B\n26-1001-0001,C\n26-1001-0002,D\n", 2, "\",\" stands behind the key"),
        ("26-1001-0000|A B|A B\n26-1001-0001|C|C\n26-1001-0002|D|D\n", 1, "\"|\" stands behind the key"),
    ])
    func keysElsewhereAreRefused(text: String, line: Int, problem: String) throws {
        let error = try refusal(text, manifest(librispeech))
        #expect(error.place == "\(texts):\(line)" && error.expected.contains(problem), "\(error)")
    }

    @Test func keysAreComparedByCodePoints() throws {
        let list = try manifest(["caf\u{E9}.wav", "th\u{E9}.wav", "b1.wav"])
        let error = try refusal("cafe\u{301} A\nthe\u{301} B\nb1 C\n", list)
        #expect(error.place == "\(texts):1" && error.expected.contains("NFC"), "\(error)")
    }

    /// UTF-16 without a byte-order mark is also valid UTF-8, except for its zero bytes.
    @Test func zeroBytesAreNoText() throws {
        let error = try refusal(
            String(decoding: "a b\nc\nd\n".utf8.flatMap { [$0, 0] }, as: UTF8.self), manifest(librispeech))
        #expect(error.name == "notUTF8" && error.place == "\(texts):1", "\(error)")
    }

    @Test func keysAloneAreNoTranscripts() throws {
        let error = try refusal("26-1001-0000\n26-1001-0001\n26-1001-0002\n", manifest(librispeech))
        #expect(error.place == "\(texts):1" && error.expected == "a transcript after the key", "\(error)")
    }

    @Test func plainLinesStayPlain() throws {
        let list = try manifest(librispeech)
        for text in [
            "3 apples\nthe B2B market\nF-16 pilots\n", "one\n\nthree\n", "1 2 3\n4 5 6\n7 8 9\n", "a\nb\nc\n\n",
        ] {
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false).prefix(3).map(String.init)
            #expect(try Transcript.read(corpus.write("texts", text), for: list) == lines)
        }
    }

    /// Recordings of commands are named by the spoken words.
    @Test func namesThatAreWordsAreNotGuessedAt() throws {
        let list = try manifest(["yes.wav", "no.wav"])
        #expect(try Transcript.read(corpus.write("texts", "yes\nno\n"), for: list) == ["yes", "no"])
        let error = try refusal("yes sir\nno sir\n", list)
        #expect(error == .ambiguousKeys(file: texts, line: 1, found: "yes sir"))
        #expect(try Transcript.read(corpus.write("texts", "yes\tyes sir\nno\tno\n"), for: list) == ["yes sir", "no"])
    }

    @Test func numbersAreNamesWhereEachComesOnce() throws {
        let list = try manifest(["0.wav", "1.wav", "2.wav"])
        let keyed = try Transcript.read(corpus.write("texts", "2 four\n0 one two\n1 three\n"), for: list)
        #expect(keyed == ["one two", "three", "four"])
        #expect(try refusal("2 apples\n2 pears\n1 fig\n", list).name == "ambiguousKeys")
    }

    @Test func severalFilesAreReadTogether() throws {
        let list = try manifest(librispeech)
        let files = [
            try corpus.write("a.trans.txt", "26-1001-0000 ONE\n26-1001-0002 THREE\n"),
            try corpus.write("b.trans.txt", "26-1001-0001 TWO\n"),
        ]
        #expect(try Transcript.read(files, for: list) == ["ONE", "TWO", "THREE"])
        let twice = try corpus.write("c.trans.txt", "26-1001-0001 AGAIN\n")
        let error = try #require(throws: CorpusError.self) { try Transcript.read(files + [twice], for: list) }
        #expect(error.place == "\(twice.path):1" && error.expected == "a key that no other line has")
    }

    @Test func transcriptsOfFoldersAreFound() throws {
        for path in librispeech + ["alone/x.flac"] {
            let file = try corpus.write("c/" + path, "")
            try AudioFile.write(TestCorpus.signal(0, count: 800), to: file, format: .flac)
        }
        try corpus.write("c/26/1001/26-1001.trans.txt", "26-1001-0000 ONE\n26-1001-0002 THREE\n26-1001-0001 TWO\n")
        let folder = corpus.file("c")
        let missing = try #require(throws: CorpusError.self) { try Manifest.read(folder, labels: "wrd") }
        #expect("\(missing)".contains("1 of 4 recordings have no transcript"), "\(missing)")
        try corpus.write("c/alone/x.txt", "ALONE\n")
        let list = try Manifest.read(folder, labels: "wrd")
        #expect((0..<4).map { list[$0].labels } == ["ONE", "TWO", "THREE", "ALONE"])
        #expect(list.labelPlace(of: 2).line == 2 && list.labelPlace(of: 2).file.hasSuffix("26-1001.trans.txt"))
        #expect(try list.transcriptsBeside() == ["ONE", "TWO", "THREE", "ALONE"])
        #expect(try Manifest.hasLabels(folder, labels: "ltr"))
        // The recording's own file takes precedence over the folder's list.
        try corpus.write("c/26/1001/26-1001-0000.txt", "OWN\n")
        #expect(try Manifest.read(folder, labels: "ltr")[0].labels == "O W N |")
    }
}

/// JSON lines as NeMo's tools and others' scripts write them.
@Suite(.onTestThreads) struct JSONLinesTests {
    let corpus: TestCorpus

    init() throws {
        corpus = try TestCorpus()
        for (name, count) in [("a.wav", 8000), ("b.wav", 24_000)] {
            try AudioFile.write(TestCorpus.signal(0, count: count), to: corpus.file(name))
        }
    }

    private func refusal(_ text: String, labels: String? = nil) throws -> CorpusError {
        let url = try corpus.write("bad.jsonl", text)
        return try #require(throws: CorpusError.self, "\(text)") { try Manifest.read(url, labels: labels) }
    }

    private var bad: String { corpus.file("bad.jsonl").path }

    @Test(arguments: ["", " ", "\t", "\r"])
    func blankLinesSayNothing(blank: String) throws {
        let first = #"{"audio_filepath": "a.wav", "duration": 0.5, "text": "one", "x": "1"}"#
        let second = #"{"audio_filepath": "b.wav", "duration": 1.5, "text": "two", "x": "2"}"#
        let url = try corpus.write("a.jsonl", [blank, first, blank, second, blank, ""].joined(separator: "\n"))
        let list = try Manifest.read(url, labels: "wrd")
        #expect(list.count == 2 && (0..<2).map { list[$0].labels } == ["one", "two"])
        // Line numbers are still those of the file.
        #expect((0..<2).map { list[$0].line } == [2, 4])
        #expect(try UtteranceTags.read("x", of: list) == ["1", "2"])
        #expect(try Manifest.hasLabels(url, labels: "ltr"))
        #expect(try Manifest.files(of: url, labels: []).count == 1)
        #expect(try refusal("\n" + first + "\n\n{\n").place == "\(bad):4")
        let joined = try Manifest.joined([(list, 1), (list, 1)])
        #expect((0..<4).map { joined[$0].line } == [2, 4, 2, 4])
    }

    @Test(arguments: ["", #", "duration": null"#, #", "duration": null, "offset": null, "nested": {}"#])
    func lengthsAreReadFromRecordings(members: String) throws {
        let lines = ["a", "b"].map { "{\"audio_filepath\": \"\($0).wav\"\(members), \"text\": \"x\"}" }
        let list = try Manifest.read(corpus.write("a.jsonl", lines.joined(separator: "\n")))
        #expect(list.sampleCounts == [8000, 24_000] && list.offset(0) == nil)
        let objects = try Manifest.read(corpus.write("a.json", "[" + lines.joined(separator: ",") + "]"))
        #expect(objects.sampleCounts == [8000, 24_000])
    }

    @Test func partsEndWhereTheirRecordingsDo() throws {
        let part = #"{"audio_filepath": "b.wav", "offset": 0.5, "text": "x"}"#
        #expect(try Manifest.read(corpus.write("a.jsonl", part)).sampleCounts == [16_000])
        let outside = try refusal(part.replacing("0.5", with: "2"))
        #expect(outside.place == "\(bad):1" && outside.expected.hasPrefix("an \"offset\" inside"))
    }

    @Test func whatCannotBeMeasuredIsNamed() throws {
        let good = #"{"audio_filepath": "a.wav"}"#
        let missing = try refusal(good + "\n\n" + #"{"audio_filepath": "no.wav"}"#)
        #expect(missing.name == "noLength" && missing.place == "\(bad):3", "\(missing)")
        for duration in ["\"1\"", "true", "[]", "-1"] {
            let error = try refusal("{\"audio_filepath\": \"a.wav\", \"duration\": \(duration)}")
            #expect(error.place == "\(bad):1" && error.expected.hasPrefix("\"duration\" with a number"), "\(error)")
        }
    }

    @Test func noTextIsNoTranscript() throws {
        let none = #"{"audio_filepath": "a.wav", "duration": 0.5, "text": null}"#
        let some = #"{"audio_filepath": "a.wav", "duration": 0.5, "text": "x"}"#
        let url = try corpus.write("a.jsonl", none + "\n" + none)
        #expect(try !Manifest.hasLabels(url, labels: "ltr") && Manifest.read(url).count == 2)
        // Transcripts of only some utterances are never ignored silently.
        #expect(try Manifest.hasLabels(corpus.write("b.jsonl", none + "\n" + some), labels: "ltr"))
        #expect(try refusal(none + "\n" + some, labels: "ltr").expected.hasPrefix("\"text\""))
        #expect(try Manifest.hasLabels(corpus.write("c.json", "[\(none), \(some)]"), labels: "ltr"))
        #expect(try !Manifest.hasLabels(corpus.write("d.json", "[\(none)]"), labels: "ltr"))
    }
}

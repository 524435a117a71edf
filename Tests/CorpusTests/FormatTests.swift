import Foundation
import TestSupport
import Testing
import W2VAudio
import W2VBase

@testable import W2VCorpus

@Suite("Formats of manifests", .onTestThreads)
struct FormatTests {
    let corpus: TestCorpus

    init() throws { corpus = try TestCorpus() }

    private func audio(_ name: String, _ count: Int) throws {
        try FileManager.default.createDirectory(
            at: corpus.file(name).deletingLastPathComponent(), withIntermediateDirectories: true)
        try AudioFile.write(TestCorpus.signal(count, count: count), to: corpus.file(name))
    }

    /// Checks the case, file and line of a list's refusal.
    @discardableResult private func refusal(
        _ url: URL, labels: String? = "ltr", _ name: String = "badLine", at place: String,
        _ location: SourceLocation = #_sourceLocation
    ) throws -> CorpusError {
        let error = try #require(throws: CorpusError.self, sourceLocation: location) {
            try Manifest.read(url, labels: labels)
        }
        #expect(error.name == name && error.place == place, "\(error)", sourceLocation: location)
        return error
    }

    // MARK: - JSON

    @Test func readsEscapesAndOddSpacing() throws {
        let url = try corpus.write(
            "a.json",
            #"""
              {"text": "gr\u00fc\u00df \"dich\"", "duration":1e0,"audio_filepath" : "a\/b\\c \ud83d\ude00.wav" }
            {"audio_filepath": "ünï.wav", "duration": 0.5, "text": "\t x\n y ", "nested": {"a": [1, "}"]}, "more": null}
            """#)
        let manifest = try Manifest.read(url, labels: "ltr")
        #expect(manifest.path(0) == "a/b\\c 😀.wav" && manifest[0].labels == "g r ü ß | \" d i c h \" |")
        #expect(manifest.path(1) == "ünï.wav" && manifest[1].labels == "x | y |")
        #expect(manifest.sampleCounts == [16_000, 8000])
        #expect(try Manifest.read(url, labels: "wrd")[1].labels == "x y")
    }

    @Test(arguments: [
        #"{"audio_filepath": "a", "duration": 01, "text": ""}"#,
        #"{"audio_filepath": "a", "duration": 1., "text": ""}"#,
        #"{"audio_filepath": "a", "duration": +1, "text": ""}"#,
        #"{"audio_filepath": "a", "duration": 1, "text": ""},"#,
        #"{"audio_filepath": "a", "duration": 1, "text": "\x"}"#, #"{"audio_filepath": "a", "duration": 1 "text": ""}"#,
        #"{"audio_filepath": "a", "duration": 1, "text": "\ud83d"}"#, #"{"audio_filepath": "a", "duration": nan}"#,
        #"{"audio_filepath": "a", "duration": 1, "text": "a|b"}"#, #"{"audio_filepath": "a", "duration": "1"}"#,
        #"{"audio_filepath": "a", "duration": 1, "text": 5}"#, #"{"audio_filepath": "a", "duration": 1, "text": "x"#,
        #"{"audio_filepath": "", "duration": 1, "text": "x"}"#, #"{"duration": 1, "text": "x"}"#, "null", "{}",
    ])
    func refusesWhatIsNoJSON(line: String) throws {
        let good = #"{"audio_filepath": "a", "duration": 1, "text": "x"}"#
        let url = try corpus.write("bad.json", [good, line, good].joined(separator: "\n"))
        try refusal(url, at: "\(url.path):2")
    }

    @Test func readsLists() throws {
        let url = try corpus.write(
            "nv.json",
            """
            [
              {"transcript": "hello you", "original_duration": 2.0, "files": [
                {"fname": "train/a.wav", "duration": 2.0, "num_samples": 16000, "sample_rate": 8000, "speed": 1},
                {"fname": "train/a-0.9.wav", "duration": 2.25, "speed": 0.9}]},
              {"audio_filepath": "b.wav", "duration": 1, "text": "b"}
            ]
            """)
        var manifest = try Manifest.read(url, labels: "ltr")
        #expect(manifest.sampleCounts == [32_000, 36_000, 16_000] && manifest[2].line == 2)
        #expect(
            manifest[1].labels == "h e l l o | y o u |" && manifest[1].audio.path == corpus.file("train/a-0.9.wav").path
        )
        manifest = try Manifest.joined([(manifest, 1), (manifest, 1)])
        #expect(manifest[5].line == 2 && manifest[4].line == 1)
        for (object, word) in [
            (#"{"files": []}"#, "files"),
            (#"{"files": [{"fname": "a", "duration": "1"}], "transcript": "x"}"#, "duration"),
            (#"{"files": [{"fname": "a", "duration": 1}]}"#, "transcript"),
        ] {
            let bad = try corpus.write(
                "bad.json", #"[{"audio_filepath": "b", "duration": 1, "text": "b"}, \#(object)]"#)
            let error = try refusal(bad, at: "\(bad.path):2")
            #expect("\(error)".contains(word) && "\(error)".contains("object 2"))
        }
        let cut = try corpus.write("cut.json", #"[{"audio_filepath": "b", "duration": 1}, "#)
        #expect(try refusal(cut, at: "\(cut.path):1").expected.hasPrefix("a JSON list"))
    }

    // MARK: - Kaldi

    @Test func readsKaldiFolders() throws {
        try audio("wavs/one.wav", 8000)
        try audio("wavs/two.wav", 16_000)
        let folder = corpus.file("data")
        try corpus.write("data/wav.scp", "s1-one ../wavs/one.wav\ns2-two\t\(corpus.file("wavs/two.wav").path)\n")
        try corpus.write("data/text", "s2-two SO LONG\ns1-one  HELLO  YOU \n")
        try corpus.write("data/utt2spk", "s1-one s1\ns2-two s2\n")
        for url in [folder, folder.appendingPathComponent("wav.scp")] {
            let manifest = try Manifest.read(url, labels: "ltr")
            #expect(manifest.count == 2 && manifest.sampleCounts == [8000, 16_000])
            #expect(manifest[0].identifier == "s1-one" && manifest[0].labels == "H E L L O | Y O U |")
            #expect(manifest[1].labels == "S O | L O N G |" && manifest[1].speaker == "s2")
            #expect(manifest.labelPlace(of: 0) == (corpus.file("data/text").path, 2))
            try manifest.validate()
        }
        try corpus.write("data/utt2dur", "s1-one 0.75\ns2-two 1\n")
        #expect(try Manifest.read(folder).sampleCounts == [12_000, 16_000])
        #expect(try Manifest.read(folder, labels: "wrd")[0].labels == "HELLO YOU")
        #expect(try Manifest.read(folder, labels: "utt2dur")[0].labels == "0.75")
    }

    @Test func namesTheLineOfAMissingRecording() throws {
        try audio("data/one.wav", 8000)
        let list = try corpus.write("data/wav.scp", "a one.wav\nb \(corpus.file("lost.wav").path)\nc one.wav\n")
        for segments in [nil, "u c 0 0.1\nv b 0.1 -1\n"] {
            if let segments { try corpus.write("data/segments", segments) }
            let lost = CorpusError.noRecording(
                file: list.path, line: 2, name: "b", recording: corpus.file("lost.wav").path)
            #expect(throws: lost) { try Manifest.read(corpus.file("data")) }
        }
    }

    @Test func readsSegments() throws {
        try audio("data/one.wav", 48_000)
        try corpus.write("data/wav.scp", "rec one.wav\n")
        try corpus.write("data/segments", "u1 rec 0.5 1.25\nu2 rec 1.5 -1\n")
        try corpus.write("data/text", "u1 a\nu2 b\n")
        let manifest = try Manifest.read(corpus.file("data"), labels: "ltr")
        #expect(manifest.sampleCounts == [12_000, 24_000] && manifest[1].offset == 24_000 && manifest[1].line == 2)
        let plan = try BatchPlan.sequential(manifest, options: .init())
        let batch = try #require(try BatchLoader(manifest: manifest, plan: plan).next())
        let whole = try AudioFile.read(corpus.file("data/one.wav"))
        #expect(batch.samples == Array(whole[8000..<20_000]) + Array(whole[24_000...]))
        for (line, expected) in [
            ("u3 rec 2 1", "ends"), ("u3 none 0 1", "wav.scp"), ("u3 rec 0", "ends"), ("u3 rec 0 1 2", "ends"),
            ("u2 rec 0 1", "no other line"), ("u3 rec x 1", "ends"), ("u3 rec 5 -1", "inside the recording"),
        ] {
            let file = try corpus.write("data/segments", "u1 rec 0.5 1.25\nu2 rec 1.5 -1\n\(line)\n")
            let error = try refusal(corpus.file("data"), labels: nil, at: "\(file.path):3")
            #expect(error.expected.contains(expected), "\(error)")
        }
    }

    @Test func neverRunsCommands() throws {
        let witness = corpus.file("witness")
        for command in ["touch \(witness.path) |", "| touch \(witness.path)", "sph2pipe -f wav -p x.sph |"] {
            let url = try corpus.write("data/wav.scp", "a a.wav\nb \(command)\n")
            #expect(throws: CorpusError.command(file: url.path, line: 2, command: command)) {
                try Manifest.read(corpus.file("data"))
            }
        }
        #expect(!FileManager.default.fileExists(atPath: witness.path))
    }

    @Test func namesWhatKaldiFilesLack() throws {
        try audio("data/a.wav", 8000)
        let scp = try corpus.write("data/wav.scp", "a a.wav\nb a.wav\n")
        let text = try corpus.write("data/text", "a x\n")
        let folder = corpus.file("data")
        #expect(throws: CorpusError.noLine(name: "b", file: text.path, list: scp.path, line: 2)) {
            try Manifest.read(folder, labels: "ltr")
        }
        try corpus.write("data/text", "a x\nb y\nc z\n")
        #expect(try refusal(folder, at: "\(text.path):3").expected.contains(scp.path))
        try corpus.write("data/text", "a x\na y\n")
        try refusal(folder, at: "\(text.path):2")
        try corpus.write("data/text", "a x\nb y|z\n")
        #expect(try refusal(folder, at: "\(text.path):2").expected.contains("word boundary"))
        let durations = try corpus.write("data/utt2dur", "a 1\nb long\n")
        try refusal(folder, labels: nil, at: "\(durations.path):2")
        try corpus.write("data/wav.scp", "a a.wav\na a.wav\n")
        try refusal(folder, labels: nil, at: "\(scp.path):2")
        try corpus.write("data/wav.scp", "a\n")
        try refusal(folder, labels: nil, at: "\(scp.path):1")
        try corpus.write("data/wav.scp", "")
        #expect(throws: CorpusError.emptyManifest(file: scp.path)) { try Manifest.read(folder) }
    }

    // MARK: - Folders

    @Test func readsFoldersWithTranscripts() throws {
        for (name, count) in [("f/b/two.wav", 9000), ("f/one.wav", 8000)] { try audio(name, count) }
        try corpus.write("f/one.txt", "Hello\nyou\n")
        try corpus.write("f/one.phn", "h e l")
        let folder = corpus.file("f")
        let error = try #require(throws: CorpusError.self) { try Manifest.read(folder, labels: "ltr") }
        guard case .noTranscripts(folder.path, 1, 2, let example) = error else { throw error }
        #expect(example.hasSuffix("two.txt"))
        #expect(try Manifest.read(folder).sampleCounts == [9000, 8000])
        try corpus.write("f/b/two.txt", "")
        let manifest = try Manifest.read(folder, labels: "ltr")
        #expect(manifest[1].labels == "H e l l o | y o u |" && manifest[0].labels == "")
        #expect(manifest.labelPlace(of: 1) == (corpus.file("f/one.txt").path, 1))
        try corpus.write("f/b/two.phn", "t u")
        #expect(try Manifest.read(folder, labels: "phn")[1].labels == "h e l")
        let bad = try corpus.write("f/b/two.txt", "a|b")
        try refusal(folder, at: "\(bad.path):1")
        try corpus.write("f/broken.wav", "no audio")
        let broken = try #require(throws: CorpusError.self) { try Manifest.read(folder) }
        guard case .someUnreadable(folder.path, 1, _) = broken else { throw broken }
    }

    // MARK: - Writing

    @Test func formatsBecomeEachOther() throws {
        let tsv = try corpus.write("a/one.tsv", "/audio/x\na.wav\t1001\n/other/b \"q\".wav\t2000\n")
        try corpus.write("a/one.ltr", "A B | C |\nD |\n")
        let manifest = try Manifest.read(tsv, labels: "ltr")
        try manifest.write(to: corpus.file("one.jsonl"), as: .jsonl)
        let lines = try Manifest.read(corpus.file("one.jsonl"), labels: "ltr")
        #expect(lines.sampleCounts == manifest.sampleCounts)
        for index in 0..<2 {
            #expect(
                lines[index].audio.path == manifest[index].audio.path && lines[index].labels == manifest[index].labels)
        }
        let second = try corpus.write("b/two.tsv", "/audio/y/z\nc.wav\t5\n")
        let joined = try Manifest.joined([(Manifest.read(tsv), 1), (Manifest.read(second), 1)])
        try joined.write(to: corpus.file("joined.tsv"), as: .tsv)
        #expect(
            try String(contentsOf: corpus.file("joined.tsv"), encoding: .utf8)
                == "/audio\nx/a.wav\t1001\n/other/b \"q\".wav\t2000\ny/z/c.wav\t5\n")
        let part = try corpus.write("part.jsonl", #"{"audio_filepath": "/a.wav", "duration": 0.3, "offset": 0.1}"#)
        try Manifest.read(part).write(to: corpus.file("again.jsonl"), as: .jsonl)
        #expect(try Manifest.read(corpus.file("again.jsonl"))[0].offset == 1600)
        let error = try #require(throws: CorpusError.self) {
            try Manifest.read(part).write(to: corpus.file("part.tsv"), as: .tsv)
        }
        #expect(error.name == "notForTabs" && error.value("reason", String.self)?.contains("/a.wav@0.1") == true)
    }

    @Test func tagsGoWithTheirUtterances() throws {
        let list = try corpus.write(
            "nv.json",
            """
            [{"transcript": "x", "speaker": "s1", "files": [{"fname": "a.wav", "duration": 1, "speed": 0.9},
             {"fname": "b.wav", "duration": 1}]}, {"audio_filepath": "c.wav", "duration": 2, "text": "y", "phn": "p"}]
            """)
        let plain = try corpus.write("p.tsv", "/audio\nd.wav\t16000\n")
        let manifest = try Manifest.joined([
            (Manifest.read(list, keepsTags: true), 1), (Manifest.read(plain, keepsTags: true), 1),
        ])
        #expect(manifest.tagNames == ["phn", "speaker", "speed"])
        let out = corpus.file("out.jsonl")
        try manifest.subset([3, 2, 0, 1], name: "x").write(to: out, as: .jsonl)
        let ends = try Lines.read(out).map {
            String($0[($0.range(of: "\"duration\": ")?.upperBound ?? $0.endIndex)...])
        }
        #expect(
            ends == [
                "1.0}", "2.0, \"phn\": \"p\"}", "1.0, \"speaker\": \"s1\", \"speed\": 0.9}",
                "1.0, \"speaker\": \"s1\"}",
            ])
        #expect(try UtteranceTags.read("speaker", of: Manifest.read(out)) == [nil, nil, "s1", "s1"])
        try Manifest.read(list).write(to: out, as: .jsonl)
        #expect(try !Lines.read(out).joined().contains("speaker"))
    }

    @Test func linesLongerThanTheBufferAreWhole() throws {
        let long = String(repeating: "é", count: 700)
        let url = try corpus.write("long.txt", "a\r\n\n\(long)\nb\(long)")
        for block in [1, 2, 3, 64, 1 << 20] {
            var reader = try LineReader(url, block: block)
            var lines: [String] = []
            while let line = try reader.next() { lines.append(String(decoding: line, as: UTF8.self)) }
            #expect(lines == ["a", "", long, "b" + long] && reader.number == 4)
        }
        #expect(throws: CorpusError.self) {
            var reader = try LineReader(corpus.folder)
            _ = try reader.next()
        }
    }

    /// Line length is limited, so that a file that is not text takes no more memory than a long line.
    @Test func linesWithoutEndAreRefused() throws {
        let url = try corpus.write("endless.txt", "a\n" + String(repeating: "b", count: 5000) + "\nc\n")
        for block in [16, 1000, 1 << 20] {
            var reader = try LineReader(url, block: block, longestLine: 4096)
            #expect(try reader.next()?.count == 1)
            #expect(throws: CorpusError.longLine(file: url.path, line: 2, most: 4096)) { _ = try reader.next() }
            var whole = try LineReader(url, block: block, longestLine: 5000)
            var lengths: [Int] = []
            while let line = try whole.next() { lengths.append(line.count) }
            #expect(lengths == [1, 5000, 1])
        }
    }

    @Test func aListOfManyIsReadQuickly() throws {
        let count = 100_000
        var text = "/audio\n"
        var json = ""
        for index in 0..<count {
            text += "speaker\(index % 977)/book/\(index).flac\t\(16_000 + index)\n"
            json +=
                #"{"audio_filepath": "speaker\#(index % 977)/\#(index).flac", "duration": 1.5, "text": "a b"}"# + "\n"
        }
        let tsv = try Manifest.read(corpus.write("many.tsv", text))
        #expect(tsv.count == count && tsv[99_999].audio.path == "/audio/speaker345/book/99999.flac")
        let lines = try Manifest.read(corpus.write("many.json", json), labels: "ltr")
        #expect(lines.count == count && lines[77].labels == "a | b |" && lines.totalSamples == 24_000 * count)
    }

    // MARK: - Encodings

    @Test func byteOrderMarksAreDropped() throws {
        let mark = "\u{FEFF}"
        let tsv = try corpus.write("m.tsv", mark + "/audio\na.wav\t1\nb.wav\t2\n")
        try corpus.write("m.ltr", mark + "A |\nB |\n")
        let manifest = try Manifest.read(tsv, labels: "ltr")
        #expect(manifest[0].audio.path == "/audio/a.wav" && manifest[0].labels == "A |" && manifest.count == 2)
        let dictionary = try LabelDictionary(contentsOf: corpus.write("dict.txt", mark + "A 1\n| 2\n"))
        #expect(dictionary.symbols.dropFirst(4) == ["A", "|"])
        let texts = try corpus.write("texts", mark + "a\tone\nb\ttwo\n")
        #expect(try Transcript.read(texts, for: manifest) == ["one", "two"])
        let object = #"{"audio_filepath": "c.wav", "duration": 1, "text": "x"}"#
        for text in [object, "[\(object)]"] {
            let url = try corpus.write("m.jsonl", mark + text)
            #expect(try Manifest.read(url, labels: "ltr")[0].labels == "x |" && Manifest.hasLabels(url, labels: "ltr"))
        }
        for (text, lines) in [
            (mark, []), (mark + "\n", [""]), ("a\n" + mark, ["a", mark]), ("\u{FEFE}", ["\u{FEFE}"]),
        ] {
            let url = try corpus.write("lines", text)
            for block in [1, 2, 3, 64] {
                var reader = try LineReader(url, block: block)
                var found: [String] = []
                while let line = try reader.next() { found.append(String(decoding: line, as: UTF8.self)) }
                #expect(found == lines, "\(text.utf8.map { $0 })")
            }
        }
    }

    @Test func otherEncodingsAreRefusedByLine() throws {
        func latin(_ name: String, _ text: String) throws -> URL {
            try corpus.write(name, "")
            try Data(text.unicodeScalars.map { UInt8($0.value) }).write(to: corpus.file(name))
            return corpus.file(name)
        }
        let tsv = try corpus.write("m.tsv", "/audio\na.wav\t1\nb.wav\t2\n")
        let labels = try latin("m.ltr", "a |\ng r ü n |\n")
        try refusal(tsv, "notUTF8", at: "\(labels.path):2")
        let manifest = try Manifest.read(tsv)
        let texts = try latin("texts", "a\tgrün und so weiter\nb\tx\n")
        let error = try #require(throws: CorpusError.self) { try Transcript.read(texts, for: manifest) }
        #expect(error.name == "notUTF8" && error.place == "\(texts.path):1")
        let paths = try latin("p.tsv", "/audio\nx.wav\t1\nü.wav\t1\n")
        try refusal(paths, labels: nil, "notUTF8", at: "\(paths.path):3")
        let list = try latin("p.json", "[{\"audio_filepath\": \"a\",\n \"duration\": 1, \"text\": \"ü\"}]")
        try refusal(list, "notUTF8", at: "\(list.path):2")
        let good = try corpus.write("good", "grün 日本語 e\u{301}\u{1F600} und so weiter")
        #expect(try Lines.read(good) == ["grün 日本語 e\u{301}\u{1F600} und so weiter"])
    }

    @Test func namesOnDiskThatAreNotUTF8AreSaidToBe() throws {
        try audio("f/good.wav", 8000)
        let bad: [CChar] =
            Array((corpus.file("f").path + "/b").utf8CString.dropLast()) + [CChar(truncatingIfNeeded: 0xE9)]
        let file = bad + Array(".wav".utf8CString)
        #expect(link(corpus.file("f/good.wav").path, file) == 0)
        let report = try ManifestBuilder().build(corpus.file("f"))
        #expect(report.train.count == 1 && report.unreadable.count == 1)
        #expect(report.unreadable[0].reason.contains("a name that is not UTF-8"))
        #expect(!report.unreadable[0].reason.contains("first line"))
        #expect(mkdir(bad + [0], 0o777) == 0)
        let error = try #require(throws: CorpusError.self) { try ManifestBuilder().build(corpus.file("f")) }
        #expect(error.name == "nameNotUTF8")
    }
}

import Foundation
import TestSupport
import Testing
import W2VAudio

@testable import W2VProgram

@Suite(.onTestThreads) struct TranscribeCommandTests {
    private func transcribe(
        _ fixture: Fixture, _ more: [String], in folder: URL? = nil, input: Data? = nil, inputFile: URL? = nil
    ) throws -> Outcome {
        try run(
            ["transcribe", "--checkpoint", fixture.checkpoint] + more, in: folder, input: input, inputFile: inputFile)
    }

    @Test func listsFoldersAndStandardInputAreRead() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let first = fixture.audio + "/0.wav"
            let alone = try transcribe(fixture, [first])
            let list = folder.appendingPathComponent("list.txt").path
            try fixture.write("\(first)\n\n  \(fixture.audio)\r\n", to: "list.txt")
            let listed = try transcribe(fixture, ["--list", list])
            #expect(listed.code == 0, "\(listed.errors)")
            let lines = listed.output.split(separator: "\n")
            #expect(lines.count == 4 && lines[0] == lines[1])
            #expect(lines[0] == "\(first)\t" + alone.output.dropLast())
            let bytes = try Data(contentsOf: URL(fileURLWithPath: first))
            #expect(try transcribe(fixture, ["-"], input: bytes).output == alone.output)
            let json = try transcribe(fixture, ["-", "--json"], input: bytes).json()
            #expect(json["file"] as? String == "-" && json["words"] is [Any] && json["characters"] == nil)
        }
    }

    /// One recording and a fitting name make a file; anything else a folder.
    @Test func outputIsAFileWhereOneIsMeant() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let (first, second) = (fixture.audio + "/0.wav", fixture.audio + "/1.wav")
            func content(_ name: String) throws -> String {
                try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
            }
            func expect(_ code: Int32, _ more: String...) throws {
                let outcome = try transcribe(fixture, more, in: folder)
                #expect(outcome.code == code && outcome.output == "", "\(more) \(outcome.errors)")
            }
            let text = try transcribe(fixture, [first]).output
            try expect(0, first, "--output", "a.txt", "--quiet")
            #expect(try content("a.txt") == text)
            try expect(0, first, "--output", "b/words.srt", "--max-words", "1", "--case", "lower")
            let words = text.split(whereSeparator: \.isWhitespace)
            #expect(try content("b/words.srt").components(separatedBy: " --> ").count == words.count + 1)
            #expect(try content("b/words.srt").contains(words.first?.lowercased() ?? ""))
            // An existing file is kept.
            try expect(1, first, "--output", "a.txt")
            try expect(0, first, "--output", "c.txt", "--json")
            #expect(try content("c.txt/0.json").hasPrefix("{"))
            try expect(0, first, second, "--output", "several.srt", "--format", "srt")
            #expect(try content("several.srt/1.srt").isEmpty == false)
            try expect(64, first, "--max-words", "1")
            try expect(64, first, "--format", "srt", "--max-lines", "0")
            try expect(64, first, "--alpha", "2")
            #expect(try transcribe(fixture, [first, "--case", "lower"]).output == text.lowercased())
        }
    }

    /// A decoder's messages about damaged files appear in our words, with the recording's name, or not at all.
    @Test func nothingIsWrittenByLibraries() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            var names: [String] = []
            let whole = folder.appendingPathComponent("whole.mp3")
            let samples = tone(125, count: 64_000)
            try AudioFile.write(samples, to: whole, format: .mp3)
            let bytes = try Data(contentsOf: whole)
            for step in [13, 37, 101] {
                var damaged = bytes
                for index in stride(from: 1500, to: bytes.count, by: step) { damaged[index] ^= UInt8(step) }
                names.append(folder.appendingPathComponent("damaged\(step).mp3").path)
                try damaged.write(to: URL(fileURLWithPath: names[names.count - 1]))
            }
            for share in [2, 3] {
                names.append(folder.appendingPathComponent("cut\(share).mp3").path)
                try bytes.prefix(bytes.count / share).write(to: URL(fileURLWithPath: names[names.count - 1]))
            }
            let outcome = try transcribe(fixture, names)
            #expect(outcome.code == 65)
            for line in outcome.errors.split(whereSeparator: \.isNewline) {
                #expect(line.hasPrefix("wav2vec2: " + folder.path) || line.hasPrefix("transcribe: "), "\(line)")
                #expect(!line.contains("internal error"))
            }
        }
    }

    /// Files that a killed run was writing are removed by the next one; files that are being written stay.
    @Test func leftoversOfKilledRunsAreRemoved() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let output = folder.appendingPathComponent("out")
            try FileManager.default.createDirectory(at: output, withIntermediateDirectories: true)
            let names = (0..<3).map { _ in ".0.txt.\(UUID().uuidString).partial" } + [".mine.partial"]
            for name in names { try Data("half".utf8).write(to: output.appendingPathComponent(name)) }
            let held = open(output.path + "/" + names[0], O_RDONLY)
            defer { close(held) }
            #expect(flock(held, LOCK_EX) == 0)
            let outcome = try transcribe(fixture, [fixture.audio, "--output", output.path])
            #expect(outcome.code == 0, "\(outcome.errors)")
            let left = try FileManager.default.contentsOfDirectory(atPath: output.path).filter { $0.hasPrefix(".") }
            #expect(Set(left) == [names[0], ".mine.partial"])
        }
    }

    @Test(.enabled(if: AudioFile.externalDecoder != nil)) func playlistsAndFullDisksAreToldApart() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            try fixture.write(
                "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10.0,\nfile:\(fixture.audio)/0.wav\n", to: "list.m3u8")
            let list = folder.path + "/list.m3u8"
            let outcome = try transcribe(fixture, [list])
            #expect(outcome.code == 65 && outcome.errors.contains("\(list): this is a playlist"), "\(outcome.errors)")
            let full = try run(
                ["transcribe", "--checkpoint", fixture.checkpoint, list, fixture.audio + "/0.wav"],
                environment: ["TMPDIR": folder.path + "/none"])
            #expect(full.code == 1 && full.output.contains("0.wav"), "\(full.errors)")
            #expect(full.errors.contains("could not be decoded (no file can be made in the temporary folder"))
        }
    }

    @Test func filesOfResultsNeverMeet() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let audio = URL(fileURLWithPath: fixture.audio)
            let deep = audio.appendingPathComponent("deep")
            try FileManager.default.createDirectory(at: deep, withIntermediateDirectories: true)
            for name in ["deep/0.wav", "deep/1.WAV", "1.flac"] {
                let place = audio.appendingPathComponent(name)
                try AudioFile.write(
                    [Float](repeating: 0.1, count: 5_000), to: place, format: name.hasSuffix("flac") ? .flac : .wav16)
            }
            let output = folder.appendingPathComponent("out").path
            let first = try transcribe(fixture, [fixture.audio, "--output", output, "--format", "verbose-json"])
            #expect(first.code == 0 && first.output == "", "\(first.errors)")
            let written = try FileManager.default.subpathsOfDirectory(atPath: output).filter { $0.contains(".") }
            #expect(
                written.sorted() == ["0.json", "1.flac.json", "1.wav.json", "2.json", "deep/0.json", "deep/1.json"])
            let object = try JSONSerialization.jsonObject(
                with: Data(contentsOf: URL(fileURLWithPath: output + "/0.json")))
            let report = try #require(object as? [String: Any])
            #expect(report["file"] as? String == fixture.audio + "/0.wav" && report["segments"] is [Any])
            let characters = try #require(report["characters"] as? [[String: Any]])
            let words = try #require(report["words"] as? [[String: Any]])
            #expect(
                characters.compactMap { $0["text"] as? String }.joined()
                    == words.compactMap { $0["text"] as? String }.joined())
            #expect(
                characters.allSatisfy { $0["start"] is Double && $0["end"] is Double && $0["confidence"] is Double })
            // Nothing is replaced, or computed for it, unless requested.
            let again = try transcribe(
                fixture, [fixture.audio + "/0.wav", "--output", output, "--format", "json"])
            #expect(again.code == 1 && again.errors.contains("0.json: exists already; give --force to replace it"))
            let forced = try transcribe(
                fixture, [fixture.audio + "/0.wav", "--output", output, "--format", "json", "--force"])
            #expect(forced.code == 0, "\(forced.errors)")
            #expect(try !String(contentsOfFile: output + "/0.json", encoding: .utf8).contains("characters"))
            // Existing files stay; the missing ones are made.
            try FileManager.default.removeItem(atPath: output + "/1.flac.json")
            try fixture.write("mine", to: "out/2.json")
            let resumed = try transcribe(
                fixture, [fixture.audio, "--output", output, "--format", "json", "--resume"])
            #expect(resumed.code == 0 && resumed.errors.contains("5 of 6 files are already there"), "\(resumed.errors)")
            #expect(try String(contentsOfFile: output + "/2.json", encoding: .utf8) == "mine")
            #expect(FileManager.default.fileExists(atPath: output + "/1.flac.json"))
            let twice = try transcribe(
                fixture, [fixture.audio + "/0.wav", fixture.audio + "/0.wav", "--output", output, "--force"])
            #expect(twice.code == 64 && twice.errors.contains("would both be written to"))
        }
    }

    @Test func timedFormatsAreWritten() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let tiers = try transcribe(fixture, [fixture.audio + "/1.wav", "--format", "textgrid"])
            #expect(tiers.code == 0 && tiers.output.hasPrefix("File type = \"ooTextFile\"\n"), "\(tiers.errors)")
            let output = folder.appendingPathComponent("out").path
            #expect(try transcribe(fixture, [fixture.audio, "--format", "ctm", "--output", output]).code == 0)
            #expect(FileManager.default.fileExists(atPath: output + "/2.ctm"))
            let several = try transcribe(fixture, [fixture.audio, "--format", "srt"])
            #expect(several.code == 64 && several.errors.contains("--output"))
        }
    }

    @Test func badInputIsNamedAndTheRestGoesOn() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            for (name, count) in [("silence", 32_000), ("short", 300)] {
                try AudioFile.write(
                    [Float](repeating: 0, count: count), to: folder.appendingPathComponent("\(name).wav"))
            }
            try fixture.write("", to: "empty.wav")
            try fixture.write("this is neither audio nor video", to: "film.m4a")
            try FileManager.default.createDirectory(
                at: folder.appendingPathComponent("hollow"), withIntermediateDirectories: true)
            let names = ["empty.wav", "short.wav", "silence.wav", "hollow", "film.m4a", "gone.flac"]
            let outcome = try transcribe(fixture, names.map { folder.appendingPathComponent($0).path })
            #expect(outcome.code == 65)
            #expect(outcome.output.hasPrefix(folder.path + "/silence.wav\t"))
            #expect(outcome.output.split(separator: "\n").count == 1)
            #expect(outcome.errors.contains("transcribe: 1 of 6 files"))
            let none = try transcribe(fixture, [folder.appendingPathComponent("empty.wav").path])
            #expect(none.code == 65 && none.errors.contains("0.0 s of audio") && !none.errors.contains("factor"))
            let errors = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("wav2vec2: ") }
            #expect(errors.count == 5, "\(outcome.errors)")
            for (error, text) in zip(
                errors,
                [
                    "empty.wav: the audio file holds no samples", "short.wav: has 300 samples",
                    "hollow: holds no audio",
                    "film.m4a: ", "gone.flac: there is no such audio file",
                ])
            {
                #expect(error.contains(text), "\(error)")
            }
            try fixture.write(" \n\n", to: "list.txt")
            let list = folder.appendingPathComponent("list.txt").path
            let empty = try transcribe(fixture, ["--list", list])
            #expect(empty.code == 65 && empty.errors.contains("list.txt: the list is empty"))
            let missing = try transcribe(fixture, ["--list", list + "x"])
            #expect(missing.code == 65 && missing.errors.contains("list.txtx: the list cannot be read"))
            #expect(try transcribe(fixture, ["-"], input: Data()).code == 65)
        }
    }

    @Test func longNoiseAtAnotherRateIsCut() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            var chords = [Float](repeating: 0, count: 8_000 * 20)
            for pitch in [220.0, 277.2, 329.6] {
                for index in chords.indices { chords[index] += Float(0.2 * sin(pitch * Double(index) / 1_273)) }
            }
            let file = folder.appendingPathComponent("music.wav")
            try AudioFile.write(chords, sampleRate: 8_000, to: file)
            let outcome = try transcribe(
                fixture, [file.path, "--json", "--window-seconds", "6", "--overlap-seconds", "2"])
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(try outcome.json()["duration"] as? Double == 20)
        }
    }

    @Test func unreadableFoldersAreNamed() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let locked = fixture.audio + "/locked"
            try FileManager.default.createDirectory(atPath: locked, withIntermediateDirectories: true)
            defer { chmod(locked, 0o700) }
            chmod(locked, 0)
            let outcome = try run(
                ["transcribe", "--checkpoint", fixture.checkpoint, fixture.audio], isOrdinaryUser: true)
            #expect(outcome.code == 65 && outcome.errors.contains("locked: cannot be read (Permission denied)"))
            // The others are transcribed nevertheless.
            #expect(outcome.output.split(separator: "\n").count == 3)
        }
    }

    @Test func wrongUsageIsTold() throws {
        for arguments in [
            [], ["-", "--list", "-"], ["--live", "a.wav"], ["--live", "--rate", "10"],
            ["a.wav", "--overlap-seconds", "30"], ["a.wav", "--precision", "fp4"],
        ] {
            let outcome = try run(["transcribe", "--checkpoint", "none"] + arguments)
            #expect(outcome.code == 64, "\(arguments): \(outcome.errors)")
        }
    }

    @Test func liveAudioIsWrittenDownWhileItComes() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let samples = (0..<32_000).map { Int16(12_000 * sin(Double($0) * 0.05 * (1 + Double($0 / 4_000)))) }
            // Everything arrives at once: the passes, and so the letters, are the same each time.
            let raw = folder.appendingPathComponent("talk.raw")
            try samples.withUnsafeBytes { Data($0) }.write(to: raw)
            let text = try transcribe(fixture, ["--live"], inputFile: raw)
            #expect(text.code == 0 && text.errors.contains("2.0 s of audio"), "\(text.errors)")
            let finals = text.output.split(separator: "\n").map(String.init)
            #expect(!finals.isEmpty)
            let json = try transcribe(fixture, ["--live", "--json", "-"], inputFile: raw)
            let events = try json.output.split(separator: "\n").map {
                try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] ?? [:]
            }
            #expect(events.filter { $0["event"] as? String == "final" }.compactMap { $0["text"] as? String } == finals)
            #expect(events.allSatisfy { $0["start"] is Double && $0["end"] is Double && $0["words"] is [Any] })
            let file = folder.appendingPathComponent("talk.wav")
            try AudioFile.write(samples.map { Float($0) / 32_768 }, to: file)
            for rate in [[], ["--rate", "16000"]] {
                let wave = try transcribe(fixture, ["--live"] + rate, inputFile: file)
                #expect(wave.code == 0 && wave.output == text.output, "\(wave.errors)")
            }
            let other = try transcribe(fixture, ["--live", "--rate", "8000"], inputFile: file)
            #expect(other.code == 65 && other.errors.contains("but --rate is 8000; leave it out"), "\(other.errors)")
            let flac = try transcribe(fixture, ["--live"], input: Data("fLaC".utf8) + Data(count: 100))
            #expect(flac.code == 65 && flac.errors.contains("begins like a FLAC file"), "\(flac.errors)")
            let half = try transcribe(fixture, ["--live"], input: Data([1]))
            #expect(half.code == 0 && half.errors.contains("ends in the middle of a sample"), "\(half.errors)")
        }
    }

    /// Text that no pause has settled is written nevertheless.
    @Test(arguments: [(SIGINT, Int32(130)), (SIGTERM, Int32(143))])
    func signalsEndLiveAudio(signal: Int32, code: Int32) throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let samples = (0..<30_000).map { Int16(12_000 * sin(Double($0) * 0.05 * (1 + Double($0 / 4_000)))) }
            let arguments = ["transcribe", "--checkpoint", fixture.checkpoint, "--live", "--json"]
            let outcome = try run(arguments, input: samples.withUnsafeBytes { Data($0) }, closesInput: false) {
                process in
                let output = "/proc/\(process.processIdentifier)/fd/1"
                try? wait(for: "a partial text") {
                    (try? String(contentsOfFile: output, encoding: .utf8))?.contains("partial") == true
                }
                kill(process.processIdentifier, signal)
            }
            #expect(outcome.code == code && outcome.errors.contains("s of audio"), "\(outcome.errors)")
            let events = outcome.output.split(separator: "\n")
            #expect(events.first?.contains("\"partial\"") == true && events.last?.contains("\"final\"") == true)
        }
    }

    @Test func namesStayOnTheirLineOfTheOutput() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let recordings = folder.appendingPathComponent("odd")
            try FileManager.default.createDirectory(at: recordings, withIntermediateDirectories: true)
            let odd = recordings.path + "/a\nb\t\u{1B}[31m.wav"
            try FileManager.default.copyItem(atPath: fixture.audio + "/0.wav", toPath: odd)
            try FileManager.default.copyItem(atPath: fixture.audio + "/1.wav", toPath: recordings.path + "/c.wav")
            try Data("no audio".utf8).write(to: URL(fileURLWithPath: recordings.path + "/d\n\u{1B}[2J.wav"))
            let text = try transcribe(fixture, ["odd"], in: folder)
            #expect(text.code == 65)
            let lines = text.output.split(separator: "\n")
            #expect(
                lines.count == 2 && lines.first?.hasPrefix("odd/a<U+000A>b<U+0009><U+001B>[31m.wav\t") == true,
                "\(text)")
            #expect(text.errors.contains("d<U+000A><U+001B>[2J.wav: ") && !text.errors.contains("\u{1B}"), "\(text)")
            let ctm = try transcribe(fixture, ["--format", "ctm", "odd"], in: folder)
            #expect(!ctm.output.contains("\u{1B}") && ctm.output.hasPrefix("a_b_<U+001B>[31m 1 "), "\(ctm.output)")
            let json = try transcribe(fixture, ["--json", "odd"], in: folder)
            let object = try JSONSerialization.jsonObject(with: Data(json.output.split(separator: "\n")[0].utf8))
            #expect((object as? [String: Any])?["file"] as? String == "odd/a\nb\t\u{1B}[31m.wav")
        }
    }
}

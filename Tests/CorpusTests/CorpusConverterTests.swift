import Foundation
import Synchronization
import TestSupport
import Testing
import W2VAudio
import W2VBase

@testable import W2VCorpus

@Suite("Converting recordings", .onTestThreads)
struct CorpusConverterTests {
    let corpus: TestCorpus

    init() throws { corpus = try TestCorpus() }

    /// The number of upward zero crossings: the signal's frequency times its duration.
    private func crossings(_ samples: [Float]) -> Int { zip(samples, samples.dropFirst()).count { $0 < 0 && $1 >= 0 } }

    private func source() throws -> Manifest {
        try AudioFile.write(tone(400, count: 16_000), to: corpus.file("a.wav"))
        try FileManager.default.createDirectory(at: corpus.file("d"), withIntermediateDirectories: true)
        try AudioFile.write(tone(400, rate: 44_100, count: 22_050), sampleRate: 44_100, to: corpus.file("d/b.wav"))
        let url = try corpus.write("m.tsv", corpus.folder.path + "\na.wav\t16000\nd/b.wav\t8000\n")
        try corpus.write("m.ltr", "A |\nB |\n")
        return try Manifest.read(url, labels: "ltr")
    }

    @Test func changesFormatRateAndSpeed() throws {
        let manifest = try source()
        let out = corpus.file("out")
        let converter = CorpusConverter(format: .flac, sampleRate: 8000, speeds: [1, 0.8, 1.25])
        let report = try converter.convert(manifest, to: out)
        let made = try #require(report.manifest)
        #expect(report.converted == 6 && report.kept == 0 && report.failures.isEmpty && !report.isStopped)
        #expect(
            (0..<6).map(made.path) == [
                "a.flac", "d/b.flac", "a-sp0.8.flac", "d/b-sp0.8.flac", "a-sp1.25.flac", "d/b-sp1.25.flac",
            ])
        for (count, expected) in zip(made.sampleCounts, [16_000, 8000, 20_000, 10_000, 12_800, 6400]) {
            #expect(abs(count - expected) <= 4, "\(made.sampleCounts)")
        }
        #expect(report.utterances == [0, 1, 0, 1, 0, 1])
        let labeled = try made.withLabels(of: manifest, at: report.utterances)
        #expect((0..<6).map { labeled[$0].labels } == ["A |", "B |", "A |", "B |", "A |", "B |"])
        for (index, expected) in [400, 200, 400, 200, 400, 200].enumerated() {
            #expect(try AudioFile.info(made[index].audio).sampleRate == 8000)
            // Faster is higher: the number of periods stays.
            #expect(abs(crossings(try AudioFile.read(made[index].audio, sampleRate: 8000)) - expected) <= 3)
        }
        try made.validate()
    }

    @Test func goesOnWhereItWas() throws {
        let manifest = try source()
        let out = corpus.file("out")
        let converter = CorpusConverter(format: .wav16, speeds: [1, 0.9])
        let seen = Mutex(0)
        let stopped = try converter.convert(manifest, to: out, stop: { seen.withLock { $0 >= 2 } }) { done, _ in
            seen.withLock { $0 = max($0, done) }
        }
        #expect(stopped.isStopped && stopped.manifest == nil && (2...3).contains(stopped.converted))
        let rest = try converter.convert(manifest, to: out)
        #expect(rest.kept == stopped.converted && rest.kept + rest.converted == 4)
        let before = try Data(contentsOf: out.appendingPathComponent("a-sp0.9.wav"))
        // A damaged file, a lost one and one that is older than its source are remade; complete ones are not.
        try before.dropLast(100).write(to: out.appendingPathComponent("a-sp0.9.wav"))
        try FileManager.default.removeItem(at: out.appendingPathComponent("a.wav"))
        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSince1970: 1)],
            ofItemAtPath: out.appendingPathComponent("d/b.wav").path)
        let repaired = try converter.convert(manifest, to: out)
        #expect(repaired.converted == 3 && repaired.kept == 1)
        #expect(try Data(contentsOf: out.appendingPathComponent("a-sp0.9.wav")) == before)
        #expect(try #require(repaired.manifest).sampleCounts == #require(rest.manifest).sampleCounts)
    }

    @Test func partsBecomeFiles() throws {
        _ = try source()
        let url = try corpus.write(
            "parts.jsonl",
            """
            {"audio_filepath": "a.wav", "duration": 0.25, "offset": 0.5}
            {"audio_filepath": "a.wav", "duration": 0.5, "offset": 0.0}
            """)
        let report = try CorpusConverter(format: .wav16).convert(Manifest.read(url), to: corpus.file("out"))
        let made = try #require(report.manifest)
        #expect(made.sampleCounts == [4000, 8000] && made.path(0) == "a-8000-4000.wav")
        let whole = try AudioFile.read(corpus.file("a.wav"))
        #expect(try AudioFile.read(made[0].audio) == Array(whole[8000..<12_000]))
    }

    @Test func badRecordingsAreNamedAndLeftOut() throws {
        let manifest = try source()
        try Data("no audio".utf8).write(to: corpus.file("d/b.wav"))
        let report = try CorpusConverter().convert(manifest, to: corpus.file("out"))
        #expect(report.failures.map(\.utterance) == ["d/b.wav"] && report.manifest?.count == 1)
        #expect(report.failures[0].reason.contains(corpus.file("d/b.wav").path))
        // Differently converted recordings are kept apart.
        let error = try #require(throws: CorpusError.self) {
            try CorpusConverter(sampleRate: 8000).convert(manifest, to: corpus.file("out"))
        }
        #expect("\(error)".contains("flac, 16000 Hz"))
        let twice = try Manifest(root: corpus.folder, paths: ["a.wav", "a.flac"], sampleCounts: [1, 1])
        #expect(throws: CorpusError.self) { try CorpusConverter().convert(twice, to: corpus.file("other")) }
        for converter in [
            CorpusConverter(sampleRate: 0), .init(speeds: []), .init(speeds: [0]), .init(speeds: [1, 1]),
            .init(threads: 0), .init(format: .opus, sampleRate: 22_050), .init(format: .mp3, sampleRate: 96_000),
        ] {
            #expect(throws: CorpusError.self) { try converter.convert(manifest, to: corpus.file("none")) }
        }
    }

    /// Floating-point samples far beyond full scale would be cut off, and LAME ends the program over them.
    @Test(arguments: AudioFileFormat.allCases) func samplesBeyondFullScaleAreNotCutOff(format: AudioFileFormat) throws {
        var loud = tone(400, count: 16_000)
        loud[5000] = 1e30
        try AudioFile.write(loud, to: corpus.file("loud.wav"), format: .wavFloat)
        try AudioFile.write(tone(400, count: 16_000).map { $0 * 3.5 }, to: corpus.file("over.wav"), format: .wavFloat)
        let url = try corpus.write("m.tsv", corpus.folder.path + "\nloud.wav\t16000\nover.wav\t16000\n")
        let report = try CorpusConverter(format: format).convert(Manifest.read(url), to: corpus.file("out"))
        #expect(report.converted == (format == .wavFloat ? 2 : 1) && report.failures.count == 2 - report.converted)
        for failure in report.failures {
            #expect(failure.reason.contains("times full scale") && failure.reason.contains(format.rawValue))
        }
    }

    @Test func neverReplacesWhatItReads() throws {
        _ = try source()
        let manifest = try Manifest.read(corpus.file("m.tsv"))
        let before = try Data(contentsOf: corpus.file("a.wav"))
        try FileManager.default.createSymbolicLink(at: corpus.file("linked"), withDestinationURL: corpus.folder)
        try FileManager.default.createDirectory(at: corpus.file("hard"), withIntermediateDirectories: true)
        try FileManager.default.linkItem(at: corpus.file("a.wav"), to: corpus.file("hard/a.wav"))
        for folder in [corpus.folder, corpus.file("linked"), corpus.file("d/.."), corpus.file("hard")] {
            let error = try #require(throws: CorpusError.self) {
                try CorpusConverter(format: .wav16, sampleRate: 8000).convert(manifest, to: folder)
            }
            #expect(
                error
                    == .overwritesRecording(
                        recording: corpus.file("a.wav").path, manifest: corpus.file("m.tsv").path, line: 2))
        }
        #expect(try Data(contentsOf: corpus.file("a.wav")) == before)
        #expect(!FileManager.default.fileExists(atPath: corpus.file("conversion.txt").path))
        // Other names in the same folder are harmless.
        #expect(try CorpusConverter(format: .wav16, speeds: [0.9]).convert(manifest, to: corpus.folder).converted == 2)
    }

    @Test func whatCannotBeWrittenEndsTheConversion() throws {
        let manifest = try source()
        // The first recording is good; the second one's folder cannot be made.
        try corpus.write("out/d", "in the way")
        let error = try #require(throws: CorpusError.self) {
            try CorpusConverter(format: .wav16, threads: 1).convert(manifest, to: corpus.file("out"))
        }
        guard case .unwritable(corpus.file("out/d/b.wav").path, _) = error else { throw error }
    }

    @Test func leftoversOfKilledConversionsAreRemoved() throws {
        let manifest = try source()
        let id = "6F9619FF-8B86-D011-B42D-00CF4FC964FF"
        let (gone, kept) = (
            ["out/.a.wav.\(id).partial", "out/d/.b.wav.\(id).partial"],
            ["out/.c.wav.\(id).partial", "out/.a.wav.x.partial"]
        )
        for name in gone + kept { try corpus.write(name, "x") }
        // Another conversion is still at work on it.
        let busy = try AtomicFile(corpus.file("out/a.wav"))
        let converter = CorpusConverter(format: .wav16)
        _ = try converter.convert(manifest, to: corpus.file("out"), stop: { true })
        #expect(gone.allSatisfy { FileManager.default.fileExists(atPath: corpus.file($0).path) })
        _ = try converter.convert(manifest, to: corpus.file("out"))
        #expect(!gone.contains { FileManager.default.fileExists(atPath: corpus.file($0).path) })
        #expect(kept.allSatisfy { FileManager.default.fileExists(atPath: corpus.file($0).path) })
        #expect(busy.temporaryPath.map { FileManager.default.fileExists(atPath: $0) } == true)
    }
}

import Foundation
import TestSupport
import Testing
import W2VCorpus
import W2VTorch

@testable import W2VTraining

/// Whether recordings were among those that a run learned from.
@Suite(.onTestThreads, .serialized) struct SeenRecordingsTests {
    private let corpus: SyntheticCorpus

    init() throws {
        LibTorch.threads = 1
        corpus = try SyntheticCorpus(utterances: 5)
        _ = try Trainer(corpus.job(.pretraining, "run", ["optimization.max_update=1"])).run()
    }

    private func seen(_ lines: String..., root: String? = nil) throws -> SeenRecordings {
        let text = ([root ?? corpus.folder.path] + lines).joined(separator: "\n") + "\n"
        try Data(text.utf8).write(to: corpus.file("test.tsv"))
        return try SeenRecordings(Manifest.read(corpus.file("test.tsv")), in: corpus.file("run"))
    }

    @Test func theSameFileIsFoundByAnyNameAndACopyToo() throws {
        #expect(
            try seen("train0.wav\t16000", "valid5.wav\t17600")
                == SeenRecordings(trained: ["train0.wav"], held: ["valid5.wav"]))
        #expect(try seen("./train1.wav\t17600").trained == ["./train1.wav"])
        let manager = FileManager.default
        try manager.createSymbolicLink(at: corpus.file("link.wav"), withDestinationURL: corpus.file("train0.wav"))
        try manager.copyItem(at: corpus.file("train1.wav"), to: corpus.file("copy.wav"))
        // Of the same length as train0.wav, and of the same size.
        var other = try Data(contentsOf: corpus.file("train0.wav"))
        other[other.count - 3] ^= 1
        try other.write(to: corpus.file("other.wav"))
        #expect(
            try seen("other.wav\t16000", "link.wav\t16000", "copy.wav\t17600").trained == ["link.wav", "copy.wav"])
    }

    @Test func partsOfARecordingOverlapOrDoNot() throws {
        let line = { (start: Double, length: Double) in
            "{\"audio_filepath\": \"\(corpus.file("train0.wav").path)\", \"offset\": \(start), \"duration\": \(length), \"text\": \"a\"}"
        }
        try Data(line(0, 0.5).utf8).write(to: corpus.file("train.jsonl"))
        var job = try corpus.job(.pretraining, "parts", ["optimization.max_update=1"])
        job.train = [WeightedManifest(corpus.file("train.jsonl"), weight: 2)]
        _ = try Trainer(job).run()
        try Data((line(0.4, 0.3) + "\n" + line(0.5, 0.3) + "\n").utf8).write(to: corpus.file("test.jsonl"))
        let found = try SeenRecordings(Manifest.read(corpus.file("test.jsonl")), in: corpus.file("parts"))
        #expect(found.trained.count == 1 && found.trained[0].contains("0.4"), "\(found)")
    }

    @Test func aRunThatDoesNotTellIsAnError() throws {
        let error = try #require(throws: TrainingError.self) {
            try SeenRecordings(Manifest.read(corpus.file("valid.tsv")), in: corpus.folder)
        }
        #expect(error == .unknownLists(run: corpus.folder.path))
        try FileManager.default.removeItem(at: corpus.file("train.tsv"))
        #expect(throws: CorpusError.self) {
            try SeenRecordings(Manifest.read(corpus.file("valid.tsv")), in: corpus.file("run"))
        }
    }
}

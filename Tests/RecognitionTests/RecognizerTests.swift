import Foundation
import TestSupport
import Testing
import W2VAudio
import W2VBackbone
import W2VBase
import W2VCorpus
import W2VInference
import W2VInterchange
import W2VTorch

@testable import W2VRecognition

@Suite(.onTestThreads) struct RecognizerTests {
    /// One check for greedy and beam search, saved scores and alignment: a recording with NaN scores fails by its name,
    /// and the others are unaffected.
    @Test func outputThatIsNotFiniteIsRefused() async throws {
        var loud = tonesInNoise(40_000, seed: 2)
        loud[30_000] = .nan
        let good = Recording(samples: tonesInNoise(12_000, seed: 1), name: "good")
        let bad = Recording(samples: loud, name: "loud")
        let error = InferenceError.notFinite(recording: "loud")
        for windows in [WindowOptions(), WindowOptions(seconds: 1, overlap: 0.2)] {
            let recognizer = try await SmallModels.recognizer(windows: windows, normalizes: false)
            let alone = try await recognizer.transcribe([good])[0].get()
            let plain = try await recognizer.transcribe([good, bad])
            #expect(try plain[0].get() == alone)
            #expect(throws: error) { try plain[1].get() }
            let kept = try await recognizer.recognitions(of: Recordings([bad, good])).all()
            #expect(throws: error) { try kept[0].get() }
            #expect(try kept[1].get().transcription.text == alone.text)
            let scores = try await recognizer.logProbabilities([bad, good])
            #expect(throws: error) { try scores[0].get() }
            #expect(try Recognizer.isFinite(scores[1].get()))
            await #expect(throws: error) { try await recognizer.align(bad, transcript: "A") }
        }
        #expect(Recognizer.isFinite([-.infinity, 0]))
        #expect(!Recognizer.isFinite([0, .infinity]) && !Recognizer.isFinite([.nan]))
        var live = try await LiveRecognizer(SmallModels.recognizer(normalizes: false))
        await #expect(throws: InferenceError.notFinite(recording: "live input")) {
            _ = try await live.append(loud)
            _ = try await live.finish()
        }
    }

    @Test func resultsDependNeitherOnBatchingNorOnOrder() async throws {
        // The last two are longer than a window, so that windows of several recordings share passes.
        let lengths = [16_000, 401, 7_777, 24_000, 12_345, 400, 9_999, 5_000, 41_000, 67_890]
        let windows = WindowOptions(seconds: 2, overlap: 0.5)
        let recordings = lengths.enumerated().map { index, length in
            Recording(samples: tonesInNoise(length, seed: UInt64(index)), name: "\(index)")
        }
        let alone = try await SmallModels.recognizer(batchSeconds: 0, windows: windows)
        let expected = try await alone.logProbabilities(recordings).map { try $0.get() }
        let texts = try await alone.transcribe(recordings).map { try $0.get() }
        #expect(Set(texts.map(\.text)).count > 4, "the model must not write the same everywhere")
        for (index, length) in lengths.enumerated() {
            #expect(expected[index].count == ((length - 400) / 320 + 1) * SmallModels.symbols.count)
            let sum = expected[index].prefix(SmallModels.symbols.count).reduce(0) { $0 + exp($1) }
            #expect(abs(sum - 1) < 1e-5)
        }
        var stream = RandomStream(seed: 7, purpose: .synthesis)
        for _ in 0..<10 {
            let recognizer = try await SmallModels.recognizer(
                batchSeconds: 0.5 + 8 * stream.uniform(), windows: windows)
            let order = lengths.indices.map { ($0, stream.uniform()) }.sorted { $0.1 < $1.1 }.map(\.0)
            let shuffled = order.map { recordings[$0] }
            let scores = try await recognizer.logProbabilities(shuffled).map { try $0.get() }
            let found = try await recognizer.transcribe(shuffled).map { try $0.get() }
            for (position, index) in order.enumerated() {
                let largest = expected[index].map(abs).max()!
                let difference = zip(scores[position], expected[index]).map { abs($0 - $1) }.max()!
                #expect(scores[position].count == expected[index].count)
                #expect(difference <= 1e-5 * largest)
                #expect(found[position].text == texts[index].text)
                #expect(found[position].characters.map(\.start) == texts[index].characters.map(\.start))
            }
        }
    }

    @Test(arguments: [ModelPrecision.Mode.fp16, .bf16, .int8, .fp8])
    func lowerPrecisionRecognizesTheSame(_ mode: ModelPrecision.Mode) async throws {
        let recordings = (0..<4).map { Recording(samples: tonesInNoise(9_000 + 2_000 * $0, seed: UInt64($0))) }
        let exact = try await SmallModels.recognizer().logProbabilities(recordings).map { try $0.get() }
        let half = try await SmallModels.recognizer(precision: ModelPrecision(mode))
        let band: Float = mode == .fp16 ? 0.02 : 0.1
        for (found, expected) in zip(try await half.logProbabilities(recordings), exact) {
            let differences = zip(try found.get(), expected).map { abs($0 - $1) }
            let (largest, scale) = (differences.max() ?? 0, expected.map(abs).max() ?? 0)
            #expect(
                differences.count == expected.count && largest < band * scale && largest > 0, "\(largest) of \(scale)")
        }
    }

    @Test func badRecordingsFailAloneAndByName() async throws {
        let recognizer = try await SmallModels.recognizer()
        struct Broken: Error {}
        let results = try await recognizer.transcribe([
            Recording(samples: tonesInNoise(399, seed: 1), name: "short"),
            Recording(samples: tonesInNoise(8_000, seed: 2)),
            Recording(name: "broken", sampleCount: 9_000) { throw Broken() },
            Recording(samples: [], name: "nothing"),
            Recording(samples: tonesInNoise(400, seed: 3)),
        ])
        #expect(throws: InferenceError.tooShort(recording: "short", samples: 399, needed: 400)) {
            try results[0].get()
        }
        #expect(throws: Broken.self) { try results[2].get() }
        #expect(throws: InferenceError.tooShort(recording: "nothing", samples: 0, needed: 400)) {
            try results[3].get()
        }
        let good = try results[1].get()
        let lone = try await recognizer.transcribe(samples: tonesInNoise(8_000, seed: 2))
        #expect(good.text == lone.text && good.duration == 0.5)
        #expect(try results[4].get().duration == 0.025)
        #expect(try await recognizer.transcribe([]).isEmpty)
    }

    @Test func cancelingStopsBetweenBatches() async throws {
        let recognizer = try await SmallModels.recognizer(batchSeconds: 0)
        let recordings = (0..<400).map { Recording(samples: tonesInNoise(16_000, seed: UInt64($0))) }
        let task = Task { try await recognizer.transcribe(recordings) }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test func wordsHaveTimesAndConfidences() throws {
        let transcriber = try CTCTranscriber(
            LabelWriting(symbols: SmallModels.symbols, style: TextStyle()), frameSeconds: 0.02)
        // blank A A blank T | | E </s>: "AT E", each best label with probability 0.5 or 0.25.
        let path: [(Int, Float)] = [
            (0, 0.9), (7, 0.5), (7, 0.5), (0, 0.9), (6, 0.25), (4, 0.5), (4, 0.5), (5, 0.5), (2, 0.9),
        ]
        let scores = path.flatMap { label, probability in
            (0..<8).map { $0 == label ? log(probability) : log((1 - probability) / 700) }
        }
        let result = try transcriber.transcribe(scores, duration: 0.19)
        #expect(result.text == "AT E")
        #expect(result.words.map(\.text) == ["AT", "E"])
        #expect(result.characters.map(\.text) == ["A", "T", "E"])
        #expect(abs(result.characters[1].start - 0.08) < 1e-9 && abs(result.characters[1].confidence - 0.25) < 1e-6)
        #expect(result.timed(as: "x").characters == result.characters)
        #expect(abs(result.words[0].start - 0.02) < 1e-9 && abs(result.words[0].end - 0.10) < 1e-9)
        #expect(abs(result.words[1].start - 0.14) < 1e-9 && abs(result.words[1].end - 0.16) < 1e-9)
        #expect(abs(result.words[0].confidence - (0.5 * 0.25).squareRoot()) < 1e-6)
        #expect(abs(result.words[1].confidence - 0.5) < 1e-6)
    }

    @Test func phonemesAreWordsOfTheirOwn() throws {
        let transcriber = try CTCTranscriber(
            LabelWriting(symbols: ["<s>", "aa", "b"], style: TextStyle()), frameSeconds: 0.02)
        let result = try transcriber.transcribe([0, 1, 0, 0, 0, 1].map { Float($0) }, duration: 0.04)
        #expect(result.text == "aa b")
    }

    @Test func checkpointsAndDictionariesAreChecked() async throws {
        try await withTemporaryFolder { folder in
            let checkpoint = try SmallModels.ctcCheckpoint(in: folder)
            let recognizer = try await Recognizer(checkpoint: checkpoint)
            let samples = tonesInNoise(20_000, seed: 5)
            let same = try await SmallModels.recognizer().transcribe(samples: samples)
            #expect(try await recognizer.transcribe(samples: samples) == same)
            let dictionary = folder.appendingPathComponent("dict.ltr.txt")
            try Data("| 3\nX 2\nY 2\nZ 1\n".utf8).write(to: dictionary)
            let other = try await Recognizer(checkpoint: checkpoint, dictionary: dictionary)
                .transcribe(samples: samples)
            #expect(other.text.count == same.text.count && other.text != same.text)
            try Data("| 3\nX 2\n".utf8).write(to: dictionary)
            await #expect {
                try await Recognizer(checkpoint: checkpoint, dictionary: dictionary)
            } throws: {
                guard case CheckpointError.dictionarySize(_, dictionary.path, symbols: 6, _) = $0 else { return false }
                return true
            }
            await #expect(throws: CheckpointError.self) { try await Recognizer(checkpoint: folder) }
        }
    }
}

@Suite(.onTestThreads) struct EvaluatorTests {
    @Test func ratesAreThoseOfTheTexts() async throws {
        try await withTemporaryFolder { folder in
            let recognizer = try await SmallModels.recognizer()
            var lines = [folder.path]
            var labels: [String] = []
            for index in 0..<3 {
                let samples = tonesInNoise(12_000 + 4_000 * index, seed: UInt64(index))
                let name = "\(index).wav"
                try AudioFile.write(samples, to: folder.appendingPathComponent(name))
                let heard = try await recognizer.transcribe(folder.appendingPathComponent(name)).text
                lines.append("\(name)\t\(samples.count)")
                // The first is right, the second lacks a word at the end, the third is right.
                labels.append(Transcript.letters(index == 1 ? heard + " MORE" : heard))
            }
            try AudioFile.write(tonesInNoise(300, seed: 8), to: folder.appendingPathComponent("short.wav"))
            lines.append("short.wav\t300")
            labels.append("T E |")
            let manifest = folder.appendingPathComponent("test.tsv")
            try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: manifest)
            try Data((labels.joined(separator: "\n") + "\n").utf8).write(to: folder.appendingPathComponent("test.ltr"))
            let evaluation = try await Evaluator(recognizer).evaluate(manifest)
            let words = evaluation.errors.words.counts
            #expect(words.deletions == 2 && words.substitutions == 0 && words.insertions == 0)
            #expect(evaluation.ser == 0.5)
            #expect(evaluation.utterances.map(\.identifier) == ["0.wav", "1.wav", "2.wav", "short.wav"])
            #expect(evaluation.utterances.map(\.isTooShort) == [false, false, false, true])
            #expect(evaluation.wer == 2 / Double(words.referenceLength))
            #expect(abs(evaluation.audioSeconds - (12_000 + 16_000 + 20_000 + 300) / 16_000) < 1e-6)
            #expect(evaluation.seconds > 0)
        }
    }

    @Test func aWrongLengthIsNamed() async throws {
        try await withTemporaryFolder { folder in
            try AudioFile.write(tonesInNoise(5_000, seed: 1), to: folder.appendingPathComponent("a.wav"))
            let manifest = try Manifest(root: folder, paths: ["a.wav"], sampleCounts: [9_000], labels: ["T |"])
            await #expect(throws: CorpusError.self) {
                try await Evaluator(SmallModels.recognizer()).evaluate(manifest)
            }
        }
    }
}

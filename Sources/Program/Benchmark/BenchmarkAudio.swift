import Foundation
import W2VBase
import W2VCorpus
import W2VTorch
import W2VTraining

/// The batches of a benchmark's updates: noise of constant lengths, or recordings loaded as in training.
///
/// Each update has one micro-batch.
final class BenchmarkAudio: MicroBatchSource {
    private enum Source {
        case noise(MicroBatch)
        case recordings(BatchLoader, SyntheticTranscripts?)
    }

    private let source: Source
    let isReadAhead: Bool
    /// Number of batches.
    private let count: Int

    /// Makes batches of noise.
    ///
    /// - Parameters:
    ///   - samples: Number of samples of each utterance.
    ///   - subBatches: Number of sub-batches that the utterances make up; it divides their number.
    ///   - transcripts: Makes synthetic labels, if the task learns labels.
    ///   - isReadAhead: Whether batches may be prepared before their update starts, as in training.
    /// - Throws: `TorchError` if LibTorch cannot make the noise.
    init(
        noise samples: [Int], subBatches: Int = 1, transcripts: SyntheticTranscripts? = nil, isReadAhead: Bool = true
    ) throws {
        let noise = try Tensor.normal([samples.reduce(0, +)], generator: Generator(seed: 1)).elements(Float.self)
        let labels = transcripts?.labels(of: samples)
        var (parts, first): ([AudioBatch], Int) = ([], 0)
        let size = samples.count / subBatches
        for position in 0..<subBatches {
            let own = position * size..<(position + 1) * size
            let lengths = Array(samples[own])
            let end = first + lengths.reduce(0, +)
            parts.append(
                AudioBatch(
                    position: position, utteranceIndices: Array(own), lengths: lengths,
                    samples: Array(noise[first..<end]), labels: labels.map { Array($0[own]) }))
            first = end
        }
        source = .noise(MicroBatch(parts))
        self.isReadAhead = isReadAhead
        count = .max
    }

    /// Makes batches of recordings, which other threads decode ahead.
    ///
    /// - Parameters:
    ///   - manifest: The recordings.
    ///   - samples: A batch has at most as many samples as these utterances together, and no utterance longer than the
    ///     longest.
    ///   - transcripts: Makes synthetic labels, if the task learns labels.
    ///   - crops: Whether a batch's utterances are cropped to its shortest, as in pre-training.
    ///   - epsilon: The constant added to the variance if recordings are normalized to zero mean and unit variance;
    ///     otherwise `nil`.
    ///   - steps: Number of batches that will be taken.
    ///   - workers: Number of decoding threads.
    /// - Throws: `CorpusError` about the manifest.
    init(
        _ manifest: Manifest, like samples: [Int], transcripts: SyntheticTranscripts? = nil, crops: Bool,
        normalizing epsilon: Double? = nil, steps: Int, workers: Int = 2
    ) throws {
        var options = BatchOptions(
            maxTokens: samples.reduce(0, +), maxSampleSize: samples.max(), minSampleSize: 400,
            requiredBatchSizeMultiple: 1)
        options.crop = crops ? .toShortest : .none
        let plan = try BatchPlan(manifest, options: options, seed: 1, epoch: 0)
        if let summary = plan.exclusionSummary(manifest, naming: 3) { Console.log.warning("\(summary)") }
        let loader = try BatchLoader(
            manifest: manifest, plan: plan, positions: (0..<steps).map { $0 % plan.count },
            normalize: epsilon != nil, epsilon: epsilon ?? 1e-5, workers: workers)
        source = .recordings(loader, transcripts)
        isReadAhead = true
        count = steps
    }

    // MARK: As updates use it

    func beginUpdate() -> [Int] { [0] }

    func makeReader() -> any MicroBatchReader { Reader(source, count) }

    /// Reads the batches.
    private final class Reader: MicroBatchReader {
        private let source: Source
        private let count: Int
        private var taken = 0

        init(_ source: Source, _ count: Int) { (self.source, self.count) = (source, count) }

        func next(through update: Int) throws -> NumberedMicroBatch? {
            guard taken <= update, taken < count else { return nil }
            defer { taken += 1 }
            switch source {
            case .noise(let batch): return NumberedMicroBatch(update: taken, number: 0, batch: batch)
            case .recordings(let loader, let transcripts):
                guard var batch = try loader.next() else { return nil }
                batch.labels = transcripts?.labels(of: batch.lengths)
                return NumberedMicroBatch(update: taken, number: 0, batch: MicroBatch([batch]))
            }
        }

        var waitSeconds: Double {
            switch source {
            case .noise: 0
            case .recordings(let loader, _): loader.waitSeconds
            }
        }

        func cancel() {
            if case .recordings(let loader, _) = source { loader.cancel() }
        }
    }

    func identifier(_ utterance: Int) -> String { "utterance \(utterance)" }
}

/// Synthetic labels: as many letters as people speak in that time.
struct SyntheticTranscripts {
    /// Number of labels, including special ones.
    let labels: Int

    /// Number of letters that English speakers speak per second.
    private static let lettersPerSecond = 14.0

    /// Makes labels of utterances, the same each time.
    ///
    /// - Parameter samples: Number of samples of each utterance.
    /// - Returns: Each utterance's labels, at most one for two frames of 20 ms.
    func labels(of samples: [Int]) -> [[Int]] {
        let first = min(LabelDictionary.specials.count, labels - 1)
        var letters = RandomStream(seed: 1, purpose: .synthesis)
        return samples.map { samples in
            let count = max(1, min(samples / 640 - 1, Int(Double(samples) / 16_000 * Self.lettersPerSecond)))
            return (0..<count).map { _ in first + letters.integer(below: labels - first) }
        }
    }
}

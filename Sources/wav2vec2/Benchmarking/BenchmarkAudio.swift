import Corpus
import Foundation
import Torch
import Wav2Vec2

/// The batches of a benchmark's steps: noise of the same lengths again and again, or recordings as a training loads them.
final class BenchmarkAudio {
    /// A step's utterances, end to end on the device.
    struct Batch {
        var audio: Tensor
        /// The samples of each utterance.
        var samples: [Int]
    }

    private enum Source {
        case noise(Batch)
        case recordings(BatchLoader)
    }

    private let source: Source
    let device: Device

    /// Noise.
    ///
    /// - Parameters:
    ///   - samples: The samples of each utterance.
    ///   - device: Where the model runs.
    /// - Throws: `TorchError` if LibTorch cannot make the tensor.
    init(noise samples: [Int], _ device: Device) throws {
        let noise = try Tensor.normal([samples.reduce(0, +)], generator: Generator(seed: 1)).to(device: device)
        source = .noise(Batch(audio: noise, samples: samples))
        self.device = device
    }

    /// Recordings, decoded ahead by threads of their own.
    ///
    /// - Parameters:
    ///   - manifest: The recordings.
    ///   - samples: A batch has at most as many samples as these utterances together, and none longer than the longest.
    ///   - crops: Whether a batch's utterances are cropped to its shortest, as in pre-training.
    ///   - steps: How many batches will be asked for.
    ///   - workers: How many threads decode.
    ///   - device: Where the model runs.
    /// - Throws: `CorpusError` about the manifest.
    init(_ manifest: Manifest, like samples: [Int], crops: Bool, steps: Int, workers: Int = 2, _ device: Device) throws
    {
        var options = BatchOptions(
            maxTokens: samples.reduce(0, +), maxSampleSize: samples.max(), minSampleSize: 400,
            requiredBatchSizeMultiple: 1)
        options.crop = crops ? .toShortest : .none
        let plan = try BatchPlan(manifest, options: options, seed: 1, epoch: 0)
        if let summary = plan.exclusionSummary(manifest, naming: 3) { Console.error("wav2vec2: \(summary)") }
        source = .recordings(
            try BatchLoader(
                manifest: manifest, plan: plan, positions: (0..<steps).map { $0 % plan.count }, workers: workers))
        self.device = device
    }

    /// The next step's batch.
    ///
    /// - Returns: The batch, uploaded.
    /// - Throws: What is wrong with a recording.
    func next() throws -> Batch {
        try profiled(.dataWait) {
            switch source {
            case .noise(let batch): return batch
            case .recordings(let loader):
                guard let batch = try loader.next() else {
                    throw TorchError.runtime("the benchmark asked for more batches than were planned")
                }
                return Batch(audio: try Tensor(batch.samples).to(device: device), samples: batch.lengths)
            }
        }
    }

    /// How long steps have waited for batches in all, in seconds.
    var waitSeconds: Double {
        switch source {
        case .noise: 0
        case .recordings(let loader): loader.waitSeconds
        }
    }
}

import ArgumentParser
import Foundation
import W2VAudio
import W2VBackbone
import W2VCorpus
import W2VObjectives
import W2VTorch
import W2VTraining

/// Options for timing recordings one batch at a time.
struct LatencyOptions: ParsableArguments {
    @Option(help: "Recordings to time: a manifest or a folder.", completion: .file())
    var manifest: String?

    @Option(help: "Numbers of recordings in a batch to try.")
    var batchSizes = CountList([1, 4, 8, 16])

    @Option(help: ArgumentHelp("Number of batches of each size to time. (default: all)", valueName: "count"))
    var batches: Int?

    @Option(help: "Number of warm-up batches of each size.")
    var warmup = 2

    func validate() throws {
        if let batches, batches < 1 {
            throw ValidationError("--batches is \(batches); it must be at least 1.")
        }
        if warmup < 0 { throw ValidationError("--warmup is \(warmup); it must be at least 0.") }
    }

    /// Times every batch: from files to samples, and from samples to labels.
    ///
    /// - Parameters:
    ///   - model: The recognizer.
    ///   - normalizes: Whether recordings are normalized to zero mean and unit variance.
    ///   - epsilon: A constant added to the variance.
    ///   - manifest: The recordings, used in its order.
    ///   - device: The model's device.
    /// - Throws: An error of reading a recording.
    func measure(
        _ model: CTCModel, normalizes: Bool, epsilon: Double, _ manifest: Manifest, device: Device
    ) throws -> LatencyReport {
        guard manifest.count > 0 else { throw CorpusError.nothingLeft(reason: "\(manifest.name) is empty") }
        let loader = LatencyLoader(
            manifest: manifest, normalizes: normalizes, epsilon: epsilon,
            shortest: model.backbone.featureExtractor.layers.receptiveField)
        let inference = CTCInference(model, on: device)
        let rows = try batchSizes.values.map { size in
            // The last recordings do not fill a batch; they are left out, unless there is no full batch.
            let whole = max(1, manifest.count / size)
            let timed = min(batches ?? whole, whole)
            var (data, network, audio): ([Double], [Double], Double) = ([], [], 0)
            for number in -warmup..<timed {
                let first = (number + warmup) % whole * size
                let (began, batch) = (ContinuousClock.now, try loader.load(first..<min(first + size, manifest.count)))
                let loaded = ContinuousClock.now
                _ = try withoutGradient {
                    try inference(Tensor(batch.samples), lengths: batch.lengths).scores.argmax(-1).elements(Int64.self)
                }
                guard number >= 0 else { continue }
                Console.progress("benchmark: batch \(number + 1) of \(timed) with \(size) recordings")
                data.append((loaded - began) / .seconds(1))
                network.append((ContinuousClock.now - loaded) / .seconds(1))
                audio += Double(batch.samples.count) / Double(AudioFile.modelSampleRate)
            }
            return LatencyReport.Row(batchSize: size, data: data, network: network, audioSeconds: audio)
        }
        return LatencyReport(manifest: manifest.name, device: device.description, rows: rows)
    }
}

/// Loads recordings as a model takes them, one after another on the calling thread.
private struct LatencyLoader {
    let manifest: Manifest
    let normalizes: Bool
    let epsilon: Double
    let shortest: Int

    func load(_ indices: Range<Int>) throws -> (samples: [Float], lengths: [Int]) {
        var (samples, lengths): ([Float], [Int]) = ([], [])
        for index in indices {
            let utterance = manifest[index]
            let range = utterance.offset.map { $0..<($0 + utterance.sampleCount) }
            let found = try AudioFile.read(utterance.audio, frames: range)
            guard found.count >= shortest else {
                throw CorpusError.nothingLeft(
                    reason: "\(utterance.identifier) has \(found.count) samples, and the model needs \(shortest)")
            }
            samples += normalizes ? normalized(found, epsilon: epsilon) : found
            lengths.append(found.count)
        }
        return (samples, lengths)
    }
}

/// The latencies of a model for several batch sizes.
struct LatencyReport: Encodable {
    /// The mean and the 90th, 95th and 99th percentiles over batches, in seconds.
    struct Latency: Encodable {
        var meanS: Double
        var p90S: Double
        var p95S: Double
        var p99S: Double

        init(_ times: [Double]) {
            let sorted = times.sorted()
            func quantile(_ share: Double) -> Double {
                sorted.isEmpty
                    ? .nan : sorted[min(sorted.count, max(1, Int((share * Double(sorted.count)).rounded(.up)))) - 1]
            }
            meanS = times.reduce(0, +) / Double(max(1, times.count))
            (p90S, p95S, p99S) = (quantile(0.9), quantile(0.95), quantile(0.99))
        }
    }

    struct Row: Encodable {
        var batchSize: Int
        var batches: Int
        /// From files to samples.
        var data: Latency
        /// From samples to labels.
        var network: Latency
        /// Both.
        var total: Latency
        /// Seconds of work per second of audio.
        var realTimeFactor: Double
        var audioSPerS: Double

        init(batchSize: Int, data: [Double], network: [Double], audioSeconds: Double) {
            let both = zip(data, network).map { $0 + $1 }
            self.batchSize = batchSize
            batches = data.count
            self.data = Latency(data)
            self.network = Latency(network)
            total = Latency(both)
            realTimeFactor = both.reduce(0, +) / audioSeconds
            audioSPerS = 1 / realTimeFactor
        }
    }

    var task = "inference"
    var manifest: String
    var device: String
    var precision = "fp32"
    var threads = LibTorch.threads
    var peakRssMb = peakResidentMegabytes()
    var batchSizes: [Row]

    init(manifest: String, device: String, rows: [Row]) {
        self.manifest = manifest
        self.device = device
        batchSizes = rows
    }

    var text: String {
        let head = [
            "inference latency on \(manifest), \(precision) on \(device), \(threads) threads; milliseconds a batch", "",
            "batch           mean      90 %      95 %      99 %   real-time factor   audio s/s",
        ]
        let rows = batchSizes.flatMap { row in
            [("data", row.data), ("network", row.network), ("both", row.total)].map { name, latency in
                let numbers = [latency.meanS, latency.p90S, latency.p95S, latency.p99S]
                    .map { column(decimal($0 * 1000, 1), 10) }.joined()
                let line = column(name == "data" ? String(row.batchSize) : "", 5) + column(name, 9) + numbers
                return name == "both"
                    ? line + column(decimal(row.realTimeFactor, 4), 19) + column(decimal(row.audioSPerS, 1), 12) : line
            }
        }
        return (head + rows + ["", "  \(decimal(peakRssMb, 0)) MB at the peak"]).joined(separator: "\n")
    }
}

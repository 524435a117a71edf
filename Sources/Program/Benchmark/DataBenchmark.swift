import ArgumentParser
import Foundation
import W2VAudio
import W2VBackbone
import W2VBase
import W2VCorpus
import W2VObjectives
import W2VTorch

/// `wav2vec2 benchmark data`: the speed of decoding and batching audio, compared with the needs of training.
struct DataBenchmarkCommand: ParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "data",
        abstract: "Time the decoding and batching of audio, and how long training waits for data.",
        discussion: """
            Without --manifest, synthetic speech is generated in each of --formats. Batches of 60 s are decoded by 1 \
            to --threads threads. The number of cores needed to feed one GPU follows from --audio-s-per-s. Its default \
            is the speed at which an H100 would pre-train BASE at 45 % of its 989 TFLOP/s (BF16, dense), computed from \
            the operations per second of audio in a step of --utterances, with --hourglass if given.

            Examples:
              wav2vec2 benchmark data
              wav2vec2 benchmark data --manifest train.tsv --audio-s-per-s 5000 --json
            """)

    @Option(help: "Recordings to decode, instead of synthetic ones: a manifest or a folder.", completion: .file())
    var manifest: String?

    @Option(parsing: .upToNextOption, help: "Formats of the synthetic recordings.")
    var formats: [AudioFileFormat] = [.flac, .opus, .wav16]

    @OptionGroup var model: BenchmarkModelOptions

    @Option(help: "Number of synthetic recordings, of 15 s each.")
    var files = 48

    @Option(help: "Largest number of decoding threads. (default: all cores)")
    var threads: Int?

    @Option(help: "Number of times to measure each.")
    var repetitions = 3

    @Option(
        name: .customLong("audio-s-per-s"),
        help: ArgumentHelp("Seconds of audio per second that training consumes.", valueName: "rate"))
    var audioRate: Double?

    @Option(help: "Number of pre-training steps to measure the wait for data in; 0 for none.")
    var steps = 2

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var logging: LogOptions

    /// Operations per second of an H100 SXM in BF16 without sparsity, from its data sheet.
    private static let h100OperationsPerS = 989.4e12
    /// The utilization that pre-training on a GPU should reach.
    private static let utilization = 0.45
    func validate() throws {
        for (name, value) in [("--files", files), ("--repetitions", repetitions), ("--threads", threads ?? 1)]
        where value < 1 { throw ValidationError("\(name) is \(value); it must be at least 1.") }
        if steps < 0 { throw ValidationError("--steps is \(steps); it must be at least 0.") }
        if let audioRate, !(audioRate > 0 && audioRate.isFinite) {
            throw ValidationError("--audio-s-per-s is \(audioRate); it must be above 0.")
        }
    }

    func run() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("wav2vec2-data-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let corpora = try manifest.map { [("recordings", try Manifest.read(fileURL($0)))] } ?? synthetic(in: folder)
        let most = threads ?? ProcessInfo.processInfo.activeProcessorCount
        let rate = try audioRate ?? usualRate()
        var sets: [DataReport.Corpus] = []
        for (name, corpus) in corpora {
            let rows = try (1...most).map { count in
                Console.progress("benchmark: \(name), \(count) of \(most) threads")
                return try decode(corpus, threads: count)
            }
            sets.append(
                DataReport.Corpus(
                    format: name, recordings: corpus.count, audioHours: Double(corpus.totalSamples) / 57.6e6,
                    threads: rows, audioSPerS: rate))
        }
        var report = DataReport(
            audioSPerS: rate, audioSPerSIsGiven: audioRate != nil, repetitions: repetitions, corpora: sets)
        if steps > 0, let first = corpora.first { report.training = try train(on: first.1, named: first.0) }
        try Console.output(json ? try jsonLine(report) : report.text)
    }

    /// Returns the seconds of audio per second that a GPU pre-trains on: its operations per second divided by the
    /// operations of a step per second of audio.
    private func usualRate() throws -> Double {
        let (configuration, step) = (try model.configuration, model.utterances.samples)
        let frames = step.map(configuration.convFeatureLayers.frames(samples:))
        // With the recipe's options about half of the frames are masked.
        let shapes = try PretrainingModel(configuration, initializer: .shapes)
        let operations = shapes.operations(samples: step, masked: frames.map { $0 / 2 }).training(
            trainsExtractor: true, layerDrop: configuration.encoderLayerdrop)
        let seconds = Double(step.reduce(0, +)) / Double(AudioFile.modelSampleRate)
        return Self.h100OperationsPerS * Self.utilization / (operations / seconds)
    }

    // MARK: Decoding

    private func decode(_ manifest: Manifest, threads: Int) throws -> DataReport.Threads {
        let plan = try BatchPlan.sequential(
            manifest, options: BatchOptions(maxTokens: 960_000, requiredBatchSizeMultiple: 1))
        if let summary = plan.exclusionSummary(manifest, naming: 3) { Console.log.warning("\(summary)") }
        var (wall, processor): ([Double], [Double]) = ([], [])
        // The first pass reads the files from the disk.
        for repetition in 0...repetitions {
            let (began, before) = (ContinuousClock.now, processorSeconds())
            let loader = try BatchLoader(
                manifest: manifest, plan: plan, normalize: true, prefetch: 2 * threads + 2, workers: threads)
            var samples = 0
            while let batch = try loader.next() { samples += batch.samples.count }
            guard repetition > 0 else { continue }
            let hours = Double(samples) / Double(AudioFile.modelSampleRate) / 3600
            wall.append(hours / ((ContinuousClock.now - began) / .seconds(1)))
            processor.append(hours / (processorSeconds() - before))
        }
        return DataReport.Threads(
            threads: threads, hoursPerS: median(wall), hoursPerSAndCore: median(processor))
    }

    /// Measures pre-training steps whose batches are decoded meanwhile, as in a run.
    private func train(on manifest: Manifest, named name: String) throws -> DataReport.Training {
        LibTorch.reuseHostMemory()
        let audio = try BenchmarkAudio(manifest, like: model.utterances.samples, crops: true, steps: steps + 1)
        let training = try BenchmarkedModel(model.configuration).pretrainingBenchmark(on: audio, device: .cpu)
        _ = try training.step()
        let (began, waited) = (ContinuousClock.now, training.waitSeconds)
        for step in 1...steps {
            Console.progress("benchmark: pre-training step \(step) of \(steps)")
            _ = try training.step()
        }
        let seconds = (ContinuousClock.now - began) / .seconds(1)
        return DataReport.Training(
            format: name, steps: steps, stepS: seconds / Double(steps),
            dataWaitShare: (training.waitSeconds - waited) / seconds)
    }

    // MARK: Synthetic recordings

    private func synthetic(in folder: URL) throws -> [(String, Manifest)] {
        let signals = (0..<files).map(Self.speech)
        return try formats.map { format in
            let place = folder.appendingPathComponent(format.rawValue)
            try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
            for (number, signal) in signals.enumerated() {
                Console.progress("benchmark: writing \(format.rawValue), \(number + 1) of \(files)")
                try AudioFile.write(
                    signal, to: place.appendingPathComponent("\(number).\(format.pathExtension)"), format: format)
            }
            return (format.rawValue, try Manifest.read(place))
        }
    }

    /// Synthesizes audio with the spectrum and the pauses of speech, so that encoders spend bits on it as on speech.
    private static func speech(_ number: Int) -> [Float] {
        var stream = RandomStream(seed: 1, purpose: .synthesis, step: number)
        var samples: [Float] = []
        samples.reserveCapacity(240_000)
        while samples.count < 240_000 {
            let (length, pitch, loud) = (
                1600 + stream.integer(below: 3200), 80 + 140 * stream.uniform(), stream.uniform() > 0.2
            )
            let formant = 300 + 2200 * stream.uniform()
            for time in 0..<min(length, 240_000 - samples.count) {
                let breath = 0.003 * stream.normal()
                guard loud else {
                    samples.append(Float(breath * 0.3))
                    continue
                }
                let envelope = sin(.pi * Double(time) / Double(length))
                var voice = 0.0
                for harmonic in 1...12 {
                    let frequency = pitch * Double(harmonic)
                    let gain = 1 / (1 + pow((frequency - formant) / 400, 2)) + 0.3 / Double(harmonic)
                    voice += gain * sin(2 * .pi * frequency * Double(time) / 16_000)
                }
                samples.append(Float(0.1 * envelope * voice + breath))
            }
        }
        return samples
    }
}

/// The output of `benchmark data`.
private struct DataReport: Encodable {
    struct Threads: Encodable {
        var threads: Int
        /// Hours of audio per second of elapsed time.
        var hoursPerS: Double
        /// Hours of audio per second of one core's time, which other programs on the machine do not lower.
        var hoursPerSAndCore: Double
    }

    struct Corpus: Encodable {
        var format: String
        var recordings: Int
        var audioHours: Double
        var threads: [Threads]
        /// Number of cores that decode as fast as training consumes audio.
        var coresNeeded: Double

        init(format: String, recordings: Int, audioHours: Double, threads: [Threads], audioSPerS: Double) {
            self.format = format
            self.recordings = recordings
            self.audioHours = audioHours
            self.threads = threads
            coresNeeded = audioSPerS / 3600 / (threads.last?.hoursPerSAndCore ?? .nan)
        }
    }

    struct Training: Encodable {
        var format: String
        var steps: Int
        var stepS: Double
        var dataWaitShare: Double
    }

    var task = "data"
    var audioSPerS: Double
    var audioSPerSIsGiven: Bool
    var repetitions: Int
    var corpora: [Corpus]
    var training: Training?

    init(audioSPerS: Double, audioSPerSIsGiven: Bool, repetitions: Int, corpora: [Corpus]) {
        self.audioSPerS = audioSPerS
        self.audioSPerSIsGiven = audioSPerSIsGiven
        self.repetitions = repetitions
        self.corpora = corpora
    }

    var text: String {
        var lines = [
            "decoding and batching, median of \(repetitions); a core's hours are by the time it worked", "",
            "format      hours  threads  hours a second  a second and core    cores for \(decimal(audioSPerS, 0)) s/s",
        ]
        for corpus in corpora {
            for row in corpus.threads {
                let isFirst = row.threads == corpus.threads.first?.threads
                let isLast = row.threads == corpus.threads.last?.threads
                lines.append(
                    (isFirst ? corpus.format : "").padding(toLength: 10, withPad: " ", startingAt: 0)
                        + column(isFirst ? decimal(corpus.audioHours, 2) : "", 7) + column(String(row.threads), 9)
                        + column(decimal(row.hoursPerS, 3), 16) + column(decimal(row.hoursPerSAndCore, 3), 19)
                        + column(isLast ? decimal(corpus.coresNeeded, 1) : "", 21))
            }
        }
        let source = audioSPerSIsGiven ? "as given" : "BASE pre-training on one H100 at 45 % of 989 TFLOP/s"
        lines += ["", "\(decimal(audioSPerS, 0)) s of audio per second: \(source)"]
        if let training {
            lines.append(
                "training here on \(training.format): \(training.steps) steps of \(decimal(training.stepS, 2)) s, "
                    + "\(decimal(training.dataWaitShare * 100, 2)) % of the time waiting for data")
        }
        return lines.joined(separator: "\n")
    }
}

import ArgumentParser
import Foundation
import W2VBase
import W2VCluster
import W2VTorch

/// `wav2vec2 benchmark scaling`: the cost of summing gradients over processes on this machine, and a prediction for
/// many GPUs.
struct ScalingCommand: AsyncParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "scaling",
        abstract: "Time pre-training steps of several processes, and predict the speed of many GPUs.",
        discussion: """
            Launches each number of processes on this machine. Every process runs steps on the same batch three ways: \
            alone, with gradients summed over processes after the backward pass, and with gradients summed during it. \
            On a CPU, processes share the cores, so look at the differences between the three.

            With --model, the measured parts (computation, bytes, link) predict the time of an update on 1 to many \
            GPUs. Links and micro-batch times of other hardware can be given as options.

            Examples:
              wav2vec2 benchmark scaling --processes 1,2,4 --timeline step.svg
              wav2vec2 benchmark scaling --model --network-bandwidth 25 \\
                --network-latency 10
              wav2vec2 benchmark scaling --processes 2 --c10d-reducer
            """)

    @Option(help: "Numbers of processes to try, from 1 to 64 each.")
    var processes = CountList([1, 2])

    @OptionGroup var shape: BenchmarkShapeOptions

    @Option(help: "Size of a gradient bucket, in MB.")
    var bucketCapMb = 25.0

    @Flag(help: "Shard the optimizer's state over the processes.")
    var zeroSharding = false

    @Flag(help: "Also time c10d's Reducer, which DistributedDataParallel uses.")
    var c10dReducer = false

    @Option(
        help: ArgumentHelp("Trace of one step to write, for chrome://tracing or ui.perfetto.dev.", valueName: "file"),
        completion: .file(extensions: ["json"]))
    var trace: String?

    @Option(
        help: ArgumentHelp("Picture of one step to write.", valueName: "svg"), completion: .file(extensions: ["svg"]))
    var timeline: String?

    @Flag(help: "Predict the time of an update on many GPUs.")
    var model = false

    @OptionGroup(title: "Prediction") var prediction: PredictionOptions

    @Option(help: .hidden)
    var measureInto: String?

    @OptionGroup var logging: LogOptions

    func validate() throws {
        guard bucketCapMb > 0, bucketCapMb <= 1e6 else {
            throw ValidationError("--bucket-cap-mb is \(bucketCapMb); it must be above 0 and at most 1000000.")
        }
        if zeroSharding, c10dReducer {
            throw ValidationError(
                "--zero-sharding and --c10d-reducer exclude each other: c10d's Reducer sums everywhere.")
        }
        if model, !processes.values.contains(where: { $0 > 1 }), !prediction.describesLinks {
            throw ValidationError("--model needs a number above 1 in --processes, or --bandwidth and --latency.")
        }
    }

    func run() async throws {
        guard let measureInto else { return try measureAll() }
        try shape.compute.apply()
        try await withCluster { cluster in
            let measurement = try ScalingMeasurement.measure(
                shape,
                SumOptions(
                    cluster: cluster, bucketBytes: Int(bucketCapMb * 1_048_576), zeroSharding: zeroSharding,
                    comparesReducer: c10dReducer))
            guard cluster?.isLeader ?? true else { return }
            try writeResult(jsonLine(measurement), to: fileURL(measureInto))
        }
    }

    /// Launches every number of processes, one after another.
    private func measureAll() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "wav2vec2-scaling-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let signals = StopSignal()
        var measurements: [ScalingMeasurement] = []
        for count in processes.values {
            let file = folder.appendingPathComponent("\(count).json")
            var plan = LaunchPlan(
                executable: LaunchCommand.program,
                arguments: arguments + ["--measure-into", file.path] + logging.passedOn(to: arguments),
                processes: count)
            plan.namesRanks = logging.logFormat == .text
            switch try Launcher(plan, logger: Console.logger("launch")).run(stop: { signals.received }) {
            case .finished: break
            case .stopped(let signal): throw ExitCode(signal: signal)
            case .failed(let code, let reason):
                Console.log.error(
                    "with \(count) processes, \(reason)", metadata: ["exit_code": .stringConvertible(code)])
                throw ExitCode(code)
            }
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            measurements.append(try decoder.decode(ScalingMeasurement.self, from: Data(contentsOf: file)))
        }
        try write(measurements)
    }

    /// The arguments of a launched process.
    private var arguments: [String] {
        [
            "benchmark", "scaling", "--utterances", shape.utterances.text, "--hourglass", shape.hourglass,
            "--repetitions", String(shape.repetitions), "--device", shape.compute.device.description,
            "--bucket-cap-mb", String(bucketCapMb),
        ] + (shape.compute.threads.map { ["--threads", String($0)] } ?? [])
            + (zeroSharding ? ["--zero-sharding"] : []) + (c10dReducer ? ["--c10d-reducer"] : [])
    }

    private func write(_ measurements: [ScalingMeasurement]) throws {
        if let most = measurements.max(by: { $0.processes < $1.processes }) {
            if let trace { try StepTrace.chrome(most.traces).write(to: fileURL(trace)) }
            if let timeline {
                let hidden = most.hiddenShare.map { "; \(decimal($0 * 100, 0)) % of the sums' time is hidden" } ?? ""
                let picture = StepTrace.timeline(
                    most.traces,
                    subtitle: "pre-training, utterances \(shape.utterances.text) a process, buckets of "
                        + "\(decimal(bucketCapMb, 0)) MB\(hidden)")
                try writeResult(picture.svg(), to: fileURL(timeline))
            }
        }
        var report = ScalingReport(
            shape: shape.utterances.text, hourglass: shape.hourglass, device: shape.compute.device.description,
            bucketCapMb: bucketCapMb, zeroSharding: zeroSharding, measurements: measurements)
        if model { report.model = try prediction.model(of: measurements, zeroSharding: zeroSharding) }
        report.predictions = report.model?.points(nodes: prediction.nodes)
        try Console.output(shape.json ? try jsonLine(report) : report.text)
    }
}

/// Figures for a prediction that were measured elsewhere.
struct PredictionOptions: ParsableArguments {
    @Option(help: "Micro-batches per update; NVIDIA's benchmark has 8.")
    var microBatches = 8

    @Option(help: "GPUs per machine.")
    var gpusPerNode = 8

    @Option(help: "Largest number of machines.")
    var nodes = 8

    @Option(help: ArgumentHelp("Time of a micro-batch on a GPU. (default: as measured)", valueName: "seconds"))
    var microBatchSeconds: Double?

    @Option(help: ArgumentHelp("Bandwidth between GPUs of a machine. (default: as measured)", valueName: "GB/s"))
    var bandwidth: Double?

    @Option(help: ArgumentHelp("Latency between GPUs of a machine. (default: as measured)", valueName: "µs"))
    var latency: Double?

    @Option(help: ArgumentHelp("Bandwidth between machines. (default: as within them)", valueName: "GB/s"))
    var networkBandwidth: Double?

    @Option(help: ArgumentHelp("Latency between machines. (default: as within them)", valueName: "µs"))
    var networkLatency: Double?

    /// Whether links need not be measured.
    var describesLinks: Bool { bandwidth != nil && latency != nil }

    func validate() throws {
        for (name, value) in [("--micro-batches", microBatches), ("--gpus-per-node", gpusPerNode), ("--nodes", nodes)]
        where value < 1 {
            throw ValidationError("\(name) is \(value); it must be at least 1.")
        }
        let numbers = [
            ("--micro-batch-seconds", microBatchSeconds), ("--bandwidth", bandwidth), ("--latency", latency),
            ("--network-bandwidth", networkBandwidth), ("--network-latency", networkLatency),
        ]
        for case (let name, .some(let value)) in numbers where !(value > 0) {
            throw ValidationError("\(name) is \(value); it must be above 0.")
        }
    }

    /// Makes a model from measured parts: the computation of the fewest processes, the sums of the most.
    func model(of measurements: [ScalingMeasurement], zeroSharding: Bool) throws -> ScalingModel {
        guard let alone = measurements.min(by: { $0.processes < $1.processes }),
            let together = measurements.max(by: { $0.processes < $1.processes })
        else { throw ValidationError("--processes names no number.") }
        let measured = together.link
        guard let gigabytes = bandwidth ?? measured.map({ $0.bandwidth / 1e9 }),
            let microseconds = latency ?? measured.map({ $0.latency * 1e6 })
        else { throw ValidationError("the link could not be measured: give --bandwidth and --latency.") }
        let share = alone.backwardS / (alone.forwardS + alone.backwardS)
        let microBatch = microBatchSeconds ?? alone.forwardS + alone.backwardS
        // A faster device is assumed to update its weights faster by the same factor.
        let speed = microBatch / (alone.forwardS + alone.backwardS)
        return ScalingModel(
            microBatches: microBatches, microBatchS: microBatch, backwardS: microBatch * share,
            optimizerS: alone.updateS * speed * (zeroSharding ? Double(alone.processes) : 1), bytes: together.bytes,
            lastBucketBytes: together.lastBucketBytes ?? together.bytes,
            firstBucketShare: together.firstBucketShare ?? 1, zeroSharding: zeroSharding,
            local: .init(bandwidth: gigabytes * 1e9, latency: microseconds / 1e6),
            network: .init(
                bandwidth: (networkBandwidth ?? gigabytes) * 1e9, latency: (networkLatency ?? microseconds) / 1e6),
            gpusPerNode: gpusPerNode)
    }
}

import ArgumentParser
import Foundation
import W2VBackbone
import W2VBase
import W2VTorch

/// `wav2vec2 benchmark kernels`: each stage's kernel in isolation.
struct KernelsBenchmarkCommand: ParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "kernels",
        abstract: "Time each kernel of a BASE model separately, forward and backward.",
        discussion: """
            Matrix products are compared with a large matrix product in the same run, and elementwise kernels with a \
            memory copy. Only the operations and bytes that the definition requires are counted, not what an \
            implementation computes or reads twice. An Hourglass encoder adds its own kernels. With --verify, nothing \
            is timed: the results and gradients of each kernel are compared with those of the CPU in FP32 on the same \
            inputs. Use it to check a new GPU or driver. --save-reference keeps the CPU's results in a small file, as \
            samples and sums; with --reference, a GPU need not wait for the CPU.

            Examples:
              wav2vec2 benchmark kernels --utterances 8x15 --threads 1
              wav2vec2 benchmark kernels --device cuda --precision bf16 --verify
              wav2vec2 benchmark kernels --utterances 6x10 \\
                --save-reference kernels.safetensors
              wav2vec2 benchmark kernels --utterances 6x10 --device cuda --verify \\
                --reference kernels.safetensors
            """)

    @OptionGroup var model: BenchmarkModelOptions

    @Option(help: "Number of times to measure each kernel.")
    var repetitions = 5

    @OptionGroup var precision: PrecisionOptions

    @OptionGroup var compute: ComputeOptions

    @Flag(help: "Compare results with the CPU's instead of timing.")
    var verify = false

    @Option(
        help: "With --verify, the file of --save-reference to compare with.",
        completion: .file(extensions: ["safetensors"]))
    var reference: String?

    @Option(
        help: "Write the CPU's results in FP32 to this file, for --reference.",
        completion: .file(extensions: ["safetensors"]))
    var saveReference: String?

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var logging: LogOptions

    func validate() throws {
        if reference != nil, !verify { throw ValidationError("--reference goes with --verify.") }
        if saveReference != nil, verify { throw ValidationError("--save-reference goes without --verify.") }
        if saveReference != nil, compute.device != .cpu {
            throw ValidationError("--save-reference keeps the CPU's results; leave out --device \(compute.device).")
        }
        guard repetitions >= 1 else {
            throw ValidationError("--repetitions is \(repetitions); it must be at least 1.")
        }
        try precision.validateForTraining()
    }

    /// Makes the kernels of the BASE model.
    private func kernels(_ mode: ModelPrecision.Mode, isReproducible: Bool = false, _ device: Device) throws
        -> [StageKernel]
    {
        try StageKernel.all(
            model.configuration, samples: model.utterances.samples, initializer: .random(seed: 1),
            precision: ModelPrecision(mode), isReproducible: isReproducible, device: device)
    }

    func run() throws {
        try compute.apply()
        let (device, mode) = (compute.device, precision.precision)
        let (shape, hourglass) = (model.utterances.text, model.hourglass)
        if let saveReference {
            let digests = try KernelDigests(
                kernels(.fp32, isReproducible: true, .cpu), shape: shape, hourglass: hourglass)
            return try digests.write(to: fileURL(saveReference))
        }
        if verify {
            let digests = try reference.map {
                try KernelDigests(fileURL($0), shape: shape, hourglass: hourglass)
            }
            // Each kernel draws its input from the generator of its own list, in the same order.
            let references = try digests == nil ? kernels(.fp32, isReproducible: true, .cpu) : []
            let report = try KernelComparison(
                kernels(mode, isReproducible: true, device), mode, shape: shape, hourglass: hourglass, device: device
            ) { kernel, results in
                if let digests { return try digests.deviations(kernel, results) }
                guard let same = references.first(where: { $0.name == kernel.name }) else {
                    throw TorchError.runtime("there is no kernel \(kernel.name) on the CPU")
                }
                return try KernelComparison.deviations(results, from: same)
            }
            try Console.output(json ? try jsonLine(report) : report.text)
            return try report.requireAgreement()
        }
        let peaks = (
            try device.matrixProductSpeed(dtype: mode.productFormat(on: device)), try device.copySpeed()
        )
        let kernels = try kernels(mode, device)
        let rows = try kernels.map { kernel in
            Console.progress("benchmark: \(kernel.name)")
            return try KernelReport.Row(kernel, repetitions: repetitions, device: device, peaks: peaks)
        }
        let report = KernelReport(
            shape: model.utterances.text, hourglass: model.hourglass, device: device.description,
            precision: mode.rawValue, repetitions: repetitions,
            peakOperationsPerS: peaks.0, peakBytesPerS: peaks.1, kernels: rows)
        try Console.output(json ? try jsonLine(report) : report.text)
    }
}

/// The output of `benchmark kernels`.
private struct KernelReport: Encodable {
    /// A pass of a kernel.
    struct Pass: Encodable {
        var medianS: Double
        var minS: Double
        var operationsPerS: Double?
        var bytesPerS: Double?
        /// Share of a matrix product's speed, or of a copy's.
        var shareOfPeak: Double?

        init(_ times: [Double], _ work: StageKernel.Work, peaks: (operations: Double, bytes: Double)) {
            medianS = median(times)
            minS = times.min() ?? medianS
            switch work {
            case .operations(let count):
                operationsPerS = count / medianS
                shareOfPeak = count / medianS / peaks.operations
            case .bytes(let count):
                bytesPerS = count / medianS
                shareOfPeak = count / medianS / peaks.bytes
            case .uncounted: break
            }
        }
    }

    struct Row: Encodable {
        var kernel: String
        var forward: Pass
        var backward: Pass?

        init(
            _ kernel: StageKernel, repetitions: Int, device: Device, peaks: (operations: Double, bytes: Double)
        ) throws {
            var (forward, backward): ([Double], [Double]) = ([], [])
            for repetition in 0...repetitions {
                let began = ContinuousClock.now
                let output = try kernel.forward()
                try device.synchronize()
                let ended = ContinuousClock.now
                if !kernel.leaves.isEmpty {
                    let gradient = try Tensor.ones(output.shape, dtype: output.dtype, device: device)
                    let backwardBegan = ContinuousClock.now
                    let gradients = try output.gradients(of: kernel.leaves, outputGradient: gradient)
                    try device.synchronize()
                    guard !gradients.contains(where: { $0 == nil }) else {
                        throw TorchError.runtime("\(kernel.name) has an input that gets no gradient")
                    }
                    if repetition > 0 { backward.append((ContinuousClock.now - backwardBegan) / .seconds(1)) }
                }
                if repetition > 0 { forward.append((ended - began) / .seconds(1)) }
            }
            self.kernel = kernel.name
            self.forward = Pass(forward, kernel.forwardWork, peaks: peaks)
            self.backward = backward.isEmpty ? nil : Pass(backward, kernel.backwardWork, peaks: peaks)
        }
    }

    var task = "kernels"
    var shape: String
    var hourglass: String
    var device: String
    var precision: String
    var threads = LibTorch.threads
    var repetitions: Int
    var peakOperationsPerS: Double
    var peakBytesPerS: Double
    var kernels: [Row]

    init(
        shape: String, hourglass: String, device: String, precision: String, repetitions: Int,
        peakOperationsPerS: Double, peakBytesPerS: Double, kernels: [Row]
    ) {
        self.shape = shape
        self.hourglass = hourglass
        self.device = device
        self.precision = precision
        self.repetitions = repetitions
        self.peakOperationsPerS = peakOperationsPerS
        self.peakBytesPerS = peakBytesPerS
        self.kernels = kernels
    }

    var text: String {
        func cells(_ pass: Pass?) -> String {
            guard let pass else { return column("-", 12) + column("", 14) + column("", 9) }
            let speed =
                pass.operationsPerS.map { decimal($0 / 1e9, 1) + " GFLOP/s" }
                ?? pass.bytesPerS.map { decimal($0 / 1e9, 1) + " GB/s" } ?? ""
            return column(decimal(pass.medianS * 1000, 2) + " ms", 12) + column(speed, 15)
                + column(pass.shareOfPeak.map { decimal($0 * 100, 0) + " %" } ?? "", 8)
        }
        let head = [
            "kernels, utterances \(shape), hourglass \(hourglass), \(precision) on \(device), \(threads) threads, median of \(repetitions)",
            "peaks: matrix product \(decimal(peakOperationsPerS / 1e9, 0)) GFLOP/s, copy "
                + "\(decimal(peakBytesPerS / 1e9, 1)) GB/s", "",
            "kernel".padding(toLength: 30, withPad: " ", startingAt: 0) + column("forward", 12)
                + column("of peak", 23) + column("backward", 12) + column("of peak", 23),
        ]
        let rows = kernels.map { row in
            row.kernel.padding(toLength: 30, withPad: " ", startingAt: 0) + cells(row.forward) + cells(row.backward)
        }
        return (head + rows).joined(separator: "\n")
    }
}

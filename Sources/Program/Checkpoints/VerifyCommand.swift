import ArgumentParser
import Foundation
import W2VBase
import W2VInterchange

/// `wav2vec2 checkpoint verify`: compares two checkpoints.
struct VerifyCommand: ParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Compare two checkpoints, in any formats.",
        discussion: """
            Compares the architecture, the dictionary, every tensor, and the models' outputs on the same synthetic \
            audio. The exit code is 0 if the models are the same, and 1 if they differ.

            Example:
              wav2vec2 checkpoint verify wav2vec_small.pt converted --tolerance 0
            """)

    @Argument(help: "Checkpoint: a folder or a .pt file.", completion: .file())
    var first: String

    @Argument(help: "Checkpoint to compare it with.", completion: .file())
    var second: String

    @Option(help: "Largest difference of a tensor, relative to its largest magnitude; 0 requires identical bits.")
    var tolerance = 1e-5

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var logging: LogOptions

    func validate() throws {
        guard tolerance >= 0, tolerance.isFinite else {
            throw ValidationError("--tolerance is \(tolerance); it must be at least 0.")
        }
    }

    func run() throws {
        let (one, other) = try (Checkpoint.read(modelURL(first)), Checkpoint.read(modelURL(second)))
        for (checkpoint, path) in [(one, first), (other, second)] { Console.notes(checkpoint.notes, of: path) }
        let progress = CountProgress("checkpoint verify", "tensors")
        let comparison = try CheckpointComparison(one, other) { done, total in progress.show(done, of: total) }
        let report = VerificationReport(comparison, names: (first, second), tolerance: tolerance)
        try Console.output(json ? try jsonLine(report) : report.text)
        if !report.equal { throw ExitCode(1) }
    }
}

/// The output of `checkpoint verify`.
private struct VerificationReport: Encodable {
    struct Difference: Encodable {
        var key: String
        var first: String
        var second: String
    }

    struct TensorEntry: Encodable {
        var name: String
        var absolute: Nullable<Double>
        var relative: Nullable<Double>

        init(_ difference: CheckpointComparison.TensorDifference) {
            name = difference.name
            // JSON cannot represent infinity: a missing number means different shapes, or NaN elements.
            absolute = Nullable(difference.absolute.isFinite ? difference.absolute : nil)
            relative = Nullable(difference.relative.isFinite ? difference.relative : nil)
        }

        var text: String {
            guard let absolute = absolute.value, let relative = relative.value else {
                return "\(name) cannot be compared: shapes differ, or elements are not numbers"
            }
            let numbers = [absolute, relative].map { String(format: "%.3g", $0) }
            return "\(name) differs by \(numbers[0]), \(numbers[1]) of its largest magnitude"
        }
    }

    var first: String
    var second: String
    var equal: Bool
    var tolerance: Double
    var architecture: [Difference]
    var dictionary: [Difference]
    var dictionariesCompared: Bool
    var missingInFirst: [String]
    var missingInSecond: [String]
    var tensorCount: Int
    var identicalTensors: Int
    var worstTensor: Nullable<TensorEntry>
    var beyondTolerance: [TensorEntry]
    var outputs: [TensorEntry]

    init(_ comparison: CheckpointComparison, names: (String, String), tolerance: Double) {
        (first, second) = names
        equal = comparison.isEqual(tolerance: tolerance)
        self.tolerance = tolerance
        let copy = { (item: CheckpointComparison.Difference) in
            Difference(key: item.key, first: item.first, second: item.second)
        }
        architecture = comparison.architecture.map(copy)
        dictionary = comparison.dictionary.map(copy)
        dictionariesCompared = comparison.comparedDictionaries
        missingInFirst = comparison.missingInFirst
        missingInSecond = comparison.missingInSecond
        tensorCount = comparison.tensors.count
        identicalTensors = comparison.tensors.count { $0.absolute == 0 }
        worstTensor = Nullable(comparison.worst.map(TensorEntry.init))
        beyondTolerance = comparison.tensors.filter { $0.relative > tolerance }.map(TensorEntry.init)
        outputs = comparison.outputs.map(TensorEntry.init)
    }

    /// Maximum number of lines of one kind in the text output.
    private static let shown = 10

    private func list(_ lines: [String]) -> [String] {
        lines.prefix(Self.shown).map { "  \($0)" }
            + (lines.count > Self.shown ? ["  and \(lines.count - Self.shown) more (--json lists all)"] : [])
    }

    var text: String {
        var lines = ["\(first) and \(second) are \(equal ? "the same model" : "different models")"]
        lines += list(architecture.map { "\($0.key) is \($0.first) in the first and \($0.second) in the second" })
        lines += list(dictionary.map { "\($0.key) is \($0.first) in the first and \($0.second) in the second" })
        lines += list(missingInFirst.map { "\($0) is missing in the first" })
        lines += list(missingInSecond.map { "\($0) is missing in the second" })
        lines += list(beyondTolerance.map(\.text))
        lines.append("  \(identicalTensors) of \(tensorCount) tensors in common are bit-identical")
        if let worst = worstTensor.value, worst.absolute.value != 0, beyondTolerance.isEmpty {
            lines.append("  the largest difference: \(worst.text)")
        }
        if outputs.isEmpty {
            lines.append("  outputs are not compared because the architectures differ")
        } else {
            lines += outputs.map {
                $0.absolute.value == 0 ? "  \($0.name) on synthetic audio are bit-identical" : "  \($0.text)"
            }
        }
        // Names of tensors and symbols come from the checkpoint.
        return lines.map(\.printable).joined(separator: "\n")
    }
}

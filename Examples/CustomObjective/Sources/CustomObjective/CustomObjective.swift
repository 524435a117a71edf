import Foundation
import Logging
import W2VAudio
import W2VBackbone
import W2VKernels
import W2VObjectives
import W2VReporting
import W2VTorch
import W2VTraining

/// Regression beside the contrastive objective: predicts how loud a masked frame is from its context vector.
final class LoudnessRegression: Module, Objective {
    /// The recipe's section `loudness`.
    struct Configuration: ObjectiveConfiguration {
        var weight = 1.0
        static let settings = [
            Setting("weight", \Self.weight, "factor on the regression's loss", in: .atLeast(0))
        ]
    }

    static let name = "loudness"
    static let error = Metric(
        "loudness_error", .mean, title: "Squared error of loudness", better: .lower, label: "loudness")
    static let worst = Metric("loudness_worst", .maximum, title: "Largest squared error of loudness", better: .lower)
    static let metrics = [error, worst]

    @Child("projection") private var projection: Linear
    private let weight: Double

    init(_ configuration: Configuration, _ context: ObjectiveContext) throws {
        weight = configuration.weight
        super.init()
        projection = try Linear(context.backbone.encoderEmbedDim, 1, initializer: context.initializer)
    }

    func callAsFunction(_ encoding: Encoding, _ draws: NoDraws, _ pass: ForwardPass) throws -> LossTerms {
        // The logarithm of the features' mean square, [masked frames]; nothing is learned through it.
        let features = try encoding.features.raw.detached().takingRows(encoding.batch.maskedRows)
        let loudness = try (features.squared().mean(-1) + 1e-6).log()
        let errors = try (projection(encoding.maskedContext()).reshaped(-1) - loudness).squared()
        // A sum over masked frames: those of several sub-batches add up to what each has by itself.
        var terms = LossTerms(try errors.sum() * weight)
        let frames = encoding.batch.maskedFrames.reduce(0, +)
        try terms.report(Self.error, errors.sum(), weight: frames)
        // Fine-tuning masks nothing in validation.
        if frames > 0 { try terms.report(Self.worst, errors.maximum(0)) }
        return terms
    }
}

/// Makes recordings, trains for 20 updates, and shows the metrics in the log and in a report.
@main enum CustomObjective {
    static func main() throws {
        ObjectiveRegistry.register(LoudnessRegression.self)
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("custom-objective-\(UUID())")
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        var recipe = try Recipe.load("demo-pretrain")
        try recipe.apply([
            "objectives=[loudness]", "loudness.weight=0.5", "optimization.max_update=20", "logging.log_every=5",
            "batching.max_tokens=64000", "logging.utilisation=false", "watch.patience=20",
        ])
        let job = TrainingJob(
            kind: .pretraining, recipe: recipe,
            train: [WeightedManifest(try recordings("train", 8, in: folder))],
            valid: [WeightedManifest(try recordings("valid", 2, in: folder))],
            output: folder.appendingPathComponent("run"))
        let trainer = try Trainer(job, logger: Logger(label: "custom-objective"))
        guard try trainer.run() == .finished else { throw CocoaError(.userCancelled) }

        let metrics = try MetricsSeries(contentsOf: job.output.appendingPathComponent("metrics.jsonl"))
        let errors = metrics.points(kind: "train", field: "loudness_error").map(\.y)
        var report = TrainingReport(title: "Loudness beside the contrastive objective")
        report.pretraining = metrics
        guard errors.count == 4, errors[3] < errors[0], report.html().contains(LoudnessRegression.error.title) else {
            throw CocoaError(.coderValueNotFound)
        }
        print("custom objective: squared error of loudness \(errors.map { String(format: "%.3f", $0) })")
    }

    /// Writes tones that grow louder, and a manifest of them.
    static func recordings(_ name: String, _ count: Int, in folder: URL) throws -> URL {
        var manifest = folder.path + "\n"
        for index in 0..<count {
            let samples = (0..<16_000).map { sample in
                Float(sample) / 20_000 * sin(Float(sample) * Float(index + 2) * 0.02)
            }
            let file = "\(name)\(index).wav"
            try AudioFile.write(samples, to: folder.appendingPathComponent(file))
            manifest += "\(file)\t\(samples.count)\n"
        }
        let url = folder.appendingPathComponent("\(name).tsv")
        try Data(manifest.utf8).write(to: url)
        return url
    }
}

import Foundation
import TestSupport
import W2VAudio
import W2VBackbone
import W2VBase

@testable import W2VTraining

/// A folder with short synthetic recordings: letters are tones, so that there is something to learn.
final class SyntheticCorpus {
    private let temporary: TemporaryFolder
    var folder: URL { temporary.url }

    init(utterances: Int = 10, seconds: Double = 1) throws {
        temporary = try TemporaryFolder()
        for (name, range) in [("train", 0..<utterances), ("valid", utterances..<utterances + 3)] {
            var manifest = folder.path + "\n"
            var labels = ""
            for index in range {
                let letters = (0..<3).map { ["a", "b", "c"][(index * 7 + $0 * $0 * 5 + index / 3) % 3] }
                let count = Int(16_000 * seconds) + index % 4 * 1_600
                let samples = (0..<count).map { sample in
                    let tone = 300.0 * Double(letters[sample * 3 / count].utf8.first.map { Int($0) - 96 } ?? 1)
                    let noise = Double((sample &* 1_103_515_245 &+ index &* 12_345) >> 8 & 0xFF) / 256 - 0.5
                    return Float(0.3 * sin(2 * .pi * tone * Double(sample) / 16_000) + 0.05 * noise)
                }
                try AudioFile.write(samples, to: file("\(name)\(index).wav"), format: .wavFloat)
                manifest += "\(name)\(index).wav\t\(count)\n"
                labels += letters.joined(separator: " ") + " |\n"
            }
            try Data(manifest.utf8).write(to: file("\(name).tsv"))
            try Data(labels.utf8).write(to: file("\(name).ltr"))
        }
        try Data("| 10\na 10\nb 10\nc 10\n".utf8).write(to: file("dict.ltr.txt"))
    }

    func file(_ name: String) -> URL { temporary.file(name) }

    /// A model that trains very fast, with every dropout on.
    static func recipe(_ assignments: [String] = []) throws -> Recipe {
        var recipe = Recipe()
        try recipe.apply(
            SmallModels.assignments + [
                "model.encoder_layerdrop=0.2", "objective.num_negatives=10", "masking.mask_prob=0.4",
                "masking.mask_length=4", "batching.max_tokens=48000", "batching.required_batch_size_multiple=1",
                "batching.num_concat_batches=2", "optimization.update_freq=2", "optimization.max_update=6",
                "optimization.warmup_updates=2", "optimization.lr=0.001", "logging.log_every=2", "validation.every=3",
                "checkpoint.save_every=1", "logging.utilisation=false",
            ] + assignments)
        return recipe
    }

    func job(_ task: TrainingJob.Kind, _ output: String, _ assignments: [String] = []) throws -> TrainingJob {
        let finetuning = ["batching.crop=none", "masking.mask_channel_prob=0.2", "masking.mask_channel_length=4"]
        return TrainingJob(
            kind: task, recipe: try Self.recipe((task == .finetuning ? finetuning : []) + assignments),
            train: [WeightedManifest(file("train.tsv"))], valid: [WeightedManifest(file("valid.tsv"))],
            output: file(output))
    }

    /// The lines of a run's log, without the declaration of its metrics.
    func metrics(_ output: String) throws -> [[String: Any]] {
        try String(contentsOf: file(output + "/metrics.jsonl"), encoding: .utf8).split(separator: "\n").map {
            try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] ?? [:]
        }.filter { $0["kind"] as? String != "metrics" }
    }

    /// The bytes of a run's saved files, by name.
    func bytes(_ output: String, _ folder: String = "last") throws -> [String: Data] {
        let url = file(output + "/" + folder)
        var result: [String: Data] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: url.path) {
            result[name] = try Data(contentsOf: url.appendingPathComponent(name))
        }
        return result
    }
}

/// The reason why a job does not start.
struct Refusal {
    /// The error; nil for a job that starts.
    var error: (any Error)?

    /// The error, where it is training's own.
    var training: TrainingError? { error as? TrainingError }
    /// The kind of the error.
    var kind: ErrorKind? { (error as? any ExplainedError)?.kind }
    /// The keys of the recipe that differ from the run's.
    var differences: [String]? {
        if case .recipeChanged(_, let differences)? = training { differences } else { nil }
    }
    /// The description of data that differ from the run's, then and now.
    var dataChange: (then: String, now: String)? {
        if case .dataChanged(_, let then, let now)? = training { (then, now) } else { nil }
    }
    /// The damage of the run's state.
    var damage: String? { if case .damagedState(_, let reason, _)? = training { reason } else { nil } }
}

/// Returns the reason why a job does not start.
func refusal(_ job: TrainingJob) -> Refusal {
    do {
        _ = try Trainer(job)
        return Refusal()
    } catch {
        return Refusal(error: error)
    }
}

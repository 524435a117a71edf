import Foundation
import TestSupport
import Testing
import W2VBackbone
import W2VCorpus
import W2VInterchange
import W2VTorch

@testable import W2VTraining

/// The updates that benchmarks measure.
@Suite(.onTestThreads) struct StandaloneUpdatesTests {
    /// The weights after three updates are those of a run, bit for bit: divisor, clipping, random choices and precision
    /// are the trainer's.
    @Test(arguments: [TrainingJob.Kind.pretraining, .finetuning], ["fp32", "bf16"])
    func updatesAreThoseOfARun(_ task: TrainingJob.Kind, precision: String) throws {
        let corpus = try SyntheticCorpus()
        let job = try corpus.job(
            task, "run",
            [
                "optimization.max_update=3", "validation.every=off", "optimization.clip_norm=0.5",
                "precision.mode=\(precision)",
            ])
        _ = try Trainer(job).run()
        let checkpoint = try Checkpoint.read(corpus.file("run/last"))
        let saved = try task == .finetuning ? checkpoint.ctcModel().state() : checkpoint.pretrainingModel().state()

        let recipe = job.recipe
        let manifest = try Manifest.training(job.train, labels: task == .finetuning ? "ltr" : nil)
        let dictionary =
            task == .finetuning ? try LabelDictionary(contentsOf: corpus.file("dict.ltr.txt")) : nil
        let layers = recipe.model.convFeatureLayers
        let data = try TrainingData(
            manifest, recipe: recipe, receptiveField: layers.receptiveField,
            leastSamples: task == .finetuning ? layers.receptiveField : layers.samples(frames: 3),
            dictionary: dictionary, epoch: 0, position: 0)
        let updates =
            try dictionary.map {
                try StandaloneUpdates(
                    finetuning: recipe, labels: $0, weights: nil, on: data, device: .cpu, logger: CapturedLog().logger()
                )
            }
            ?? StandaloneUpdates(
                pretraining: recipe, weights: nil, on: data, device: .cpu, logger: CapturedLog().logger())
        for _ in 0..<3 {
            if data.isEpochFinished { try data.beginNextEpoch() }
            let counts = try updates.next()
            #expect(counts.samples > 16_000 && counts.operations > 1e6 && counts.maskedFrames < counts.frames)
        }
        var compared = 0
        for group in updates.task.groups {
            for (name, tensor) in try group.parameters.copy(group.parameters.masters, sharing: true).named(
                over: nil, tag: 0)
            {
                let other = try #require(saved[name], "\(name)")
                #expect(try tensor.elements(Float.self) == other.elements(Float.self), "\(name)")
                compared += 1
            }
        }
        #expect(compared > 30)
    }
}

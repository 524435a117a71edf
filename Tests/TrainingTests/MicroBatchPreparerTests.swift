import Foundation
import TestSupport
import Testing
import W2VBackbone
import W2VCorpus
import W2VInterchange

@testable import W2VTorch
@testable import W2VTraining

/// Micro-batches prepared ahead by a thread, and in one upload.
@Suite(.onTestThreads) struct MicroBatchPreparerTests {
    private func run(
        _ job: TrainingJob, inBackground: Bool, stop: () -> Int32? = { nil }
    ) throws -> TrainingOutcome {
        try MicroBatchPreparer.$runsInBackground.withValue(inBackground) { try Trainer(job).run(stop: stop) }
    }

    /// The thread is ahead across updates and epochs, and changes no bit of what is saved.
    @Test(arguments: [TrainingJob.Kind.pretraining, .finetuning])
    func aThreadChangesNothing(_ task: TrainingJob.Kind) throws {
        let corpus = try SyntheticCorpus()
        let settings = ["optimization.max_update=7", "batching.num_concat_batches=1"]
        let ahead = try corpus.job(task, "ahead", settings)
        #expect(try run(ahead, inBackground: true) == .finished)
        #expect(try run(corpus.job(task, "inline", settings), inBackground: false) == .finished)
        let (first, second) = try (corpus.bytes("ahead"), corpus.bytes("inline"))
        #expect(Set(first.keys) == Set(second.keys) && first.count > 2)
        for (name, bytes) in first where name.hasSuffix(".safetensors") { #expect(bytes == second[name], "\(name)") }
        let epochs = try corpus.metrics("ahead").compactMap { $0["epoch"] as? Int }
        #expect(Set(epochs).count > 1, "the run crosses an epoch")
    }

    /// What was prepared ahead is dropped with the run, and made again by the resumed one.
    @Test func aStoppedRunResumesWithTheSameBits() throws {
        let corpus = try SyntheticCorpus()
        let settings = ["optimization.max_update=6"]
        #expect(try run(corpus.job(.pretraining, "whole", settings), inBackground: true) == .finished)
        var job = try corpus.job(.pretraining, "parts", settings)
        // Polled after every micro-batch but the first, and after every update: in the middle of the third.
        var polls = 0
        let stopped = try run(job, inBackground: true) {
            polls += 1
            return polls > 4 ? 2 : nil
        }
        #expect(stopped == .stopped(signal: 2))
        job.resume = true
        #expect(try run(job, inBackground: true) == .finished)
        let (whole, parts) = try (corpus.bytes("whole"), corpus.bytes("parts"))
        for (name, bytes) in whole where name.hasSuffix(".safetensors") { #expect(bytes == parts[name], "\(name)") }
    }

    /// A recording that cannot be read fails the update that it belongs to, after all earlier ones.
    @Test(arguments: [true, false]) func anErrorWaitsForItsUpdate(inBackground: Bool) throws {
        let corpus = try SyntheticCorpus()
        let job = try corpus.job(
            .pretraining, "broken",
            [
                "optimization.max_update=4", "batching.num_concat_batches=1", "optimization.update_freq=1",
                "validation.every=off",
            ])
        let data = try TrainingData(
            Manifest.training(job.train, labels: nil), recipe: job.recipe,
            receptiveField: job.recipe.model.convFeatureLayers.receptiveField,
            leastSamples: job.recipe.model.convFeatureLayers.samples(frames: 3), dictionary: nil, epoch: 0, position: 0)
        let reader = data.makeReader()
        let third = try #require(try (0..<3).map { try reader.next(through: $0) }.last ?? nil)
        // With the same length, so that only decoding notices.
        let victim = corpus.file("train\(third.batch.utterances[0]).wav")
        try Data(try Data(contentsOf: victim).prefix(100)).write(to: victim)
        let error = #expect(throws: (any Error).self) { try run(job, inBackground: inBackground) }
        #expect("\(try #require(error))".contains(victim.lastPathComponent))
        let state = try String(decoding: #require(corpus.bytes("broken")["training_state.json"]), as: UTF8.self)
        #expect(state.contains("\"update\" : 2"), "\(state)")
    }

    /// A micro-batch is one upload, with all that its draws and its shape need, and its passes upload nothing.
    ///
    /// With emulated kernels the CPU takes some of a GPU's ways.
    @Test(arguments: [TrainingJob.Kind.pretraining, .finetuning], ["cpu", "emulated"])
    func aMicroBatchIsOneUpload(_ kind: TrainingJob.Kind, _ place: String) throws {
        // Without gradients the CPU computes the features of a few frames or utterances at a time, a GPU those of all.
        let multiplier = kind == .finetuning && place == "cpu" ? 0 : 0.1
        let corpus = try SyntheticCorpus(utterances: 16, seconds: 1.5)
        let job = try corpus.job(
            kind, "unused",
            [
                "batching.max_tokens=60000", "batching.num_concat_batches=2", "objective.cross_sample_negatives=3",
                "objective.codebook_negatives=2", "model.feature_grad_mult=\(multiplier)",
            ])
        let (recipe, layers) = (job.recipe, job.recipe.model.convFeatureLayers)
        let dictionary = kind == .finetuning ? try LabelDictionary(contentsOf: corpus.file("dict.ltr.txt")) : nil
        let data = try TrainingData(
            Manifest.training(job.train, labels: dictionary == nil ? nil : "ltr"), recipe: recipe,
            receptiveField: layers.receptiveField, leastSamples: layers.samples(frames: 3), dictionary: dictionary,
            epoch: 0, position: 0)
        let task: any TrainingTask =
            try dictionary.map {
                try FinetuningTask(recipe, dictionary: $0, weights: .random, device: .cpu)
            } ?? PretrainingTask(recipe, weights: nil, device: .cpu)
        try task.module.convert(for: .training, on: .cpu, precision: ModelPrecision())
        for group in task.groups { try group.parameters.clearGradients() }
        let preparer = try MicroBatchPreparer.$runsInBackground.withValue(false) {
            try MicroBatchPreparer(task, data, from: 1, through: 2)
        }
        var count = 0
        _ = try UploadLog.list {
            for update in 1...2 {
                for number in data.beginUpdate() {
                    var prepared: (any PreparedMicroBatch)?
                    let before = try UploadLog.list {
                        func prepare() throws { prepared = try preparer.next(number, of: update) }
                        try place == "emulated" ? withEmulatedDeviceKernels(prepare) : prepare()
                    }
                    let batch = try #require(prepared)
                    #expect(before.count == 1 && before[0] > max(65_536, 4 * batch.batch.sampleCount), "\(before)")
                    count += 1
                    func pass() throws { _ = try batch.addGradients(lossScale: 1).wait() }
                    let during = try UploadLog.list {
                        if place == "emulated" { #expect(try !kernelsLaunched(pass).isEmpty) } else { try pass() }
                    }
                    #expect(during.isEmpty, "\(during)")
                }
            }
        }
        #expect(count > 2)
    }

    /// The meta device takes a GPU's ways: besides its micro-batches an update uploads nothing, also with a shape that
    /// the device has not seen.
    @Test(arguments: [TrainingJob.Kind.pretraining, .finetuning], ["fp32", "bf16"])
    func anUpdateUploadsItsMicroBatchesOnly(_ kind: TrainingJob.Kind, precision: String) throws {
        let corpus = try SyntheticCorpus(utterances: 16, seconds: 1.5)
        let recipe = try corpus.job(
            kind, "unused",
            [
                "batching.max_tokens=60000", "precision.mode=\(precision)",
                "model.feature_grad_mult=\(kind == .finetuning ? 0 : 0.1)",
            ]
        ).recipe
        let layers = recipe.model.convFeatureLayers
        let labels = kind == .finetuning ? try LabelDictionary(contentsOf: corpus.file("dict.ltr.txt")) : nil
        let data = try TrainingData(
            Manifest.training([WeightedManifest(corpus.file("train.tsv"))], labels: labels == nil ? nil : "ltr"),
            recipe: recipe, receptiveField: layers.receptiveField, leastSamples: layers.samples(frames: 3),
            dictionary: labels, epoch: 0, position: 0)
        try Rehearsal.run {
            let logger = CapturedLog().logger()
            let updates =
                try labels.map {
                    try StandaloneUpdates(
                        finetuning: recipe, labels: $0, weights: nil, on: data, device: .meta, logger: logger)
                }
                ?? StandaloneUpdates(pretraining: recipe, weights: nil, on: data, device: .meta, logger: logger)
            for _ in 1...2 {
                let uploads = try UploadLog.list {
                    try MicroBatchPreparer.$runsInBackground.withValue(false) { _ = try updates.next() }
                }
                // The first BF16 update of a process uploads one number as well.
                let large = uploads.filter { $0 > 8 }
                #expect(large.count == 2 && large.allSatisfy { $0 > 200_000 }, "\(uploads)")
            }
        }
    }
}

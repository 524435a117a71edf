import Foundation
import TestSupport
import Testing
import W2VInterchange
import W2VTorch

@testable import W2VTraining

/// `pretrain --from`: another run's weights, and schedules from the start.
@Suite(.onTestThreads, .serialized) struct ContinuedPretrainingTests {
    init() {
        // The computation is tiny, and test machines are busy.
        LibTorch.threads = 1
    }

    @Test func itBeginsWithTheWeightsAndArchitectureAndTheRecipesSchedules() throws {
        let corpus = try SyntheticCorpus(utterances: 6)
        _ = try Trainer(corpus.job(.pretraining, "first", ["optimization.max_update=3"])).run()
        var job = try corpus.job(
            .pretraining, "second",
            [
                "optimization.max_update=2", "optimization.lr=0", "model.encoder_layers=7", "logging.log_every=1",
                "model.latent_temp=[0.7, 0.5, 0.9]", "model.dropout=0.3",
            ])
        job.from = corpus.file("first/last")
        _ = try Trainer(job).run()
        let (first, second) = (
            try Checkpoint.read(corpus.file("first/last")), try Checkpoint.read(corpus.file("second/last"))
        )
        #expect(second.description.model.encoderLayers == 2, "the architecture is the checkpoint's")
        #expect(second.description.model.dropout == 0.3, "dropouts are the recipe's")
        #expect(Set(second.state.keys) == Set(first.state.keys))
        // With a learning rate of 0 nothing moves, the quantizer included.
        for (name, tensor) in first.state {
            #expect(try tensor.elements(Float.self) == second.state[name]?.elements(Float.self), "\(name)")
        }
        let train = try corpus.metrics("second").filter { $0["kind"] as? String == "train" }
        #expect(train.compactMap { $0["update"] as? Int } == [1, 2])
        let temperatures = train.compactMap { $0["temperature"] as? Double }
        #expect(zip(temperatures, [0.63, 0.567]).allSatisfy { abs($0 - $1) < 1e-9 }, "\(temperatures)")
    }

    @Test func recordingsAreNormalizedAsTheOriginDoes() throws {
        let corpus = try SyntheticCorpus(utterances: 6)
        _ = try Trainer(corpus.job(.pretraining, "first", ["optimization.max_update=1"])).run()
        let first = try Checkpoint.read(corpus.file("first/last"))
        #expect(first.description.normalizeEpsilon == 1e-5)
        var description = first.description
        description.normalize = true
        description.normalizeEpsilon = 1e-7
        let theirs = corpus.file("theirs")
        try FileManager.default.createDirectory(at: theirs, withIntermediateDirectories: true)
        try Checkpoint.write(description, state: first.state, to: theirs)
        var job = try corpus.job(.pretraining, "second", ["optimization.max_update=1"])
        job.from = theirs
        _ = try Trainer(job).run()
        let second = try Checkpoint.read(corpus.file("second/last")).description
        #expect(second.normalize && second.normalizeEpsilon == 1e-7)
        // A run that is resumed without --from has it from its own checkpoint.
        var resumed = try corpus.job(.pretraining, "second", ["optimization.max_update=2"])
        resumed.resume = true
        _ = try Trainer(resumed).run()
        #expect(try Checkpoint.read(corpus.file("second/last")).description.normalizeEpsilon == 1e-7)
    }

    @Test func aFinetunedModelIsRefused() throws {
        let corpus = try SyntheticCorpus(utterances: 4)
        _ = try Trainer(corpus.job(.finetuning, "tuned", ["optimization.max_update=1"])).run()
        var job = try corpus.job(.pretraining, "again")
        job.from = corpus.file("tuned/last")
        #expect(throws: CheckpointError.self) { try Trainer(job) }
    }
}

import Foundation
import TestSupport
import Testing
import W2VBackbone
import W2VInterchange
import W2VKernels
import W2VObjectives
import W2VTorch

@testable import W2VTraining

/// Tells context vectors of some frames to be near a drawn vector: it draws, reads all frames, and has a parameter.
private final class DrawnRegression: Module, Objective {
    struct Configuration: ObjectiveConfiguration {
        var weight = 0.5
        var frames = 4
        static let settings = [
            Setting("weight", \Self.weight, "factor on the loss", in: .moreThan(0)),
            Setting("frames", \Self.frames, "frames that are compared", in: .within(1...8)),
        ]
    }

    struct Draws: BatchDraws {
        let vector: Tensor
        var tensors: [Tensor] { [vector] }
    }

    static let name = "drawn"
    static let error = Metric("drawn_error", .mean, title: "Error of drawn vectors", better: .lower, label: "drawn")
    /// A value that JSON cannot represent.
    static let infinite = Metric("drawn_infinite", .maximum)
    static let metrics = [error, Metric("drawn_most", .maximum), infinite]
    static let reads = EncodedFrames.all

    @Child("projection") private var projection: Linear
    private let configuration: Configuration
    private let channels: Int

    init(_ configuration: Configuration, _ context: ObjectiveContext) throws {
        self.configuration = configuration
        channels = context.backbone.encoderEmbedDim
        super.init()
        projection = try Linear(channels, channels, initializer: context.initializer)
    }

    func draw(_ batch: UtteranceBatch, from source: DrawSource) throws -> Draws {
        var stream = source.stream(of: Self.self, segment: 0)
        return Draws(vector: try batch.upload.add((0..<channels).map { _ in Float(stream.uniform()) }))
    }

    func callAsFunction(_ encoding: Encoding, _ draws: Draws, _ pass: ForwardPass) throws -> LossTerms {
        let count = min(configuration.frames, encoding.batch.layout.total)
        let errors = try (projection(encoding.context().rows(0..<count)) - draws.vector).squared().mean(-1)
        var terms = LossTerms(try errors.sum() * configuration.weight)
        try terms.report(Self.error, errors.sum(), weight: count)
        try terms.report(Self.metrics[1], errors.maximum(0))
        try terms.report(Self.infinite, .scalar(Double.infinity, device: encoding.batch.device))
        return terms
    }
}

/// An objective that a run cannot use, because of its name, its metrics, or its behavior.
private class UnfitObjective: Module, Objective {
    struct Configuration: ObjectiveConfiguration { static var settings: [Setting<Self>] { [] } }

    class var name: String { "unfit" }
    class var metrics: [Metric] { [] }

    required init(_ configuration: Configuration, _ context: ObjectiveContext) throws { super.init() }

    func callAsFunction(_ encoding: Encoding, _ draws: NoDraws, _ pass: ForwardPass) throws -> LossTerms {
        LossTerms(try encoding.maskedContext().sum(-1))
    }
}

private final class NamedAsASection: UnfitObjective { override class var name: String { "batching" } }
private final class NamedInWords: UnfitObjective { override class var name: String { "Two words" } }
private final class ReportingTheLoss: UnfitObjective {
    override class var name: String { "loss_again" }
    override class var metrics: [Metric] { [Metric("seconds", .sum)] }
}
private final class ReportingSomethingElse: UnfitObjective {
    override class var name: String { "undeclared" }
    override func callAsFunction(_ encoding: Encoding, _ draws: NoDraws, _ pass: ForwardPass) throws -> LossTerms {
        var terms = LossTerms(try encoding.maskedContext().sum())
        try terms.report(Metric("other", .sum), .scalar(1))
        return terms
    }
}

private final class LosingItself: UnfitObjective {
    override class var name: String { "lost_loss" }
    override func callAsFunction(_ encoding: Encoding, _ draws: NoDraws, _ pass: ForwardPass) throws -> LossTerms {
        LossTerms(try encoding.maskedContext().sum() * .nan)
    }
}

/// Objectives from outside in addition to a run's own.
@Suite(.onTestThreads, .serialized) struct AddedObjectiveTests {
    init() {
        LibTorch.threads = 1
        ObjectiveRegistry.register(DrawnRegression.self)
    }

    private static let added = ["objectives=drawn", "drawn.weight=0.25"]

    @Test(arguments: [TrainingJob.Kind.pretraining, .finetuning])
    func trainsReportsAndResumesExactly(_ task: TrainingJob.Kind) throws {
        let corpus = try SyntheticCorpus()
        let log = CapturedLog()
        _ = try Trainer(corpus.job(task, "straight", Self.added), logger: log.logger()).run()
        var job = try corpus.job(task, "broken", Self.added)
        var asked = 0
        _ = try Trainer(job).run {
            asked += 1
            return asked > 4 ? SIGTERM : nil
        }
        job.resume = true
        #expect(try Trainer(job).run() == .finished)
        #expect(try corpus.bytes("broken") == corpus.bytes("straight"))

        #expect(log.lines.contains { $0.hasPrefix("update ") && $0.contains(" · drawn ") })
        for kind in ["train", "valid"] {
            let values = try corpus.metrics("straight").filter { $0["kind"] as? String == kind }
            #expect(
                values.allSatisfy { ($0["drawn_error"] as? Double ?? 0) > 0 && $0["drawn_most"] is Double }, "\(kind)")
            #expect(!values.isEmpty && values.allSatisfy { $0["drawn_infinite"] == nil })
        }
        let metrics = try String(contentsOf: corpus.file("straight/metrics.jsonl"), encoding: .utf8)
        let declaration = try #require(metrics.split(separator: "\n").first)
        #expect(declaration.contains("\"kind\":\"metrics\"") && declaration.contains("Error of drawn vectors"))

        // The recipe that a run writes has the objective's section, and only that one.
        let yaml = try String(contentsOf: corpus.file("straight/recipe.yaml"), encoding: .utf8)
        #expect(yaml.contains("drawn:\n") && yaml.contains("weight: 0.25"))
        #expect(!Recipe().yaml.contains("drawn:"))

        // A program without the objective can still read the model, and reports it in a conversion.
        let checkpoint = try Checkpoint.read(corpus.file("straight/last"))
        #expect(
            Set(checkpoint.objectiveState.keys) == [
                "objectives.drawn.projection.weight", "objectives.drawn.projection.bias",
            ])
        #expect(checkpoint.notCarriedOver.contains { $0.hasPrefix("objectives.drawn") })
        _ = try checkpoint.sharedModel()
    }

    @Test func theObjectiveLearnsAndChangesTheModel() throws {
        let corpus = try SyntheticCorpus()
        _ = try Trainer(corpus.job(.pretraining, "with", Self.added)).run()
        _ = try Trainer(corpus.job(.pretraining, "without")).run()
        let (with, without) = (
            try Checkpoint.read(corpus.file("with/last")), try Checkpoint.read(corpus.file("without/last"))
        )
        #expect(without.objectiveState.isEmpty)
        let name = "encoder.layers.1.fc2.weight"
        #expect(
            try #require(with.state[name]).elements(Float.self) != #require(without.state[name]).elements(Float.self))
    }

    @Test func subBatchesDrawTheSameHoweverTheyAreSplit() throws {
        func draws(first: Int, segment: Int) -> UInt64 {
            var stream = DrawSource(seed: 3, update: 5, firstSegment: first, trains: true)
                .stream(of: DrawnRegression.self, segment: segment)
            return stream.next()
        }
        #expect(draws(first: 2, segment: 1) == draws(first: 3, segment: 0))
        #expect(draws(first: 2, segment: 1) != draws(first: 2, segment: 0))
    }

    @Test func whatCannotBeIsRefusedByItsKey() throws {
        func refusal(_ assignments: [String]) -> String {
            var recipe = Recipe()
            do {
                try recipe.apply(assignments)
                return ""
            } catch {
                return "\(error)"
            }
        }
        #expect(refusal(["objectives=energy"]).contains("objectives has 'energy', and this program has only drawn"))
        #expect(refusal(["objectives=drawn,drawn"]).contains("'drawn' twice"))
        #expect(refusal(["objectives=drawn", "drawn.weight=0"]).contains("drawn.weight is 0; it must be more than 0"))
        #expect(refusal(["objectives=drawn", "drawn.frames=9"]).contains("drawn.frames is 9; it must be from 1 to 8"))
        #expect(refusal(["drawn.frames=many"]).contains("drawn.frames is 'many', where a whole number is expected"))
        #expect(refusal(["drawn.wieght=1"]).contains("the nearest is 'drawn.weight'"))
    }

    @Test func objectivesThatDoNotFitAreRefusedByName() throws {
        ObjectiveRegistry.register(UnfitObjective.self)
        ObjectiveRegistry.register(NamedAsASection.self)
        ObjectiveRegistry.register(NamedInWords.self)
        ObjectiveRegistry.register(ReportingTheLoss.self)
        ObjectiveRegistry.register(ReportingSomethingElse.self)
        let corpus = try SyntheticCorpus(utterances: 5)
        func failure(_ name: String) throws -> String {
            do {
                var job = try corpus.job(.pretraining, "run-\(UUID())", ["optimization.max_update=1"])
                try job.recipe.apply(["objectives=\(name)"])
                _ = try Trainer(job).run()
                return ""
            } catch {
                return "\(error)"
            }
        }
        #expect(try failure("batching").contains("cannot be called 'batching': it is a section of every recipe"))
        #expect(try failure("Two words").contains("cannot be called 'Two words': it is not in snake case"))
        #expect(try failure("loss_again").contains("reports 'seconds', which the log has already"))
        #expect(
            try failure("undeclared").contains("objective undeclared reports 'other', which is not one of its metrics"))
        #expect(try failure("unfit").contains("the loss of objective unfit has shape ["))
    }

    @Test func aLossThatIsNotANumberNamesItsObjective() throws {
        ObjectiveRegistry.register(LosingItself.self)
        let corpus = try SyntheticCorpus(utterances: 5)
        let job = try corpus.job(.pretraining, "run", ["objectives=lost_loss"])
        #expect { try Trainer(job).run() } throws: {
            guard case TrainingError.notFinite(1, let what, _) = $0 else { return false }
            return what == "the loss of objective lost_loss"
        }
    }

    @Test func aRunKeepsItsObjectives() throws {
        let corpus = try SyntheticCorpus(utterances: 5)
        var job = try corpus.job(.pretraining, "run", ["optimization.max_update=1"])
        _ = try Trainer(job).run()
        job.resume = true
        job.assigned = ["objectives"]
        try job.recipe.apply(["objectives=drawn", "optimization.max_update=2"])
        #expect(
            refusal(job).differences?.first == "objectives: [] → [drawn]" && refusal(job).kind == .usage,
            "\(refusal(job))")
        // A run with objectives that the program does not have.
        let url = corpus.file("run/last/training_state.json")
        let state = try String(contentsOf: url, encoding: .utf8).replacing(
            "\"objectives\" : \"[]\"", with: "\"objectives\" : \"[lost]\"")
        try Data(state.utf8).write(to: url)
        if case .missingObjectives(_, ["lost"], let known)? = refusal(job).training {
            #expect(known.contains("drawn"))
        } else {
            Issue.record("\(refusal(job))")
        }
    }
}

import Foundation
import TestSupport
import Testing
import W2VKernels
import W2VTorch

@testable import W2VBackbone
@testable import W2VInterchange
@testable import W2VObjectives

/// Bird song classification: a task that no file of the libraries knows.
private final class BirdClassifier: Module {
    @Child("pretrained") var backbone: Wav2Vec2Model
    @Child("classifier") var output: Linear
    private let temperature: Double

    init(_ description: ModelDescription, labels: Int, initializer: Initializer) throws {
        temperature = description.birds.temperature
        super.init()
        backbone = try Wav2Vec2Model(description.model, initializer: initializer)
        output = try Linear(description.model.encoderEmbedDim, labels, initializer: initializer)
    }

    func callAsFunction(_ samples: Tensor, lengths: [Int]) throws -> Tensor {
        try output(backbone(samples, lengths: lengths).context) / temperature
    }
}

private struct BirdConfiguration: ObjectiveConfiguration {
    var temperature = 1.0

    static let settings = [
        Setting(
            "temperature", \BirdConfiguration.temperature, "divides the logits",
            of: SettingScope(.init("birds"), decidesOutput: true))
    ]
}

extension ModelDescription {
    fileprivate var birds: BirdConfiguration {
        get { self[BirdConfiguration.self] }
        set { self[BirdConfiguration.self] = newValue }
    }
}

extension ModelTask {
    fileprivate static let birds: ModelTask = {
        var task = ModelTask("birds", phrase: "a classifier of birds") { description, labels, initializer in
            try BirdClassifier(description, labels: labels, initializer: initializer)
        } outputs: { checkpoint, samples, lengths in
            let model = try BirdClassifier(
                checkpoint.description, labels: checkpoint.labelCount, initializer: .empty)
            return [("birds", try checkpoint.loaded(model)(samples, lengths: lengths))]
        }
        task.purpose = "bird watching"
        task.backbonePrefix = "pretrained."
        task.isFinetuned = true
        task.outputLayer = "classifier"
        task.parts = [.backbone, .masking, .init("birds")]
        task.section = TaskSection("birds", \.birds)
        task.huggingFace.architectures = ["wav2vec2": "Wav2Vec2ForBirds"]
        task.huggingFace.names = [ParameterName("classifier.", "perch.", marksHead: true)]
        return task
    }()
}

/// A task is one value and one line of registration: everything that opens, writes and compares checkpoints asks it.
@Suite(.onTestThreads) struct ModelTaskTests {
    private static let species = ["wren", "rook", "kite"]

    init() { ModelTask.register(.birds) }

    private func model() throws -> (description: ModelDescription, state: [String: Tensor]) {
        var description = try SmallModel(task: .birds).description()
        description.labels = Self.species
        description.birds.temperature = 2
        let made = try ModelTask.birds.makeModel(description, 3, .random(seed: 3))
        return (description, try FusedParameters.split(made.state()))
    }

    private func written(
        to folder: URL, format: CheckpointFormat = .native, _ change: (inout ModelDescription) -> Void = { _ in }
    ) throws -> Checkpoint {
        var (description, state) = try model()
        change(&description)
        let url = folder.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        try Checkpoint.write(description, state: state, to: url, format: format)
        return try Checkpoint.read(url)
    }

    @Test func ofOurOwnFormat() throws {
        try withTemporaryFolder { folder in
            let (description, state) = try model()
            let checkpoint = try written(to: folder)
            #expect(checkpoint.description == description && checkpoint.description.birds.temperature == 2)
            #expect(try differences(checkpoint.state, state) == [])
            #expect(try checkpoint.requireLabels() == Self.species && checkpoint.labelCount == 3)
            #expect(try checkpoint.sharedState()["encoder.layer_norm.weight"] != nil)
            #expect(description.uses("birds.temperature") && !description.uses("ctc.blank_weight"))
            let converted = folder.appendingPathComponent("converted")
            #expect(try checkpoint.convert(to: converted, format: .native) == [])
            #expect(try Checkpoint.read(converted).description == description)
        }
    }

    @Test func sectionsOfOtherTasksStayAsTheyAre() throws {
        let (birds, _) = try model()
        let recognizer = try SmallModel(task: .ctc).description()
        func sections(_ description: ModelDescription) throws -> Set<String> {
            Set(try #require(JSONSerialization.jsonObject(with: description.json()) as? [String: Any]).keys)
        }
        let every: Set = [
            "format", "format_version", "task", "model", "masking", "objective", "ctc", "normalize",
            "normalize_epsilon",
        ]
        #expect(try sections(recognizer) == every.union(["labels"]))
        #expect(try sections(SmallModel(task: .encoder).description()) == every)
        #expect(try sections(birds) == every.union(["labels", "birds"]))
    }

    @Test func ofHuggingFace() throws {
        try withTemporaryFolder { folder in
            let checkpoint = try written(to: folder, format: .huggingFace)
            let theirs = try TensorFile.read(checkpoint.url.appendingPathComponent("model.safetensors"))
            #expect(theirs["perch.weight"] != nil && theirs["wav2vec2.masked_spec_embed"] != nil)
            #expect(checkpoint.description.task == .birds && checkpoint.description.birds.temperature == 2)
            #expect(try differences(checkpoint.state, model().state) == [])
            // The head reveals the task if the configuration does not.
            try edit(checkpoint.url, "config.json") {
                #expect($0["architectures"] as? [String] == ["Wav2Vec2ForBirds"])
                $0["architectures"] = nil
            }
            #expect(try Checkpoint.read(checkpoint.url).description.task == .birds)
        }
    }

    @Test func aFamilyRenamesAHead() throws {
        var family = ModelFamily.wav2vec2.variant("Aviary", modelType: "aviary")
        family.rename("classifier.", to: "roost.")
        let names = FamilyNames(family, task: .birds, extractorMode: .groupNorm)
        #expect(names.theirs("classifier.bias") == "roost.bias" && names.ours("roost.bias") == "classifier.bias")
        #expect(names.ours("perch.bias") == nil)
        #expect(FamilyNames(family, task: .ctc, extractorMode: .groupNorm).ours("roost.bias") == nil)
    }

    @Test func outputsAreCompared() throws {
        try withTemporaryFolder { folder in
            let (first, same) = try (written(to: folder), written(to: folder))
            let equal = try CheckpointComparison(first, same)
            #expect(equal.isEqual(tolerance: 0) && equal.outputs.map(\.name) == ["birds"])
            let warm = try written(to: folder) { $0.birds.temperature = 3 }
            let comparison = try CheckpointComparison(first, warm)
            #expect(comparison.architecture == [.init(key: "birds.temperature", first: "2", second: "3")])
        }
    }

    @Test func whatHasNoPlaceIsNamed() throws {
        try withTemporaryFolder { folder in
            let checkpoint = try written(to: folder)
            func problem(_ body: () throws -> Void) throws -> String {
                "\(try #require(#expect(throws: CheckpointError.self) { try body() }))"
            }
            #expect {
                try checkpoint.convert(to: folder.appendingPathComponent("a.pt"), format: .fairseq)
            } throws: {
                if case CheckpointError.cannotHold(.fairseq, "a classifier of birds", _) = $0 { true } else { false }
            }
            #expect(
                try problem { _ = try checkpoint.ctcModel() }.contains(
                    "holds a classifier of birds, which cannot transcribe; fine-tune it first"))
            #expect(
                try problem { _ = try checkpoint.pretrainingModel() }.hasSuffix(
                    "holds a classifier of birds where a pre-training model is needed"))
        }
    }

    @Test func configurationsThatWereNeverSetAreTheDefaults() throws {
        var (first, second) = (TaskConfigurations(), TaskConfigurations())
        #expect(first == second)
        second[BirdConfiguration.self] = BirdConfiguration()
        #expect(first == second && second == first)
        second[BirdConfiguration.self].temperature = 4
        #expect(first != second && second != first)
        first[BirdConfiguration.self].temperature = 4
        #expect(first == second)
    }
}

import Foundation
import TestSupport
import Testing
import W2VTorch

@testable import W2VBackbone
@testable import W2VInterchange

@Suite(.onTestThreads) struct CheckpointComparisonTests {
    /// A model written with changes.
    private func write(
        _ folder: URL, _ model: SmallModel, _ change: (inout ModelDescription, inout [String: Tensor]) throws -> Void
    ) throws -> Checkpoint {
        let url = folder.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        var (description, state) = try (model.description(), model.state())
        try change(&description, &state)
        try Checkpoint.write(description, state: state, to: url)
        return try Checkpoint.read(url)
    }

    @Test(arguments: [ModelTask.pretraining, .ctc, .encoder])
    func theSameModelIsTheSame(_ task: ModelTask) throws {
        try withTemporaryFolder { folder in
            let model = SmallModel(task: task)
            let first = try write(folder, model) { _, _ in }
            // Settings that only training uses are not compared.
            let second = try write(folder, model) { description, _ in
                description.model.dropout = 0.3
                description.model.latentTemp = [1, 1, 1]
                description.masking.time.length = 3
            }
            let comparison = try CheckpointComparison(first, second)
            #expect(comparison.isEqual(tolerance: 0))
            #expect(comparison.tensors.count == first.state.count)
            #expect(
                comparison.outputs.map(\.name)
                    == (task == .ctc ? ["logits"] : task == .encoder ? ["context"] : ["context", "quantized"]))
            #expect(comparison.comparedDictionaries == (task == .ctc))
        }
    }

    @Test func aChangedTensorIsFoundAndMeasured() throws {
        try withTemporaryFolder { folder in
            let model = SmallModel(task: .ctc)
            let name = "w2v_encoder.w2v_model.encoder.layers.1.fc1.bias"
            let first = try write(folder, model) { _, state in state[name] = try Tensor.ones([48]) }
            let second = try write(folder, model) { _, state in state[name] = try Tensor.full([48], 1.001) }
            let comparison = try CheckpointComparison(first, second)
            let worst = try #require(comparison.worst)
            #expect(worst.name == name && abs(worst.relative - 0.001) < 1e-6 && worst.absolute == worst.relative)
            #expect(!comparison.isEqual(tolerance: 1e-5) && comparison.isEqual(tolerance: 0.01))
            #expect(try #require(comparison.outputs.first).absolute > 0)
        }
    }

    @Test func nanDiffersFromNumbers() throws {
        try withTemporaryFolder { folder in
            let model = SmallModel(task: .ctc)
            let first = try write(folder, model) { _, _ in }
            let second = try write(folder, model) { _, state in
                state["w2v_encoder.proj.bias"] = try Tensor.full([9], .nan)
            }
            let comparison = try CheckpointComparison(first, second)
            #expect(comparison.worst?.relative == .infinity && !comparison.isEqual(tolerance: 1e9))
        }
    }

    @Test func architectureAndDictionaryAreCompared() throws {
        try withTemporaryFolder { folder in
            let model = SmallModel(task: .ctc)
            let first = try write(folder, model) { _, _ in }
            let second = try write(folder, model) { description, _ in
                description.model.encoderAttentionHeads = 2
                description.normalize = true
                description.labels[8] = "X"
            }
            let comparison = try CheckpointComparison(first, second)
            #expect(comparison.architecture.map(\.key) == ["normalize", "model.encoder_attention_heads"])
            #expect(comparison.architecture.last?.first == "4" && comparison.architecture.last?.second == "2")
            #expect(comparison.dictionary == [.init(key: "label 8", first: "'", second: "X")])
            #expect(comparison.outputs.isEmpty && !comparison.isEqual(tolerance: 1))
        }
    }

    @Test func tensorsOfOneSideAreNamed() throws {
        try withTemporaryFolder { folder in
            let first = try write(folder, SmallModel(task: .encoder)) { _, _ in }
            let second = try write(folder, SmallModel(task: .pretraining)) { _, state in
                for (name, tensor) in try SmallModel(task: .encoder).state() { state[name] = tensor }
            }
            let comparison = try CheckpointComparison(first, second)
            #expect(comparison.architecture.map(\.key) == ["task"] && comparison.worst?.absolute == 0)
            #expect(comparison.missingInSecond == [] && comparison.missingInFirst.count == 7)
            #expect(comparison.missingInFirst.first == "final_proj.bias" && !comparison.isEqual(tolerance: 1))
        }
    }

    // MARK: Conversion's place

    @Test func nothingIsOverwrittenByDefault() throws {
        try withTemporaryFolder { folder in
            let model = SmallModel(task: .ctc)
            let checkpoint = try Checkpoint.read(model.write(to: folder))
            let place = folder.appendingPathComponent("above/converted")
            _ = try checkpoint.convert(to: place, format: .huggingFace)
            #expect(throws: CheckpointError.self) { try checkpoint.convert(to: place, format: .huggingFace) }
            let before = try Checkpoint.read(place).state
            _ = try checkpoint.convert(to: place, format: .native, replacing: true)
            #expect(try Checkpoint.read(place).format == .native)
            #expect(try differences(before, Checkpoint.read(place).state) == [])
            // Their files are gone, and there is nothing beside the new folder.
            #expect(
                try Set(FileManager.default.contentsOfDirectory(atPath: place.path)) == [
                    "config.json", "model.safetensors",
                ])
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: folder.appendingPathComponent("above").path) == [
                    "converted"
                ])
            // A folder with anything else in it stays even when asked.
            try Data("mine".utf8).write(to: place.appendingPathComponent("notes.txt"))
            #expect(throws: CheckpointError.self) {
                try checkpoint.convert(to: place, format: .native, replacing: true)
            }
            #expect(FileManager.default.fileExists(atPath: place.appendingPathComponent("notes.txt").path))
        }
    }

    @Test func aFailedConversionLeavesNothing() throws {
        try withTemporaryFolder { folder in
            let checkpoint = try write(folder, SmallModel(task: .ctc)) { description, _ in
                description.labels[8] = description.labels[7]
            }
            let place = folder.appendingPathComponent("converted")
            #expect(throws: CheckpointError.self) { try checkpoint.convert(to: place, format: .huggingFace) }
            let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            #expect(names.count == 1 && !names.contains("converted"))
        }
    }
}

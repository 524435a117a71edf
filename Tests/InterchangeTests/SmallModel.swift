import Foundation
import TestSupport
import Testing
import W2VTorch

@testable import W2VBackbone
@testable import W2VInterchange
@testable import W2VObjectives

/// Small models with random weights, which tests write and read.
struct SmallModel: Sendable, CustomTestStringConvertible {
    var task: ModelTask
    /// Layer norm in the extractor and before blocks, and biases, as in LARGE.
    var isLarge = false
    /// Whether features have as many channels as the encoder, so that there is no projection.
    var isSquare = false

    static let all = [ModelTask.pretraining, .ctc, .encoder].flatMap { task in
        [SmallModel(task: task), SmallModel(task: task, isLarge: true), SmallModel(task: task, isSquare: true)]
    }
    static let labels = ["<s>", "<pad>", "</s>", "<unk>", "|", "E", "T", "A", "'"]

    var testDescription: String { "\(task.name)\(isLarge ? ", large" : "")\(isSquare ? ", square" : "")" }

    /// The model's differences in Transformers: the constant added to the variance of recordings.
    var differsInHuggingFace: [String] { isLarge ? ["normalize_epsilon: 1e-05, where theirs is always 1e-07"] : [] }

    func description() throws -> ModelDescription {
        let model = try ModelConfiguration.small(channels: isSquare ? 32 : 16) {
            $0.latentDim = 16
            if isLarge { $0.becomeLarge() }
        }
        var description = ModelDescription(task: task, model: model)
        description.normalize = isLarge
        // Hugging Face's objective has no penalty on the features' energy.
        description.objective.lossWeights = [0.1, 0]
        // fairseq's least number of spans, which its options cannot change.
        description.masking.time.minMasks = 2
        if task == .ctc { description.labels = Self.labels }
        return description
    }

    /// Random weights by fairseq's names, each tensor in its own memory.
    func state(seed: Int64 = 7) throws -> [String: Tensor] {
        let description = try description()
        let initializer = try Initializer.random(seed: seed)
        let model = try task.makeModel(description, Self.labels.count, initializer)
        // Biases and norms must not be constants either.
        let noise = try Generator(seed: seed + 1)
        for parameter in model.parameters() {
            try parameter.tensor.copy(
                from: parameter.tensor + Tensor.normal(parameter.tensor.shape, dtype: .float32, generator: noise) * 0.1)
        }
        return try FusedParameters.split(model.state()).mapValues { try $0.contiguous() }
    }

    /// Writes the model in a format and returns its path.
    func write(to folder: URL, _ name: String = "model", format: CheckpointFormat = .native) throws -> URL {
        let url = folder.appendingPathComponent(name)
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        try Checkpoint.write(description(), state: state(), to: url, format: format)
        return url
    }
}

/// Calls `body` with a copy of a golden folder.
func withCopy<Result>(of name: String, _ body: (URL) throws -> Result) throws -> Result {
    try withTemporaryFolder { folder in
        let copy = folder.appendingPathComponent(name)
        try FileManager.default.copyItem(at: Repository.golden.appendingPathComponent(name), to: copy)
        return try body(copy)
    }
}

/// Changes a JSON file of a folder; one that is missing starts empty.
func edit(_ folder: URL, _ name: String, _ body: (inout [String: Any]) -> Void) throws {
    let file = folder.appendingPathComponent(name)
    let data = FileManager.default.contents(atPath: file.path) ?? Data("{}".utf8)
    var object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    body(&object)
    try JSONSerialization.data(withJSONObject: object).write(to: file)
}

/// Returns the names of tensors that are not bit-identical in two states, or are in one of them only.
func differences(_ first: [String: Tensor], _ second: [String: Tensor]) throws -> [String] {
    try Set(first.keys).union(second.keys).sorted().filter { name in
        guard let one = first[name], let other = second[name], one.shape == other.shape, one.dtype == other.dtype
        else { return true }
        let bytes = try [one, other].map { try $0.contiguous().withUnsafeMutableBytes { Data($0) } }
        return bytes[0] != bytes[1]
    }
}

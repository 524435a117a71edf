import Foundation
import TestSupport
import Testing
import W2VBase
import W2VTorch

@testable import W2VBackbone
@testable import W2VInterchange
@testable import W2VObjectives

/// One run of a reference implementation: configuration, weights, inputs, outputs.
struct GoldenCase: Sendable, CustomTestStringConvertible {
    /// The part of a run that a ragged implementation can match (golden README, first table).
    enum Extent: String {
        case everything = "equal"
        case validFrames = "valid-frames"
        case activationsAndContrastiveLoss = "activations-and-contrastive"
        case utterancesAlone = "alone-only"
        case nothing = "none"
    }

    let folder: URL
    let name: String
    let facts: JSONValue
    let extent: Extent
    /// The `.pt` file that the model comes from, if it is not the weights that the facts name.
    var checkpoint: String?

    var testDescription: String { checkpoint.map { "\(name) from \($0)" } ?? name }

    /// The kind of run; nil if the table does not know it.
    var task: GoldenTask? { GoldenTask.table[name] }

    /// Whether the model has a head for letters.
    var isRecognizer: Bool { task == .recognition || task == .inference }

    /// The fixtures, and the folder named by `WAV2VEC2_GOLDEN_DIR`.
    static let folders: [URL] = {
        let extra = ProcessInfo.processInfo.environment["WAV2VEC2_GOLDEN_DIR"]
        return [Repository.golden] + (extra.map { [URL(fileURLWithPath: $0)] } ?? [])
    }()

    /// All cases that a ragged implementation can match, at least in part.
    ///
    /// Each comes once with the reference's plain weights, and once with each `.pt` file of the same model.
    static let all: [GoldenCase] = folders.flatMap { folder -> [GoldenCase] in
        let files = (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
        let saved = files.filter { $0.pathExtension == "pt" }.map(\.lastPathComponent).sorted()
        return files.filter { $0.pathExtension == "json" }.sorted { $0.path < $1.path }.flatMap { file in
            let name = file.deletingPathExtension().lastPathComponent
            // Weights, seeds and optimizers have their facts in such files too.
            guard let data = try? Data(contentsOf: file), let facts = try? JSONParser.value(data),
                let ragged = facts["ragged"]?.string
            else { return [GoldenCase]() }
            guard let extent = Extent(rawValue: ragged) else {
                fatalError("\(file.path): \"ragged\" is \(ragged), which these tests do not know")
            }
            if extent == .nothing { return [] }
            let model = name.prefix { $0 != "." } + "."
            return ([nil] + saved.filter { $0.hasPrefix(model) }).map {
                GoldenCase(folder: folder, name: name, facts: facts, extent: extent, checkpoint: $0)
            }
        }
    }

    func tensors(_ file: String) throws -> [String: Tensor] {
        try TensorFile.read(folder.appendingPathComponent(file + ".safetensors"))
    }

    /// The utterances without padding: all samples, concatenated, and lengths.
    func input() throws -> (samples: Tensor, lengths: [Int]) {
        let name = try #require(facts["input"]?.string)
        let inputs = try tensors("inputs")
        let lengths = try #require(inputs["\(name).lens"]).elements(Int.self)
        let source = try #require(inputs["\(name).source"])
        let parts = try lengths.indices.map { try source.selected(0, $0).rows(0..<lengths[$0]) }
        return (try .concatenate(parts), lengths)
    }

    /// Description and parameters, by the model's own names.
    func model() throws -> (description: ModelDescription, state: [String: Tensor]) {
        if let directory = facts["directory"]?.string {
            let checkpoint = try Checkpoint.read(folder.appendingPathComponent(directory))
            return (checkpoint.description, try FusedParameters.join(checkpoint.state))
        }
        if let name = checkpoint {
            let checkpoint = try Checkpoint.read(folder.appendingPathComponent(name))
            var description = checkpoint.description
            if isRecognizer { description.model.featureGradMult = facts["feature_grad_mult"]?.double ?? 1 }
            return (description, try FusedParameters.join(checkpoint.state))
        }
        var description = ModelDescription(task: isRecognizer ? .ctc : .pretraining, model: ModelConfiguration())
        let table = SettingTable<ModelDescription>(
            ModelConfiguration.settings.map { $0.lifted("", \.model) }
                + MaskingConfiguration.settings.map { $0.lifted("", \.masking) }
                + ContrastiveConfiguration.settings.map { $0.lifted("", \.objective) })
        let renamed = ["hourglass_transformer": "hourglass"]
        guard case .object(let config)? = facts["config"] else { throw CheckpointError.missing(path: name) }
        let known = Set(table.settings.map(\.name))
        for (key, value) in config {
            let key = renamed[key] ?? key
            if known.contains(key) { try table.set(key, to: text(value), in: &description) }
        }
        if let multiplier = facts["feature_grad_mult"]?.double { description.model.featureGradMult = multiplier }
        if isRecognizer && facts["feature_grad_mult"] == nil { description.model.featureGradMult = 1 }
        if let weights = facts["loss_weights"]?.array?.compactMap(\.double) {
            description.objective.lossWeights = weights.count == 2 ? weights : [weights[0], 0]
        }
        let files = try facts["weights"]?.array?.compactMap(\.string) ?? [#require(facts["weights"]?.string)]
        var state: [String: Tensor] = [:]
        for file in files { state.merge(try tensors(file)) { _, new in new } }
        if isRecognizer {
            if files.count == 1 {
                // The file holds the projection only; the rest is the pre-trained model's.
                state.merge(try tensors(files[0].replacing("_ctc", with: ""))) { first, _ in first }
            }
            let heads = ["quantizer.", "project_q.", "final_proj."]
            state = Dictionary(
                uniqueKeysWithValues: state.compactMap { key, tensor in
                    if key.hasPrefix("w2v_encoder.proj") { return (key, tensor) }
                    return heads.contains(where: key.hasPrefix) ? nil : ("w2v_encoder.w2v_model." + key, tensor)
                })
        }
        return (description, try FusedParameters.join(state))
    }
}

private func text(_ value: JSONValue) -> String {
    switch value {
    case .null: "off"
    case .bool(let flag): flag ? "true" : "false"
    case .integer(let integer): String(integer)
    case .number(let number): String(number)
    case .string(let text): text
    case .array(let items): "[" + items.map(text).joined(separator: ", ") + "]"
    case .object: ""
    }
}

/// The valid rows of [batch, time, channels], concatenated.
func validRows(_ padded: Tensor, _ lengths: [Int]) throws -> Tensor {
    try .concatenate(lengths.indices.map { try padded.selected(0, $0).rows(0..<lengths[$0]) })
}

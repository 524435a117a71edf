import Foundation
import W2VBackbone
import W2VBase
import W2VInterchange
import W2VObjectives
import W2VTorch

/// Small models with random weights, and recordings of noise and tones for them.
public enum SmallModels {
    /// An architecture of three blocks.
    public static func configuration(
        hourglass: String? = nil, mode: ModelConfiguration.ExtractorMode = .groupNorm
    ) throws -> ModelConfiguration {
        var configuration = ModelConfiguration()
        configuration.convFeatureLayers = try ConvolutionLayers(parsing: "[(16,10,5)]+[(16,3,2)]*4+[(16,2,2)]*2")
        configuration.extractorMode = mode
        configuration.encoderLayers = 3
        configuration.encoderEmbedDim = 32
        configuration.encoderFfnEmbedDim = 64
        configuration.encoderAttentionHeads = 4
        configuration.convPos = 16
        configuration.convPosGroups = 4
        configuration.finalDim = 16
        configuration.latentVars = 8
        configuration.hourglass = try hourglass.map { try HourglassLayout(parsing: $0) }
        return configuration
    }

    /// Writes a pre-trained model and gives its folder.
    public static func checkpoint(
        in folder: URL, named name: String = "model", _ configuration: ModelConfiguration? = nil, seed: Int64 = 3,
        normalizes: Bool = true
    ) throws -> URL {
        let configuration = try configuration ?? Self.configuration()
        var description = ModelDescription(task: .pretraining, model: configuration)
        description.normalize = normalizes
        return try write(
            description, state: PretrainingModel(configuration, initializer: .random(seed: seed)).state(),
            to: folder.appendingPathComponent(name))
    }

    /// The labels of ``ctcModel(mode:)``.
    public static let symbols = ["<s>", "<pad>", "</s>", "<unk>", "|", "E", "T", "A"]

    /// A model that writes letters.
    public static func ctcModel(mode: ModelConfiguration.ExtractorMode = .groupNorm) throws -> CTCModel {
        let model = try CTCModel(configuration(mode: mode), labels: symbols.count, initializer: .random(seed: 3))
        // Random heads hardly differ between labels: larger weights make several labels win.
        for parameter in model.parameters() where parameter.name == "w2v_encoder.proj.weight" {
            try parameter.tensor.scaleInPlace(8)
        }
        return model
    }

    /// Writes ``ctcModel(mode:)`` and gives its folder.
    public static func ctcCheckpoint(in folder: URL) throws -> URL {
        var description = ModelDescription(task: .ctc, model: try configuration())
        description.labels = symbols
        description.normalize = true
        return try write(description, state: ctcModel().state(), to: folder.appendingPathComponent("tuned"))
    }

    private static func write(
        _ description: ModelDescription, state: [String: Tensor], to folder: URL
    ) throws -> URL {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Checkpoint.write(description, state: state, to: folder)
        return folder
    }

    /// A tone that comes and goes, in noise.
    public static func samples(_ count: Int, seed: UInt64) -> [Float] {
        var stream = RandomStream(seed: seed, purpose: .synthesis)
        let pitch = 100 + 400 * stream.uniform()
        return (0..<count).map { index in
            let beat = sin(Double(index) / 3000)
            return Float(0.3 * beat * sin(2 * .pi * pitch * Double(index) / 16_000) + 0.02 * stream.normal())
        }
    }
}

/// Calls `body` with a new folder, which is removed afterwards.
public func withTemporaryFolder<Result>(_ body: (URL) async throws -> Result) async throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("wav2vec2-tests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try await body(folder)
}

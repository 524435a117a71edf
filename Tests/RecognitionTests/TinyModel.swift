import Audio
import Foundation
import Interchange
import Randomness
import Recognition
import Torch
import Wav2Vec2

/// A small model with random weights, and recordings of noise and tones for it.
enum TinyModel {
    static let symbols = ["<s>", "<pad>", "</s>", "<unk>", "|", "E", "T", "A"]

    static func configuration() throws -> ModelConfiguration {
        var configuration = ModelConfiguration()
        configuration.convFeatureLayers = try ConvolutionLayers(parsing: "[(16,10,5)]+[(16,3,2)]*4+[(16,2,2)]*2")
        configuration.encoderLayers = 2
        configuration.encoderEmbedDim = 32
        configuration.encoderFfnEmbedDim = 64
        configuration.encoderAttentionHeads = 4
        configuration.convPos = 16
        configuration.convPosGroups = 4
        return configuration
    }

    static func recognizer(
        batchSeconds: Double = 60, windows: WindowOptions = WindowOptions(), normalizes: Bool = true,
        precision: ModelPrecision = ModelPrecision()
    ) throws -> Recognizer {
        let model = try CTCModel(
            configuration(), labels: symbols.count, initializer: .random(seed: 3))
        // Random heads hardly differ between labels: larger weights make several labels win.
        for parameter in model.parameters() where parameter.name == "w2v_encoder.proj.weight" {
            try parameter.tensor.scaleInPlace(8)
        }
        return try Recognizer(
            model: model, symbols: symbols, normalizes: normalizes, batchSeconds: batchSeconds, windows: windows,
            precision: precision)
    }

    /// Writes a checkpoint and returns its folder.
    static func checkpoint(in folder: URL) throws -> URL {
        let url = folder.appendingPathComponent("checkpoint")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        let model = try CTCModel(configuration(), labels: symbols.count, initializer: .random(seed: 3))
        for parameter in model.parameters() where parameter.name == "w2v_encoder.proj.weight" {
            try parameter.tensor.scaleInPlace(8)
        }
        var description = ModelDescription(task: .ctc, model: try configuration())
        description.labels = symbols
        description.normalize = true
        try Checkpoint.write(description, state: model.state(), to: url)
        return url
    }

    static func samples(_ count: Int, seed: UInt64) -> [Float] {
        var stream = RandomStream(seed: seed, purpose: .synthesis)
        let pitch = 100 + 400 * stream.uniform()
        return (0..<count).map { index in
            let beat = sin(Double(index) / 3000)
            return Float(0.3 * beat * sin(2 * .pi * pitch * Double(index) / 16_000) + 0.02 * stream.normal())
        }
    }
}

/// Calls `body` with a new folder, which is removed afterwards.
func withTemporaryFolder<Result>(_ body: (URL) async throws -> Result) async throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("wav2vec2-tests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try await body(folder)
}

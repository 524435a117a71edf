import Foundation
import Interchange
import Randomness
import Torch
import Wav2Vec2

@testable import Features

/// Small models with random weights, and recordings for them.
enum SmallModels {
    static func configuration(
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
    static func checkpoint(
        in folder: URL, named name: String = "model", _ configuration: ModelConfiguration? = nil, seed: Int64 = 3,
        normalizes: Bool = true
    ) throws -> URL {
        let url = folder.appendingPathComponent(name)
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        let configuration = try configuration ?? Self.configuration()
        let model = try PretrainingModel(configuration, initializer: .random(seed: seed))
        var description = ModelDescription(task: .pretraining, model: configuration)
        description.normalize = normalizes
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

import Foundation
import TestSupport
import Testing
import W2VTorch

@testable import W2VBackbone
@testable import W2VInterchange
@testable import W2VObjectives

/// The two halves of `Scripts/check-transformers`: files for Transformers to read, and files that it wrote.
///
/// The folder named by `WAV2VEC2_EXCHANGE_DIR` holds Transformers' models in `theirs` and receives ours in `ours`.
@Suite(.onTestThreads) struct ExchangeTests {
    private static let folder = ProcessInfo.processInfo.environment["WAV2VEC2_EXCHANGE_DIR"].map {
        URL(fileURLWithPath: $0, isDirectory: true)
    }

    /// Two recordings of the same length, so that no padding is involved.
    private static let lengths = [6_000, 6_000]
    private static func input() throws -> Tensor {
        try Tensor.normal([2, lengths[0]], dtype: .float32, generator: Generator(seed: 11))
    }

    /// Returns the outputs of a checkpoint's model: [recordings, frames, channels] by stage.
    private static func outputs(_ checkpoint: Checkpoint, _ input: Tensor) throws -> [String: Tensor] {
        let samples = try input.reshaped(-1)
        let lengths = (0..<input.size(0)).map { _ in input.size(1) }
        return try withoutGradient {
            var found: [String: Tensor] = [:]
            switch checkpoint.description.task {
            case .ctc: found["logits"] = try checkpoint.ctcModel()(samples, lengths: lengths).logits
            case .encoder: found["context"] = try checkpoint.sharedModel()(samples, lengths: lengths).context
            default:
                let model = try checkpoint.pretrainingModel()
                found["context"] = try model.backbone(samples, lengths: lengths).context
                let features = try model.backbone.features(samples, lengths: lengths)
                let quantizer = try #require(model.quantizer)
                found["quantized"] = try model.main.targetProjection(
                    quantizer(features.normalized, temperature: .scalar(1), noise: nil).vectors)
                found["predictions"] = try model.main.finalProjection(#require(found["context"]))
            }
            return try found.mapValues { try $0.reshaped(input.size(0), -1, $0.size(1)) }
        }
    }

    @Test func transformersGetsModelsAndWhatTheyCompute() throws {
        try withTemporaryFolder { temporary in
            let place = (Self.folder ?? temporary).appendingPathComponent("ours")
            for format in CheckpointFormat.allCases {
                for model in SmallModel.all where format.isFolder || model.task != .encoder {
                    let name = model.testDescription.replacing(", ", with: "-")
                    let folder = place.appendingPathComponent(format.rawValue)
                    let file = folder.appendingPathComponent(format.isFolder ? name : name + ".pt")
                    try? FileManager.default.removeItem(at: file)
                    let native = try Checkpoint.read(model.write(to: temporary, UUID().uuidString))
                    let expected = format == .huggingFace ? model.differsInHuggingFace : []
                    #expect(try native.convert(to: file, format: format) == expected)
                    let input = try Self.input()
                    var outputs = try Self.outputs(Checkpoint.read(file), input)
                    #expect(try differences(outputs, Self.outputs(native, input)) == [])
                    outputs["input"] = input
                    try TensorFile.write(outputs, to: folder.appendingPathComponent(name + ".expected.safetensors"))
                }
            }
        }
    }

    @Test(.enabled(if: folder != nil, "Scripts/check-transformers runs this"))
    func whatTransformersWroteComputesTheSame() throws {
        let place = try #require(Self.folder).appendingPathComponent("theirs")
        let names = try FileManager.default.contentsOfDirectory(atPath: place.path).filter {
            !$0.contains(".expected.")
        }
        #expect(names.count >= 6)
        for name in names.sorted() {
            let checkpoint = try Checkpoint.read(place.appendingPathComponent(name))
            #expect(checkpoint.notCarriedOver == [], "\(name)")
            var expected = try TensorFile.read(place.appendingPathComponent(name + ".expected.safetensors"))
            let input = try #require(expected["input"])
            expected["input"] = nil
            let found = try Self.outputs(checkpoint, input)
            #expect(!expected.isEmpty)
            for (stage, tensor) in expected {
                let own = try #require(found[stage], "\(name) has no \(stage)")
                let error = try (own - tensor).magnitude().maximum(0).maximum(0).maximum(0).item()
                let scale = try tensor.magnitude().maximum(0).maximum(0).maximum(0).item()
                #expect(
                    own.shape == tensor.shape && error <= 1e-5 * scale, "\(name): \(stage) differs by \(error / scale)")
            }
        }
    }
}

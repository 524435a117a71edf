import Foundation
import TestSupport
import Testing
import W2VBackbone
import W2VInference
import W2VTorch

@testable import W2VFeatures

/// Layers have the names and numbers of fairseq, NVIDIA's version and Hugging Face.
@Suite(.onTestThreads) struct GoldenFeaturesTests {
    private static let folder = Repository.golden

    private func tensors(_ name: String) throws -> [String: Tensor] {
        try TensorFile.read(Self.folder.appendingPathComponent(name + ".safetensors"))
    }

    private func featurizer(_ name: String) async throws -> Featurizer {
        try await Featurizer(checkpoint: Self.folder.appendingPathComponent(name))
    }

    /// Two utterances of 31 frames.
    private func input(_ name: String) throws -> (samples: Tensor, lengths: [Int]) {
        let inputs = try tensors("inputs")
        let source = try #require(inputs[name + ".source"])
        return (try source.reshaped(-1), try #require(inputs[name + ".lens"]).elements(Int.self))
    }

    private func mask(_ reference: [String: Tensor]) throws -> Mask {
        let indices = try #require(reference["aux.mask_indices"])
        let flags = try indices.elements(Bool.self)
        let width = indices.size(1)
        return Mask(frames: (0..<indices.size(0)).map { row in (0..<width).filter { flags[row * width + $0] } })
    }

    /// Compares layers of a masked pass with a reference's [utterances, frames, channels].
    private func compare(
        _ checkpoint: String, _ reference: String, input name: String, _ pairs: [(FeatureLayer, String)]
    ) async throws {
        let featurizer = try await featurizer(checkpoint)
        let expected = try tensors(reference)
        let (samples, lengths) = try input(name)
        let mask = try mask(expected)
        for chosen in [pairs] + pairs.map({ [$0] }) {
            let stages = try chosen.map { try LayerStage($0.0, in: featurizer.configuration) }
            let rows = try await featurizer.session.run {
                try $0.hiddenStates(samples, lengths: lengths, stages, mask: mask).rows.map(\.0)
            }
            for ((layer, key), row) in zip(chosen, rows) {
                var tensor = try #require(expected[key])
                if key == "out.conv_features" { tensor = try tensor.transposed(1, 2) }
                let error = try relativeError(row, tensor.reshaped(-1, tensor.size(2)))
                #expect(error <= 1e-5, "layer \(layer) of \(reference) differs by \(error)")
            }
        }
    }

    @Test func transformerLayersAreHuggingFacesHiddenStates() async throws {
        let pairs = (0...2).map { (FeatureLayer.transformer($0), "out.hidden_states.\($0)") }
        try await compare("hf_base_pretrain", "hf_base.unpadded.gumbel", input: "unpadded", pairs)
        try await compare("hf_large_pretrain", "hf_large.unpadded.gumbel", input: "unpadded_norm", pairs)
    }

    @Test func layersAreFairseqs() async throws {
        let pairs: [(FeatureLayer, String)] = [
            (.extractor, "out.conv_features"), (.normalized, "out.features_ln"), (.transformer(1), "out.layers.0"),
            (.transformer(2), "out.layers.1"), (.context, "out.encoder_out"),
        ]
        try await compare(
            "fairseq_base.new_style_omegaconf.pt", "fairseq_base.unpadded.gumbel", input: "unpadded", pairs)
        // Where LayerNorm comes first, the context differs from the last layer.
        try await compare("hf_large_pretrain", "fairseq_large.unpadded.gumbel", input: "unpadded_norm", pairs)
    }

    @Test func hourglassLayersAreCountedThrough() async throws {
        try await compare(
            "nvidia_hg24_naive.pt", "nvidia_hg24_naive.unpadded.gumbel", input: "unpadded",
            [
                (.transformer(1), "out.layers.0"), (.transformer(2), "out.hourglass_layers.0"),
                (.transformer(3), "out.hourglass_layers.1"), (.transformer(4), "out.post_layers.0"),
                (.context, "out.encoder_out"),
            ])
    }

    /// A fine-tuned model on recordings, without masks, through the public interface.
    @Test func recordingsGiveTheSame() async throws {
        let featurizer = try await featurizer("fairseq_base_ctc.new_style.pt")
        let reference = try tensors("fairseq_base_ctc.unpadded")
        let (samples, lengths) = try input("unpadded")
        let recordings = try samples.split(lengths).map { Recording(samples: try $0.elements(Float.self)) }
        let results = try await featurizer.features(recordings, FeatureRequest([.normalized, .context]))
        for (index, result) in results.enumerated() {
            let features = try result.get()
            for (found, key) in zip(features, ["out.features_ln", "out.encoder_out"]) {
                let expected = try #require(reference[key]).selected(0, index)
                #expect(try relativeError(found.values, expected) <= 1e-5)
                #expect(found.frames == 31 && found.rate == 50)
            }
        }
    }
}

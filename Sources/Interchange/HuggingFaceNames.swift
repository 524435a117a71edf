import Wav2Vec2

/// What Hugging Face's Transformers calls a model's parameters, and back.
///
/// The table is all there is to it: `#` stands for a layer's number, and a name that ends with a dot for what is below.
struct HuggingFaceNames: Sendable {
    /// One parameter, or several with a common beginning.
    struct Pair: Sendable {
        /// In our files: fairseq's name, without the CTC model's prefix.
        let ours: String
        /// In theirs, without the family's prefix.
        let theirs: String
        /// Whether theirs stands beside the encoder instead of below the family's prefix (`wav2vec2.`).
        var isHead = false
    }

    private static let shared: [Pair] = [
        Pair(ours: "mask_emb", theirs: "masked_spec_embed"),
        Pair(ours: "layer_norm.", theirs: "feature_projection.layer_norm."),
        Pair(ours: "post_extract_proj.", theirs: "feature_projection.projection."),
        Pair(ours: "feature_extractor.conv_layers.#.0.", theirs: "feature_extractor.conv_layers.#.conv."),
        Pair(ours: "encoder.pos_conv.0.weight_g", theirs: "encoder.pos_conv_embed.conv.weight_g"),
        Pair(ours: "encoder.pos_conv.0.weight_v", theirs: "encoder.pos_conv_embed.conv.weight_v"),
        Pair(ours: "encoder.pos_conv.0.bias", theirs: "encoder.pos_conv_embed.conv.bias"),
        Pair(ours: "encoder.layers.#.self_attn.", theirs: "encoder.layers.#.attention."),
        Pair(ours: "encoder.layers.#.self_attn_layer_norm.", theirs: "encoder.layers.#.layer_norm."),
        Pair(ours: "encoder.layers.#.fc1.", theirs: "encoder.layers.#.feed_forward.intermediate_dense."),
        Pair(ours: "encoder.layers.#.fc2.", theirs: "encoder.layers.#.feed_forward.output_dense."),
        Pair(ours: "encoder.layers.#.final_layer_norm.", theirs: "encoder.layers.#.final_layer_norm."),
        Pair(ours: "encoder.layer_norm.", theirs: "encoder.layer_norm."),
    ]

    private static let groupNorm = Pair(
        ours: "feature_extractor.conv_layers.0.2.", theirs: "feature_extractor.conv_layers.0.layer_norm.")
    private static let layerNorm = Pair(
        ours: "feature_extractor.conv_layers.#.2.1.", theirs: "feature_extractor.conv_layers.#.layer_norm.")

    private static let pretraining: [Pair] = [
        Pair(ours: "quantizer.vars", theirs: "quantizer.codevectors", isHead: true),
        Pair(ours: "quantizer.weight_proj.", theirs: "quantizer.weight_proj.", isHead: true),
        Pair(ours: "project_q.", theirs: "project_q.", isHead: true),
        Pair(ours: "final_proj.", theirs: "project_hid.", isHead: true),
    ]
    private static let recognition = [Pair(ours: "w2v_encoder.proj.", theirs: "lm_head.", isHead: true)]

    /// Newer files' spelling of the weight normalisation, and the older one that every version reads.
    private static let weightNorm = [
        "encoder.pos_conv_embed.conv.parametrizations.weight.original0": "encoder.pos_conv_embed.conv.weight_g",
        "encoder.pos_conv_embed.conv.parametrizations.weight.original1": "encoder.pos_conv_embed.conv.weight_v",
    ]

    /// Early files' names, and what later ones call the same.
    private static let earlier = ["mask_time_emb_vector": "masked_spec_embed"]

    /// All pairs there are, for the guide's table.
    static let all = shared + [groupNorm, layerNorm] + pretraining + recognition

    private let pairs: [Pair]
    private let family: String
    private let task: ModelDescription.Task

    /// The names of one kind of model.
    ///
    /// - Parameters:
    ///   - task: What it was trained for.
    ///   - extractorMode: How its extractor normalises, which decides what `layer_norm` means in it.
    ///   - family: Their name of the architecture: `wav2vec2` or `hubert`.
    init(task: ModelDescription.Task, extractorMode: ModelConfiguration.ExtractorMode, family: String) {
        let heads: [Pair]
        switch task {
        case .pretraining: heads = Self.pretraining
        case .ctc: heads = Self.recognition
        case .encoder: heads = []
        }
        pairs = Self.shared + [extractorMode == .groupNorm ? Self.groupNorm : Self.layerNorm] + heads
        self.family = family + "."
        self.task = task
    }

    /// Our name of one of their parameters; nil for one that this architecture has not.
    func ours(_ theirs: String) -> String? {
        let isBelow = theirs.hasPrefix(family)
        let name = isBelow ? String(theirs.dropFirst(family.count)) : theirs
        let key = Self.weightNorm[name] ?? Self.earlier[name] ?? name
        for pair in pairs where !(pair.isHead && isBelow) {
            guard let found = Self.rename(key, from: pair.theirs, to: pair.ours) else { continue }
            return task == .ctc && !pair.isHead ? ParameterShapes.ctcPrefix + found : found
        }
        return nil
    }

    /// What early files called a parameter of theirs; nil where that is no other name.
    func earlierName(_ theirs: String) -> String? {
        for (earlier, later) in Self.earlier where theirs == later || theirs == family + later {
            return theirs.dropLast(later.count) + earlier
        }
        return nil
    }

    /// Whether a parameter of theirs lies in the part that all tasks share: without it that part computes something else.
    func isPartOfModel(_ theirs: String) -> Bool {
        let name = theirs.hasPrefix(family) ? String(theirs.dropFirst(family.count)) : theirs
        return ["feature_extractor.", "feature_projection.", "encoder.", "adapter."].contains(where: name.hasPrefix)
    }

    /// Their name of one of our parameters; nil for one that their architecture has not.
    func theirs(_ ours: String) -> String? {
        let isBelow = ours.hasPrefix(ParameterShapes.ctcPrefix)
        let key = isBelow ? String(ours.dropFirst(ParameterShapes.ctcPrefix.count)) : ours
        for pair in pairs where task != .ctc || pair.isHead != isBelow {
            guard let found = Self.rename(key, from: pair.ours, to: pair.theirs) else { continue }
            return pair.isHead || task == .encoder ? found : family + found
        }
        return nil
    }

    private static func rename(_ name: String, from pattern: String, to other: String) -> String? {
        var rest = Substring(name)
        var number = Substring()
        var expected = Substring(pattern)
        if let mark = pattern.firstIndex(of: "#") {
            guard name.hasPrefix(pattern[..<mark]) else { return nil }
            rest = rest.dropFirst(pattern[..<mark].count)
            number = rest.prefix { $0.isASCII && $0.isNumber }
            rest = rest.dropFirst(number.count)
            guard !number.isEmpty else { return nil }
            expected = pattern[pattern.index(after: mark)...]
        }
        guard expected.hasSuffix(".") ? rest.hasPrefix(expected) : rest == expected else { return nil }
        return other.replacing("#", with: number) + rest.dropFirst(expected.count)
    }
}

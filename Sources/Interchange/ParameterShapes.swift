import Torch
import Wav2Vec2

/// The names and shapes of a model's parameters as checkpoint files have them, worked out without making the model.
///
/// This is what a file is held against before anything is allocated by its word.
struct ParameterShapes {
    /// The shape of each parameter by fairseq's name.
    private(set) var shapes: [String: [Int]] = [:]

    /// The prefix of the shared part's names in a ctc model.
    static let ctcPrefix = "w2v_encoder.w2v_model."

    /// The parameters of a model.
    ///
    /// - Parameters:
    ///   - description: The architecture and task.
    ///   - labels: The size of a ctc model's output layer.
    init(_ description: ModelDescription, labels: Int) {
        let prefix = description.task == .ctc ? Self.ctcPrefix : ""
        let model = description.model
        addExtractor(model, prefix + "feature_extractor.conv_layers.")
        add(prefix + "mask_emb", [model.encoderEmbedDim])
        norm(prefix + "layer_norm", model.extractorChannels)
        if model.extractorChannels != model.encoderEmbedDim, !model.quantizeInput {
            linear(prefix + "post_extract_proj", model.extractorChannels, model.encoderEmbedDim)
        }
        addEncoder(model, prefix + "encoder.")
        switch description.task {
        case .ctc: linear("w2v_encoder.proj", model.encoderEmbedDim, labels)
        case .pretraining: addHeads(model)
        case .encoder: break
        }
    }

    private mutating func add(_ name: String, _ shape: [Int]) { shapes[name] = shape }

    private mutating func linear(_ name: String, _ inputs: Int, _ outputs: Int) {
        add(name + ".weight", [outputs, inputs])
        add(name + ".bias", [outputs])
    }

    private mutating func norm(_ name: String, _ channels: Int) {
        add(name + ".weight", [channels])
        add(name + ".bias", [channels])
    }

    private mutating func addExtractor(_ model: ModelConfiguration, _ prefix: String) {
        var inputs = 1
        for (index, layer) in model.convFeatureLayers.layers.enumerated() {
            add("\(prefix)\(index).0.weight", [layer.channels, inputs, layer.kernel])
            if model.convBias { add("\(prefix)\(index).0.bias", [layer.channels]) }
            if model.extractorMode == .layerNorm { norm("\(prefix)\(index).2.1", layer.channels) }
            if model.extractorMode == .groupNorm, index == 0 { norm("\(prefix)\(index).2", layer.channels) }
            inputs = layer.channels
        }
    }

    private mutating func addEncoder(_ model: ModelConfiguration, _ prefix: String) {
        let channels = model.encoderEmbedDim
        add(prefix + "pos_conv.0.weight_g", [1, 1, model.convPos])
        add(prefix + "pos_conv.0.weight_v", [channels, channels / model.convPosGroups, model.convPos])
        add(prefix + "pos_conv.0.bias", [channels])
        norm(prefix + "layer_norm", channels)
        addLayers(model, prefix + "layers.", model.hourglass?.pre ?? model.encoderLayers)
        guard let hourglass = model.hourglass else { return }
        addLayers(model, prefix + "hourglass_layers.", hourglass.middle)
        addLayers(model, prefix + "post_layers.", hourglass.post)
        if model.hourglassResample == .linear {
            linear(prefix + "downsample_layer.linear", channels * hourglass.factor, channels)
            linear(prefix + "upsample_layer.linear", channels, channels * hourglass.factor)
        }
    }

    private mutating func addLayers(_ model: ModelConfiguration, _ prefix: String, _ count: Int) {
        let (channels, inner) = (model.encoderEmbedDim, model.encoderFfnEmbedDim)
        for layer in 0..<count {
            let name = "\(prefix)\(layer)."
            for part in ["q_proj", "k_proj", "v_proj", "out_proj"] {
                linear("\(name)self_attn.\(part)", channels, channels)
            }
            norm(name + "self_attn_layer_norm", channels)
            linear(name + "fc1", channels, inner)
            linear(name + "fc2", inner, channels)
            norm(name + "final_layer_norm", channels)
        }
    }

    /// The pre-training objective's own parameters.
    private mutating func addHeads(_ model: ModelConfiguration) {
        let (inputs, target) = (model.extractorChannels, model.targetChannels)
        let latent = model.latentDim > 0 ? model.latentDim : target
        if model.quantizeTargets { addQuantizer(model, "quantizer.", inputs, latent) }
        linear("project_q", model.quantizeTargets ? latent : inputs, target)
        if model.quantizeInput {
            let shares = model.sameQuantizer && model.quantizeTargets
            let own = shares ? latent : model.latentDim > 0 ? model.latentDim : model.encoderEmbedDim
            if !shares { addQuantizer(model, "input_quantizer.", inputs, own) }
            linear("project_inp", own, model.encoderEmbedDim)
        }
        if model.targetGlu { linear("target_glu.0", target, 2 * target) }
        linear("final_proj", model.encoderEmbedDim, target)
    }

    private mutating func addQuantizer(_ model: ModelConfiguration, _ prefix: String, _ inputs: Int, _ outputs: Int) {
        let books = model.combineGroups ? 1 : model.latentGroups
        add(prefix + "vars", [1, books * model.latentVars, outputs / model.latentGroups])
        let logits = model.latentGroups * model.latentVars
        guard model.quantizerDepth > 1 else { return linear(prefix + "weight_proj", inputs, logits) }
        let inner = inputs * model.quantizerFactor
        for block in 0..<model.quantizerDepth - 1 {
            linear("\(prefix)weight_proj.\(block).0", block == 0 ? inputs : inner, inner)
        }
        linear("\(prefix)weight_proj.\(model.quantizerDepth - 1)", inner, logits)
    }

    // MARK: Checking

    /// What is wrong with a state for a model: names and shapes, and types that no weight has.
    ///
    /// - Parameters:
    ///   - state: A checkpoint's tensors by fairseq's names.
    ///   - description: The model that they should make.
    /// - Returns: One sentence, or nil when they fit.
    static func misfit(_ state: [String: Tensor], _ description: ModelDescription) -> String? {
        let model = description.model
        do {
            try model.validate()
        } catch {
            return "\(error)"
        }
        // No size may run away with memory before it is compared: each part has at least one tensor of its own.
        for (name, count) in [("encoder layers", model.layerCount), ("quantizer layers", model.quantizerDepth)]
        where count > state.count + 1 {
            return "its configuration has \(count) \(name), and its weights are only \(state.count) tensors"
        }
        let sizes = [
            model.encoderEmbedDim, model.encoderFfnEmbedDim, model.convPos, model.latentVars, model.latentGroups,
            model.latentDim, model.finalDim, model.quantizerFactor, model.hourglass?.factor ?? 1,
        ]
        guard sizes.allSatisfy({ $0 < 1 << 24 }) else { return "its configuration has a size of more than 16 million" }
        let labels = state["w2v_encoder.proj.weight"]?.shape.first ?? 0
        let expected = ParameterShapes(description, labels: labels).shapes
        var problems: [String] = []
        func list(_ names: [String]) -> String {
            names.sorted().prefix(5).joined(separator: ", ") + (names.count > 5 ? " and \(names.count - 5) more" : "")
        }
        let missing = expected.keys.filter { state[$0] == nil }
        if !missing.isEmpty { problems.append("missing \(list(missing))") }
        let unexpected = state.keys.filter { expected[$0] == nil }
        if !unexpected.isEmpty { problems.append("unexpected \(list(unexpected))") }
        for (name, shape) in expected.sorted(by: { $0.key < $1.key }) {
            guard let tensor = state[name] else { continue }
            if tensor.shape != shape {
                problems.append("\(name) has shape \(tensor.shape) where \(shape) is expected")
            } else if !tensor.dtype.isFloatingPoint {
                problems.append("\(name) has elements of type \(tensor.dtype) where floating-point ones are expected")
            }
            if problems.count > 6 { break }
        }
        return problems.isEmpty ? nil : "the weights do not fit the configuration: " + problems.joined(separator: "; ")
    }
}

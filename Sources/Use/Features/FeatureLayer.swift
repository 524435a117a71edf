import W2VBackbone

/// A place in the model whose output can be taken as features.
///
/// Transformer layers are numbered from 1, as in fairseq's `extract_features(…, output_layer=)`: layer *n* is Hugging
/// Face's `hidden_states[n]`. Layer 0 is the input of the first transformer layer, after the positional convolution
/// (and, in models that normalize after each layer, after the encoder's LayerNorm): `hidden_states[0]`. fairseq's
/// wav2vec 2.0 identifies the same layers by their index in the list, `extract_features(…, layer=n - 1)`.
///
/// The layers of an Hourglass are numbered consecutively: those before shortening, the shortened ones, those after.
public enum FeatureLayer: Hashable, Sendable, CustomStringConvertible {
    /// The convolutions' output before normalization: fairseq's `feature_extractor(source)`.
    case extractor
    /// The same after LayerNorm, the input of the quantizer and the projection: Hugging Face's `extract_features`.
    case normalized
    /// The output of a transformer layer, or with 0 the input of the first.
    case transformer(Int)
    /// The model's output: Hugging Face's `last_hidden_state`. In models that normalize before each layer, it is the
    /// last transformer layer's output after the final LayerNorm; in others it is the last layer's output.
    case context

    /// The name on the command line and in files: `extractor`, `normalized`, a number, or `context`.
    public var description: String {
        switch self {
        case .extractor: "extractor"
        case .normalized: "normalized"
        case .transformer(let number): String(number)
        case .context: "context"
        }
    }

    /// Parses a name.
    ///
    /// - Parameter description: A name in the form of ``description``.
    public init?(_ description: some StringProtocol) {
        switch description {
        case "extractor": self = .extractor
        case "normalized": self = .normalized
        case "context": self = .context
        default:
            guard let number = Self.number(description) else { return nil }
            self = .transformer(number)
        }
    }

    /// Parses a layer's number, which consists of digits only.
    static func number(_ text: some StringProtocol) -> Int? {
        text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(text) : nil
    }
}

/// The stage of the forward pass that outputs a layer, and the output's form.
struct LayerStage {
    /// The name of the stage's probe.
    var name: String
    /// The number of transformer layers that must run; nil if the transformer is not needed at all.
    var depth: Int?
    /// The number of extractor frames that one frame of the layer spans.
    var factor = 1
    /// The length of a frame's vector.
    var dimension: Int

    /// Finds a layer.
    ///
    /// - Throws: ``FeatureError`` when the model has no such layer.
    init(_ layer: FeatureLayer, in configuration: ModelConfiguration) throws(FeatureError) {
        let count = configuration.layerCount
        dimension = configuration.encoderEmbedDim
        switch layer {
        case .extractor, .normalized:
            name = layer == .extractor ? "conv_features" : "features_ln"
            dimension = configuration.extractorChannels
            return
        case .context: (name, depth) = ("encoder_out", count)
        case .transformer(0): (name, depth) = ("layers_input", 0)
        case .transformer(let number):
            guard number <= count else { throw .noLayer(number, count: count) }
            depth = number
            let hourglass = configuration.hourglass
            let (pre, middle) = (hourglass?.pre ?? count, hourglass?.middle ?? 0)
            if number <= pre {
                name = "layers.\(number - 1)"
            } else if number <= pre + middle {
                name = "hourglass_layers.\(number - pre - 1)"
                factor = hourglass?.factor ?? 1
            } else {
                name = "post_layers.\(number - pre - middle - 1)"
            }
        }
        guard !configuration.quantizeInput else { throw .quantizesInput(layer) }
    }
}

/// The layers that a user requests, before the model's layers are known.
///
/// `"6"` is one layer, `"4-9,context"` a range and the model's output, `"all"` 0 to the last.
public struct LayerSelection: Sendable, Equatable {
    private enum Item: Equatable {
        case one(FeatureLayer)
        case range(ClosedRange<Int>)
        case all
    }

    private let items: [Item]

    /// Parses a list of layers, ranges of layers and `all`, separated by commas.
    ///
    /// - Parameter text: Such as `6`, `4-9`, `extractor,0-12`, `context`, `all`.
    /// - Throws: ``FeatureError/badSelection(_:)`` with the part that cannot be parsed.
    public init(_ text: String) throws(FeatureError) {
        var items: [Item] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let name = part.filter { !$0.isWhitespace }
            let bounds = name.split(separator: "-", omittingEmptySubsequences: false)
            if name == "all" {
                items.append(.all)
            } else if let layer = FeatureLayer(name) {
                items.append(.one(layer))
            } else if bounds.count == 2, let first = FeatureLayer.number(bounds[0]),
                let last = FeatureLayer.number(bounds[1]), first <= last
            {
                items.append(.range(first...last))
            } else {
                throw .badSelection(name)
            }
        }
        self.items = items
    }

    /// Returns the selected layers of a model, each once, in the order requested.
    ///
    /// - Parameter configuration: The model's architecture.
    /// - Returns: At least one layer.
    /// - Throws: ``FeatureError`` when the model has no such layer.
    public func layers(of configuration: ModelConfiguration) throws(FeatureError) -> [FeatureLayer] {
        var layers: [FeatureLayer] = []
        for item in items {
            switch item {
            case .one(let layer): layers.append(layer)
            case .range(let numbers):
                // A huge range must not become a huge list.
                guard numbers.upperBound <= configuration.layerCount else {
                    throw .noLayer(numbers.upperBound, count: configuration.layerCount)
                }
                layers += numbers.map(FeatureLayer.transformer)
            case .all: layers += (0...configuration.layerCount).map(FeatureLayer.transformer)
            }
        }
        var seen: Set<FeatureLayer> = []
        layers = layers.filter { seen.insert($0).inserted }
        for layer in layers { _ = try LayerStage(layer, in: configuration) }
        return layers
    }
}

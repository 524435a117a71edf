import W2VBase

/// An error of extracting features or making units.
public enum FeatureError: ExplainedError, Equatable {
    /// A layer selection that cannot be parsed; `part` is the invalid part.
    case badSelection(_ part: String)
    /// The model has only `count` transformer layers.
    case noLayer(Int, count: Int)
    /// A model whose transformer takes quantized features as input, which is possible in pre-training only.
    case quantizesInput(FeatureLayer)
    /// Layers of different sizes, which do not fit into one array.
    case unequalLayers(FeatureLayer, FeatureLayer, advice: Advice)
    /// Several layers or recordings, which a single `.npy` file cannot hold.
    case oneLayerOnly(file: String)
    /// A checkpoint without a quantizer, and the reason.
    case noQuantizer(checkpoint: String, reason: String)
    /// An output that already exists.
    case occupied(path: String, advice: Advice)
    /// A folder that was begun with other settings.
    case otherSettings(folder: String, key: String, begun: String, now: String)
    /// A damaged file, or one of a form that this module cannot use.
    case damaged(file: String, reason: String)
    /// Two recordings that would be written to the same file.
    case sameName(first: String, second: String, name: String)
    /// Fewer frames than clusters.
    case tooFewFrames(clusters: Int, frames: Int)
    /// Features whose dimension is not that of the clusters.
    case dimension(found: Int, expected: Int)
    /// Clusters that were trained on another model's features.
    case otherCheckpoint(units: String, trainedOn: String, checkpoint: String)
    /// A line of units that cannot be parsed.
    case badUnits(file: String, line: Int, expected: String, found: String)
    /// A file of units with an utterance too few or too many.
    case unitCount(file: String, found: Int, manifest: String, expected: Int)
    /// An option with an impossible value.
    case badOption(name: String, reason: String)
    /// A recording whose features exceed the range of the element type.
    case overflow(recording: String, element: String)

    /// A failure where files would be overwritten, otherwise an input error.
    public var kind: ErrorKind { if case .occupied = self { .failure } else { .input } }

    /// The file, layer or option at fault, and the remedy.
    public var explanation: Explanation {
        switch self {
        case .badSelection(let part):
            Explanation(
                "\"\(part)\" is not a layer: expected a number, a range such as 4-9, extractor, normalized, context or all, "
                    + "or several with commas between them")
        case .noLayer(let number, let count):
            Explanation(
                "layer \(number): the model has \(count) transformer layers",
                "choose one from 0 (the input of the first) to \(count), extractor, normalized or context")
        case .quantizesInput(let layer):
            Explanation(
                "layer \(layer): the transformer of this model reads quantized features, which it has only in pre-training",
                "choose extractor or normalized")
        case .unequalLayers(let first, let second, let advice):
            Explanation("layers \(first) and \(second) have different sizes and do not fit into one array", advice)
        case .oneLayerOnly(let file):
            Explanation(
                "\(file): one .npy file holds one layer", "choose one, or write a folder or a .safetensors file")
        case .noQuantizer(let checkpoint, let reason):
            Explanation(
                "\(checkpoint): \(reason)", "name a pre-trained checkpoint with a quantizer, or \(.unitsOfLayer)")
        case .occupied(let path, let advice): Explanation("\(path) exists already", advice)
        case .otherSettings(let folder, let key, let begun, let now):
            Explanation(
                "\(folder): was begun with \(key) \(begun), and would continue with \(now)",
                "give the same settings, or another folder")
        case .damaged(let file, let reason): Explanation("\(file): cannot be used (\(reason))")
        case .sameName(let first, let second, let name):
            Explanation(
                "\(first) and \(second) would both be written to \(name)", "write them separately, into two outputs")
        case .tooFewFrames(let clusters, let frames):
            Explanation(
                "\(clusters) clusters need at least as many frames, and there are \(frames)",
                "give more audio or fewer clusters")
        case .dimension(let found, let expected):
            Explanation(
                "the features have \(found) numbers a frame and the clusters \(expected)",
                "use the model and the layer that they were trained on")
        case .otherCheckpoint(let units, let trainedOn, let checkpoint):
            Explanation(
                "\(units): was trained on the features of \(trainedOn), and \(checkpoint) holds another model, whose units "
                    + "would mean nothing", "use the model that the units were trained on")
        case .badUnits(let file, let line, let expected, let found):
            Explanation("\(file):\(line): expected \(expected), found \"\(found)\"")
        case .unitCount(let file, let found, let manifest, let expected):
            Explanation(
                "\(file): has units of \(found) utterances, but \(manifest) has \(expected)",
                "make both from the same list")
        case .badOption(let name, let reason): Explanation("\(name): \(reason)")
        case .overflow(let recording, let element):
            Explanation(
                "\(recording) has features beyond the largest number of \(Phrase.elementType) \(element)",
                "write float32")
        }
    }
}

extension Phrase {
    /// The way to make units of a layer, without a quantizer.
    public static let unitsOfLayer = Phrase("make units of a layer by clustering", name: "unitsOfLayer")
    /// The layers that are written.
    public static let layers = Phrase("the layers", name: "layers")
    /// The pooling of frames.
    public static let pooling = Phrase("the pooling", name: "pooling")
    /// The upsampling of shortened layers to the frame rate.
    public static let upsampling = Phrase("the upsampling", name: "upsampling")
    /// The way to bring layers to one rate.
    public static let bringToOneRate = Phrase("bring them to one rate", name: "bringToOneRate")
    /// The number formats of the model.
    public static let precision = Phrase("the precision", name: "precision")
    /// The number format of the features.
    public static let elementType = Phrase("the element type", name: "elementType")
    /// The form of the files.
    public static let fileFormat = Phrase("the format", name: "fileFormat")
    /// The way to write files that hold arrays of different sizes.
    public static let writeSafetensors = Phrase("write .safetensors files", name: "writeSafetensors")
}

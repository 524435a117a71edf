/// What can be wrong with features and units, one sentence each.
public enum FeatureError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A selection of layers cannot be read; `part` is what is wrong in it.
    case badSelection(_ part: String)
    /// The model has only `count` transformer layers.
    case noLayer(Int, count: Int)
    /// The transformer reads quantized features, and runs in pre-training only.
    case quantizesInput(FeatureLayer)
    /// Layers of different sizes cannot be put into one array.
    case unequalLayers(FeatureLayer, FeatureLayer, advice: String)
    /// Several layers or recordings do not go into one `.npy` file.
    case oneLayerOnly(file: String)
    /// The checkpoint has no quantizer, and why.
    case noQuantizer(checkpoint: String, reason: String)
    /// There is something where features are to be written.
    case occupied(path: String, advice: String)
    /// A folder was begun with other settings.
    case otherSettings(folder: String, key: String, begun: String, now: String)
    /// A file that this module wrote, or another program's, cannot be used.
    case damaged(file: String, reason: String)
    /// Two recordings would be written to one file.
    case sameName(first: String, second: String, name: String)
    /// There are fewer frames than clusters.
    case tooFewFrames(clusters: Int, frames: Int)
    /// Features have another dimension than the clusters.
    case dimension(found: Int, expected: Int)
    /// The clusters belong to another model's features.
    case otherCheckpoint(units: String, trainedOn: String, checkpoint: String)
    /// A line of units cannot be read.
    case badUnits(file: String, line: Int, expected: String, found: String)
    /// A file of units lacks an utterance, or has one too many.
    case unitCount(file: String, found: Int, manifest: String, expected: Int)
    /// An option has an impossible value.
    case badOption(name: String, reason: String)

    /// The sentence.
    public var description: String {
        switch self {
        case .badSelection(let part):
            "\"\(part)\" is no layer: expected a number, a range such as 4-9, extractor, normalized, context or all, "
                + "or several with commas between them."
        case .noLayer(let number, let count):
            "layer \(number): the model has \(count) transformer layers; choose one from 0 (what goes into the first) "
                + "to \(count), extractor, normalized or context."
        case .quantizesInput(let layer):
            "layer \(layer): the transformer of this model reads quantized features, which it has only in pre-training; "
                + "choose extractor or normalized."
        case .unequalLayers(let first, let second, let advice):
            "layers \(first) and \(second) have different sizes and do not go into one array; \(advice)."
        case .oneLayerOnly(let file):
            "\(file): one .npy file holds one layer; choose one, or write a folder or a .safetensors file."
        case .noQuantizer(let checkpoint, let reason):
            "\(checkpoint): \(reason); name a pre-trained checkpoint with a quantizer, or make units of a layer "
                + "(wav2vec2 units train)."
        case .occupied(let path, let advice): "\(path) exists already; \(advice)."
        case .otherSettings(let folder, let key, let begun, let now):
            "\(folder): was begun with \(key) \(begun), and is to go on with \(now); give the same settings, or "
                + "another folder."
        case .damaged(let file, let reason): "\(file): cannot be used (\(reason))."
        case .sameName(let first, let second, let name):
            "\(first) and \(second) would both be written to \(name); take them apart, into two outputs."
        case .tooFewFrames(let clusters, let frames):
            "\(clusters) clusters need at least as many frames, and there are \(frames); give more audio or fewer clusters."
        case .dimension(let found, let expected):
            "the features have \(found) numbers a frame and the clusters \(expected); use the model and the layer that "
                + "they were trained on."
        case .otherCheckpoint(let units, let trainedOn, let checkpoint):
            "\(units): was trained on the features of \(trainedOn), and \(checkpoint) holds another model; its units "
                + "would mean nothing."
        case .badUnits(let file, let line, let expected, let found):
            "\(file):\(line): expected \(expected), found \"\(found)\"."
        case .unitCount(let file, let found, let manifest, let expected):
            "\(file): has units of \(found) utterances, but \(manifest) has \(expected); make both from the same list."
        case .badOption(let name, let reason): "\(name): \(reason)."
        }
    }
}

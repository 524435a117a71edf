import Foundation
import W2VBase

/// An error of a checkpoint.
public enum CheckpointError: ExplainedError, Equatable {
    /// A folder lacks the weights or the configuration.
    case missing(path: String)
    /// A file cannot be used, for a reason.
    case damaged(path: String, reason: String)
    /// The checkpoint is of a model for another task.
    case wrongTask(path: String, found: ModelTask, wanted: ModelTask)
    /// A recognizer's checkpoint has no dictionary.
    case noDictionary(path: String, labels: Int)
    /// A dictionary of another size than the model's output layer.
    case dictionarySize(path: String, dictionary: String, symbols: Int, labels: Int)
    /// A dictionary has a checkpoint's symbol in another place, beside one that the checkpoint does not know.
    case dictionaryOrder(path: String, dictionary: String, symbol: String, place: Int, row: Int, unknown: String?)
    /// A checkpoint does not specify its model's architecture.
    case noArchitecture(path: String, reason: String)
    /// A format cannot represent the model.
    case cannotHold(format: CheckpointFormat, what: String, advice: Advice)
    /// The destination of a checkpoint is taken.
    case occupied(path: String, reason: String, advice: Advice? = nil)

    /// Failure if a file cannot be written, otherwise input.
    public var kind: ErrorKind {
        switch self {
        case .occupied: .failure
        default: .input
        }
    }

    /// The problem with the folder or file, and what to do about it.
    public var explanation: Explanation {
        switch self {
        case .missing(let path):
            let isAbsent = !FileManager.default.fileExists(atPath: path)
            return Explanation(
                isAbsent
                    ? "\(path) is not a checkpoint: there is no such file or folder" : "\(path) is not a checkpoint",
                "name a folder with model.safetensors and config.json, or a .pt file of fairseq or NVIDIA")
        case .damaged(let path, let reason):
            return Explanation("\(path) cannot be used: \(reason)")
        case .wrongTask(let path, let found, let wanted):
            guard let remedy = wanted.remedy else {
                return Explanation("\(path) holds \(found.phrase) where \(wanted.phrase) is needed")
            }
            return Explanation("\(path) holds \(found.phrase), which \(remedy.lack)", remedy.advice(path))
        case .noDictionary(let path, let labels):
            return Explanation(
                "\(path) holds a ctc model of \(labels) labels without its dictionary",
                "\(.giveDictionary) (fairseq's dict.ltr.txt is beside the data that it was trained on)")
        case .dictionarySize(let path, let dictionary, let symbols, let labels):
            return Explanation(
                "\(dictionary) has \(symbols) symbols, the four specials included, but the model of \(path) has "
                    + "\(labels) labels", "give the dictionary that it was trained with")
        case .dictionaryOrder(let path, let dictionary, let symbol, let place, let row, let unknown):
            return Explanation(
                "\(dictionary) has \(symbol.quotedWithCodePoints) as label \(place), which is label \(row) of \(path)"
                    + (unknown.map { ", and \($0.quotedWithCodePoints), which the checkpoint does not know" } ?? ""),
                "give the dictionary that the model was trained with, or none, as the checkpoint holds its symbols")
        case .noArchitecture(let path, let reason):
            return Explanation("\(path) does not say how its model is built (\(reason))", "\(.nameArchitecture)")
        case .cannotHold(let format, let what, let advice):
            return Explanation("\(format.name) format cannot hold \(what)", advice)
        case .occupied(let path, let reason, let advice):
            return Explanation("\(path) is not written: \(reason)", advice)
        }
    }
}

extension Phrase {
    /// Advice to give a recognizer its dictionary.
    public static let giveDictionary = Phrase("give the dictionary", name: "giveDictionary")
    /// Advice to write another dictionary with a checkpoint.
    public static let otherDictionary = Phrase("give another dictionary", name: "otherDictionary")
    /// Advice to name the architecture that weights belong to.
    public static let nameArchitecture = Phrase("name a checkpoint of the same architecture", name: "nameArchitecture")
    /// Advice to decode with an available language model.
    public static let giveLanguageModel = Phrase("give the model to the decoder", name: "giveLanguageModel")

    /// Returns the advice to fine-tune a model.
    public static func fineTune(_ path: String) -> Phrase {
        Phrase("fine-tune it first", values: [path], name: "fineTune")
    }

    /// Returns the option for a decoder's language model.
    public static func languageModel(_ path: String) -> Phrase {
        Phrase("the model \(path)", values: [path], name: "languageModel")
    }

    /// Returns the option for a decoder's lexicon.
    public static func lexicon(_ path: String) -> Phrase {
        Phrase("with the lexicon \(path)", values: [path], name: "lexicon")
    }

    /// Returns the option for a decoder's weight.
    public static func decoderWeight(_ name: String, _ value: Double) -> Phrase {
        Phrase("with \(name) \(value)", values: [name, "\(value)"], name: "decoderWeight")
    }
}

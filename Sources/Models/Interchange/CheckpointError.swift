import Foundation
import W2VBase

/// An error of a checkpoint.
public enum CheckpointError: Error, CustomStringConvertible, Sendable {
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
    case cannotHold(format: CheckpointFormat, what: String, advice: String)
    /// The destination of a checkpoint is taken.
    case occupied(path: String, reason: String)

    /// One sentence that names the folder or file, and what was expected of it.
    public var description: String {
        switch self {
        case .missing(let path):
            let states = ["best", "last"].filter {
                FileManager.default.fileExists(atPath: path + "/" + $0 + "/model.safetensors")
            }
            if !states.isEmpty {
                return "\(path) is the folder of a run: name one of its checkpoints, "
                    + states.map { "\(path)/\($0)" }.joined(separator: " or ")
            }
            let isAbsent = !FileManager.default.fileExists(atPath: path)
            return "\(path) is not a checkpoint: \(isAbsent ? "there is no such file or folder; " : "")a folder with "
                + "model.safetensors and config.json, or a .pt file of fairseq or NVIDIA, is expected"
        case .damaged(let path, let reason):
            return "\(path) cannot be used: \(reason)"
        case .wrongTask(let path, let found, let wanted):
            return "\(path) holds \(found.phrase)"
                + (wanted.remedy.map { ", \($0(path))" } ?? " where \(wanted.phrase) is needed")
        case .noDictionary(let path, let labels):
            return "\(path) holds a ctc model of \(labels) labels without its dictionary: give it with "
                + "--dictionary FILE (fairseq's dict.ltr.txt lies beside the data it was trained on)"
        case .dictionarySize(let path, let dictionary, let symbols, let labels):
            return "\(dictionary) has \(symbols) symbols, the four specials included, but the model of \(path) has "
                + "\(labels) labels: give the dictionary it was trained with"
        case .dictionaryOrder(let path, let dictionary, let symbol, let place, let row, let unknown):
            return
                "\(dictionary) has \(symbol.quotedWithCodePoints) as label \(place), which is label \(row) of \(path)"
                + (unknown.map { ", and \($0.quotedWithCodePoints), which the checkpoint does not know" } ?? "")
                + ": give the dictionary that the model was trained with, or none, as the checkpoint holds its symbols"
        case .noArchitecture(let path, let reason):
            return "\(path) does not say how its model is built (\(reason)): name a checkpoint of the same "
                + "architecture with --architecture-from CHECKPOINT"
        case .cannotHold(let format, let what, let advice):
            return "\(format.name) format cannot hold \(what): \(advice)"
        case .occupied(let path, let reason):
            return "\(path) is not written: \(reason)"
        }
    }
}

import Foundation
import W2VBase
import W2VTorch

/// What can stop a training run, one sentence each.
public enum TrainingError: Error, CustomStringConvertible, Sendable {
    /// What was asked for cannot be done: wrong options.
    case usage(String)
    /// What was to be learned from cannot be used.
    case badData(String)
    /// The output folder holds something, and resuming was not asked for.
    case outputNotEmpty(folder: String)
    /// A run's last state is gone; `kept` is the newest kept one, `found` what else is left of the run.
    case lastIsGone(folder: String, kept: String?, found: String)
    /// Another process trains in the output folder.
    case folderInUse(folder: String)
    /// The run to be resumed was started with another recipe; each difference as `key: then → now`.
    case recipeChanged(folder: String, differences: [String])
    /// The run to be resumed was started on other data.
    case dataChanged(folder: String, then: String, now: String)
    /// The saved state cannot be read.
    case damagedState(path: String, reason: String)
    /// The state cannot be saved; `intact` is the checkpoint that was saved before, if there is one.
    case cannotSave(folder: String, reason: String, intact: String?)
    /// A log or the run's folder cannot be written.
    case cannotWrite(file: String, reason: String)
    /// Copies of the model in several processes are no longer equal.
    case diverged(update: Int, ranks: [Int])
    /// The model's outputs on held-out recordings are NaN or infinite; `saved` is the update of the last saved state, if any.
    case modelDiverged(update: Int, name: String, saved: Int?)
    /// A loss or gradient is infinite or not a number.
    case notFinite(update: Int, what: String, utterances: [String])
    /// Gradients of half precision overflow however little the loss is scaled.
    case minimumLossScale(update: Int, scale: Double, what: String, utterances: [String])

    /// The sentence.
    public var description: String {
        switch self {
        case .usage(let sentence), .badData(let sentence): sentence
        case .outputNotEmpty(let folder):
            "\(folder) is not empty: add --resume to continue the run in it, or choose another --output"
        case .lastIsGone(let folder, let kept?, _):
            "\(folder) has no last/ to resume from, but \(kept) was kept: rename it to last to resume from there, or choose "
                + "another --output"
        case .lastIsGone(let folder, nil, let found):
            "\(folder) has no last/ to resume from, but \(found) of an earlier run: choose another --output, or empty "
                + "the folder to start a new run in it"
        case .folderInUse(let folder):
            "another process is training in \(folder): wait for it, stop it, or choose another --output"
        case .recipeChanged(let folder, let differences):
            "\(folder) was begun with another recipe (\(differences.joined(separator: "; "))): resume with the same "
                + "values, or start in another --output"
        case .dataChanged(let folder, let then, let now) where then == now:
            "\(folder) was begun on \(then) as well, but with other paths, lengths, weights or labels, or in another order: "
                + "resume with the list as it was, or start in another --output"
        case .dataChanged(let folder, let then, let now):
            "\(folder) was begun on \(then), and this is \(now): resume with the same --train, or start in another "
                + "--output"
        case .damagedState(let path, let reason): "\(path) cannot be resumed: \(reason)"
        case .cannotSave(let folder, let reason, let intact):
            "the state could not be saved in \(folder): \(reason); "
                + (intact.map {
                    "\($0), saved before, is intact: make room, or correct the folder's permissions, and continue "
                        + "with --resume"
                } ?? "nothing was saved before: make room, or correct the folder's permissions, and begin again")
        case .cannotWrite(let file, let reason):
            "\(file) cannot be written: \(reason); make room, or correct its permissions; saved states are untouched"
        case .diverged(0, let ranks):
            "rank \(ranks.map(String.init).joined(separator: ", ")) begins with other weights than rank 0: give every machine "
                + "the same checkpoint (--from, or with --resume the same --output) and the same libraries"
        case .diverged(let update, let ranks):
            "after update \(update) the parameters of rank \(ranks.map(String.init).joined(separator: ", ")) differ from "
                + "those of rank 0: memory or a device may be faulty, or the machines have different libraries; "
                + "continue with --resume from the last checkpoint"
        case .modelDiverged(let update, let name, let saved):
            "training diverged at or before update \(update): the model's outputs on \(name) are NaN or infinite, so it is "
                + "not saved: lower optimization.lr, warm up longer (optimization.warmup_updates), or set optimization.clip_norm, and "
                + (saved.map {
                    "begin again, from an earlier checkpoint if you like (last was saved after update \($0))"
                }
                    ?? "begin again")
        case .notFinite(let update, let what, let utterances):
            "update \(update): \(what) is infinite or not a number; its utterances were "
                + "\(utterances.joined(separator: ", ")): listen to them, lower optimization.lr, or set "
                + "optimization.clip_norm"
        case .minimumLossScale(let update, let scale, let what, let utterances):
            "update \(update): \(what) still overflows although the loss scale has come down to its minimum, \(scale); the "
                + "loss is probably exploding, and its utterances were \(utterances.joined(separator: ", ")): lower "
                + "optimization.lr, set optimization.clip_norm, make updates of more audio, or use precision.mode=bf16"
        }
    }

    /// The program's exit code: 64 for wrong usage, 65 for bad input data, else 1.
    public var exitCode: Int32 {
        switch self {
        case .usage, .outputNotEmpty, .lastIsGone, .recipeChanged, .dataChanged: 64
        case .badData: 65
        case .damagedState, .folderInUse, .cannotSave, .cannotWrite, .diverged, .modelDiverged, .notFinite,
            .minimumLossScale:
            1
        }
    }

    /// Whether the state at hand must not replace the one that was saved before: it is broken, or cannot be written.
    var forbidsSaving: Bool {
        switch self {
        case .cannotSave, .diverged, .modelDiverged, .notFinite, .minimumLossScale: true
        default: false
        }
    }
}

/// What the system says about a failure, as a clause without an end.
///
/// - Parameter error: What a file operation threw.
/// - Returns: Such as "No space left on device".
func systemReason(_ error: any Error) -> String {
    switch error {
    case FileWriteError.noSpace(let path, let reason, let written):
        return "\(URL(fileURLWithPath: path).lastPathComponent): \(reason) after \(written) bytes"
    case FileWriteError.failed(let path, let step, let reason):
        return "cannot \(step) \(URL(fileURLWithPath: path).lastPathComponent): \(reason)"
    case let error as POSIXError: return String(cString: strerror(error.code.rawValue))
    case let error as TorchError: return "\(error)"
    default: break
    }
    let error = error as NSError
    if let cause = error.userInfo[NSUnderlyingErrorKey] as? any Error { return systemReason(cause) }
    if error.domain == NSPOSIXErrorDomain { return String(cString: strerror(Int32(error.code))) }
    let text = error.localizedDescription
    return text.hasSuffix(".") ? String(text.dropLast()) : text
}

/// What can stop a training run, one sentence each.
public enum TrainingError: Error, CustomStringConvertible, Sendable {
    /// What was asked for cannot be done: wrong options.
    case usage(String)
    /// What was to be learned from cannot be used.
    case badData(String)
    /// The output folder holds something, and resuming was not asked for.
    case outputNotEmpty(folder: String)
    /// Another process trains in the output folder.
    case folderInUse(folder: String)
    /// The run to be resumed was started with another recipe; each difference as `key: then → now`.
    case recipeChanged(folder: String, differences: [String])
    /// The run to be resumed was started on other data.
    case dataChanged(folder: String, then: String, now: String)
    /// The saved state cannot be read.
    case damagedState(path: String, reason: String)
    /// The state cannot be saved; what was saved before is untouched.
    case cannotSave(folder: String, reason: String)
    /// A loss or gradient is infinite or not a number.
    case notFinite(update: Int, what: String, utterances: [String])
    /// Gradients of half precision overflow however little the loss is scaled.
    case minimumLossScale(update: Int, scale: Double, what: String, utterances: [String])

    /// The sentence.
    public var description: String {
        switch self {
        case .usage(let sentence), .badData(let sentence): sentence
        case .outputNotEmpty(let folder):
            "\(folder) is not empty: add --resume to go on with the run in it, or choose another --output"
        case .folderInUse(let folder):
            "another process is training in \(folder): wait for it, stop it, or choose another --output"
        case .recipeChanged(let folder, let differences):
            "\(folder) was begun with another recipe (\(differences.joined(separator: "; "))): resume with the same "
                + "values, or start in another --output"
        case .dataChanged(let folder, let then, let now):
            "\(folder) was begun on \(then), and this is \(now): resume with the same --train, or start in another "
                + "--output"
        case .damagedState(let path, let reason): "\(path) cannot be resumed: \(reason)"
        case .cannotSave(let folder, let reason):
            "the state could not be saved in \(folder): \(reason); the checkpoint that was saved before is intact"
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
        case .usage, .outputNotEmpty, .recipeChanged, .dataChanged: 64
        case .badData: 65
        case .damagedState, .folderInUse, .cannotSave, .notFinite, .minimumLossScale: 1
        }
    }
}

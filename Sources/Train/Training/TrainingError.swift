import Foundation
import W2VBackbone
import W2VBase
import W2VTorch

/// What can stop a training run.
public enum TrainingError: ExplainedError, Equatable {
    /// There is nothing to learn from, or nothing to validate on.
    case noLists
    /// A list to learn from has an impossible weight.
    case badWeight(list: String, weight: Double)
    /// A held-out list has a weight, though each of its utterances counts once.
    case weightedValidation(list: String, weight: Double)
    /// A micro-batch was asked for before ``TrainingData`` had begun an update.
    case noUpdateBegun
    /// A run's folder holds fewer states than are to be averaged; `found` are their names.
    case tooFewStates(folder: String, found: [String], wanted: Int)
    /// An update's sub-batches cannot be shared equally by the processes.
    case indivisibleUpdate(subBatches: Int, processes: Int)
    /// The run in the output folder has another task; `command` continues it.
    case otherTask(folder: String, task: String, command: String)
    /// What training is to start from is the folder of a run, which holds `checkpoints`.
    case startsFromRun(folder: String, checkpoints: [String])
    /// LibTorch cannot sum gradients of this precision over processes.
    case unsummable(precision: String, reason: String)
    /// The run to be resumed was trained by objectives that are not registered; `known` are.
    case missingObjectives(folder: String, names: [String], known: [String])

    /// The folder does not say which lists a run was trained on.
    case unknownLists(run: String)
    /// A checkpoint to start from has values that are NaN or infinite.
    case notFiniteWeights(path: String, name: String)
    /// A held-out list has no utterance that can be used.
    case nothingToValidate(list: String, reason: String)
    /// Utterances have more labels than frames; the sentence names list and utterances.
    case labelsExceedFrames(String)
    /// All transcripts of a list are empty.
    case emptyTranscripts(list: String, count: Int)
    /// There is no dictionary beside the first list to learn from.
    case noDictionary(file: String)
    /// A process has another list or dictionary than rank 0; `difference` says how they differ.
    case otherData(role: String, name: String, rank: Int, machine: String, leader: String, difference: String)

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
    case damagedState(path: String, reason: String, advice: Advice? = nil)
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

    /// Usage, input or failure.
    public var kind: ErrorKind {
        switch self {
        case .noLists, .badWeight, .weightedValidation, .noUpdateBegun, .tooFewStates, .indivisibleUpdate, .otherTask,
            .startsFromRun, .unsummable, .missingObjectives, .outputNotEmpty, .lastIsGone, .recipeChanged, .dataChanged:
            .usage
        case .unknownLists, .notFiniteWeights, .nothingToValidate, .labelsExceedFrames, .emptyTranscripts,
            .noDictionary, .otherData:
            .input
        case .damagedState, .folderInUse, .cannotSave, .cannotWrite, .diverged, .modelDiverged, .notFinite,
            .minimumLossScale:
            .failure
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
/// - Returns: Such as "the disk is full".
func systemReason(_ error: any Error) -> String {
    (error as? FileWriteError)?.summary ?? SystemReason.of(error)
}

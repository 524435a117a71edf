import Foundation
import W2VBackbone
import W2VBase
import W2VTorch

/// Errors that stop a training run.
public enum TrainingError: ExplainedError, Equatable {
    /// There is no training list, or no validation list.
    case noLists
    /// A training list has an impossible weight.
    case badWeight(list: String, weight: Double)
    /// A held-out list has a weight, though each of its utterances counts once.
    case weightedValidation(list: String, weight: Double)
    /// The data have no such micro-batch.
    case missingMicroBatch(update: Int, number: Int)
    /// A run's folder holds fewer states than should be averaged; `found` are their names.
    case tooFewStates(folder: String, found: [String], wanted: Int)
    /// The processes cannot share an update's sub-batches equally.
    case indivisibleUpdate(subBatches: Int, processes: Int)
    /// The run in the output folder has another task; `command` continues it.
    case otherTask(folder: String, task: String, command: String)
    /// LibTorch cannot sum gradients of this precision over processes.
    case unsummable(precision: String, reason: String)
    /// The run to resume was trained with objectives that are not registered; `known` ones are.
    case missingObjectives(folder: String, names: [String], known: [String])

    /// The folder does not record which lists a run was trained on.
    case unknownLists(run: String)
    /// A starting checkpoint has values that are NaN or infinite.
    case notFiniteWeights(path: String, name: String)
    /// A held-out list has no usable utterance.
    case nothingToValidate(list: String, reason: String)
    /// Utterances have more labels than frames; the sentence names list and utterances.
    case labelsExceedFrames(String)
    /// All transcripts of a list are empty.
    case emptyTranscripts(list: String, count: Int)
    /// There is no dictionary beside the first training list.
    case noDictionary(file: String)
    /// A process has another list or dictionary than rank 0; `difference` describes it.
    case otherData(role: String, name: String, rank: Int, machine: String, leader: String, difference: String)

    /// The output folder is not empty, and resuming was not requested.
    case outputNotEmpty(folder: String)
    /// A run's last state is gone; `kept` is the newest kept one, `found` what else is left of the run.
    case lastIsGone(folder: String, kept: String?, found: String)
    /// Another process trains in the output folder.
    case folderInUse(folder: String)
    /// The run to resume was started with another recipe; each difference is `key: then → now`.
    case recipeChanged(folder: String, differences: [String])
    /// The run to resume was started on other data.
    case dataChanged(folder: String, then: String, now: String)
    /// The saved state cannot be read.
    case damagedState(path: String, reason: String, advice: Advice? = nil)
    /// The state cannot be saved; `intact` is the previous checkpoint, if any.
    case cannotSave(folder: String, reason: String, intact: String?)
    /// A log or the run's folder cannot be written.
    case cannotWrite(file: String, reason: String)
    /// Copies of the model in several processes are no longer equal.
    case diverged(update: Int, ranks: [Int])
    /// The model's outputs on held-out recordings are NaN or infinite; `saved` is the update of the last saved state, if any.
    case modelDiverged(update: Int, name: String, saved: Int?)
    /// A loss or gradient is NaN or infinite.
    case notFinite(update: Int, what: String, utterances: [String])
    /// Gradients in half precision overflow even at the smallest loss scale.
    case minimumLossScale(update: Int, scale: Double, what: String, utterances: [String])

    /// Usage, input or failure.
    public var kind: ErrorKind {
        switch self {
        case .noLists, .badWeight, .weightedValidation, .tooFewStates, .indivisibleUpdate, .otherTask, .unsummable,
            .missingObjectives, .outputNotEmpty, .lastIsGone, .recipeChanged, .dataChanged:
            .usage
        case .unknownLists, .notFiniteWeights, .nothingToValidate, .labelsExceedFrames, .emptyTranscripts,
            .noDictionary, .otherData:
            .input
        case .damagedState, .folderInUse, .cannotSave, .cannotWrite, .diverged, .modelDiverged, .notFinite,
            .minimumLossScale, .missingMicroBatch:
            .failure
        }
    }

    /// Whether the present state must not replace the saved one: it is broken, or cannot be written.
    var forbidsSaving: Bool {
        switch self {
        case .cannotSave, .diverged, .modelDiverged, .notFinite, .minimumLossScale: true
        default: false
        }
    }
}

/// Returns the system's description of a failure, as a clause without a final period.
///
/// - Parameter error: An error of a file operation.
/// - Returns: A text such as "the disk is full".
func systemReason(_ error: any Error) -> String {
    (error as? FileWriteError)?.summary ?? SystemReason.of(error)
}

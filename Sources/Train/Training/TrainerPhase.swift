/// The phase of a run: what a checkpoint saved now records, and whether one can be saved if the run fails now.
///
///     training ─→ updating ─→ training ─→ validating ─→ training ─→ …  ─→ stopping
///
/// In each phase but `updating` the run may be `saving` for a moment, and returns to that phase. A phase that fails is
/// not left, so that it shows what failed.
enum TrainerPhase {
    /// Model and state are those after the same update; gradients of the next one may be in progress.
    case training
    /// The optimizer is changing the model, and the state does not count the update yet.
    case updating
    /// The held-out sets are being evaluated after an update of `epoch`; `bestBefore` is the best result until then.
    case validating(epoch: Int, bestBefore: TrainingState.Best?)
    /// The state is being copied for a checkpoint.
    case saving
    /// The last update is made, or the run was asked to stop: the state is saved, and the run ends.
    case stopping(TrainingOutcome)

    /// Restores the phase of a saved state.
    ///
    /// - Parameter state: The saved state.
    init(of state: TrainingState) {
        self = state.pendingValidation.map { .validating(epoch: $0, bestBefore: state.best) } ?? .training
    }

    /// Whether a run that fails in this phase still has a matching model and state.
    var isSavable: Bool {
        switch self {
        case .training, .validating, .stopping: true
        // A failed save would fail again.
        case .updating, .saving: false
        }
    }

    /// Whether validation after the state's update is complete, so that its checkpoint can be kept permanently.
    var isComplete: Bool { if case .validating = self { false } else { true } }

    /// Returns the state for a checkpoint.
    ///
    /// During validation it is the state before it, with a note that validation is pending.
    ///
    /// - Parameter state: The run's state.
    func saved(_ state: TrainingState) -> TrainingState {
        var saved = state
        saved.pendingValidation = nil
        guard case .validating(let epoch, let bestBefore) = self else { return saved }
        (saved.pendingValidation, saved.best, saved.finished) = (epoch, bestBefore, false)
        return saved
    }
}

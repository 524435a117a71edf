/// What a run is doing: what a checkpoint saved now says of it, and whether one can be saved if the run fails now.
///
///     training ─→ updating ─→ training ─→ validating ─→ training ─→ …  ─→ stopping
///
/// From each phase but `updating` the run may be `saving` for a moment, and returns to that phase. A phase that fails is not
/// left: it says what has failed.
enum TrainerPhase {
    /// Model and state are those after the same update; gradients of the next one may be under way.
    case training
    /// The optimizer is changing the model, and the state does not count the update yet.
    case updating
    /// The held-out sets are being evaluated after an update of `epoch`; `bestBefore` is the best result until then.
    case validating(epoch: Int, bestBefore: TrainingState.Best?)
    /// The state is being copied for a checkpoint.
    case saving
    /// The last update is made, or the run was asked to stop: the state is saved, and the run ends.
    case stopping(TrainingOutcome)

    /// The phase that a saved state was in.
    ///
    /// - Parameter state: The state as it was saved.
    init(of state: TrainingState) {
        self = state.pendingValidation.map { .validating(epoch: $0, bestBefore: state.best) } ?? .training
    }

    /// Whether a run that fails in this phase still has a model and a state that belong together.
    var isSavable: Bool {
        switch self {
        case .training, .validating, .stopping: true
        // A save that has failed would fail again.
        case .updating, .saving: false
        }
    }

    /// Whether validation after the state's update is complete, so that its checkpoint can be kept for good.
    var isComplete: Bool { if case .validating = self { false } else { true } }

    /// The state as a checkpoint has it.
    ///
    /// While held-out sets are being evaluated it is that before validation, with a note that this is still to be done.
    ///
    /// - Parameter state: The run's state.
    /// - Returns: The state to save.
    func saved(_ state: TrainingState) -> TrainingState {
        var saved = state
        saved.pendingValidation = nil
        guard case .validating(let epoch, let bestBefore) = self else { return saved }
        (saved.pendingValidation, saved.best, saved.finished) = (epoch, bestBefore, false)
        return saved
    }
}

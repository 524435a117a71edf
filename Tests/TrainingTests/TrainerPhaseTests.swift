import Foundation
import TestSupport
import Testing

@testable import W2VTraining

@Suite(.onTestThreads) struct TrainerPhaseTests {
    private var state: TrainingState {
        var state = TrainingState(recipe: [:], data: "")
        state.update = 6
        state.finished = true
        state.best = best(0.25)
        return state
    }

    private func best(_ value: Double) -> TrainingState.Best { .init(update: 6, metric: "loss", value: value) }

    /// A state that is saved during validation resumes with validation from its start.
    @Test func aStateThatIsSavedDuringValidationIsThatBeforeIt() throws {
        let phase = TrainerPhase.validating(epoch: 2, bestBefore: best(0.5))
        let saved = phase.saved(state)
        #expect(saved.pendingValidation == 2 && saved.best == best(0.5) && !saved.finished && saved.update == 6)
        #expect(!phase.isComplete)
        guard case .validating(epoch: 2, bestBefore: best(0.5)) = TrainerPhase(of: saved) else {
            Issue.record("the saved state is in another phase")
            return
        }
    }

    @Test func otherPhasesSaveTheStateAsItIs() throws {
        var resumed = state
        resumed.pendingValidation = 2
        for phase in [TrainerPhase.training, .updating, .stopping(.finished)] {
            let saved = phase.saved(resumed)
            #expect(saved.pendingValidation == nil && saved.best == best(0.25) && saved.finished)
            #expect(phase.isComplete)
            guard case .training = TrainerPhase(of: saved) else {
                Issue.record("the saved state is not that between two updates")
                return
            }
        }
    }

    /// Half an update, and a state that has just failed to be saved, cannot be saved.
    @Test func onlyWholeStatesAreSavable() {
        #expect(!TrainerPhase.updating.isSavable && !TrainerPhase.saving.isSavable)
        #expect(TrainerPhase.training.isSavable && TrainerPhase.validating(epoch: 0, bestBefore: nil).isSavable)
        #expect(TrainerPhase.stopping(.paused).isSavable)
    }

    /// The phases of a run, as its lines show them.
    @Test func aRunGoesThroughItsPhases() throws {
        let corpus = try SyntheticCorpus(utterances: 4)
        let job = try corpus.job(.pretraining, "run", ["optimization.max_update=4", "validation.every=2"])
        let log = CapturedLog()
        // Safe: the provider of metadata runs on the thread that trains, which is this one.
        nonisolated(unsafe) var trainer: Trainer?
        trainer = try Trainer(
            job, logger: log.logger(adding: .init { trainer.map { ["phase": "\($0.phase)"] } ?? [:] }))
        var asked = ""
        let outcome = try trainer?.run {
            asked = trainer.map { "\($0.phase)" } ?? ""
            return trainer?.state.update == 2 ? SIGINT : nil
        }
        func phase(_ start: String) -> String? {
            log.entries.last { "\($0.message)".hasPrefix(start) }?.metadata["phase"]?.description
        }
        #expect(outcome == .stopped(signal: SIGINT))
        #expect(asked == "training")
        #expect(phase("validation after")?.hasPrefix("validating(epoch: ") == true)
        #expect(phase("stopped by")?.hasPrefix("stopping(") == true)
    }

    /// A phase that fails is not left.
    @Test func aFailureStaysInItsPhase() throws {
        let corpus = try SyntheticCorpus(utterances: 4)
        let job = try corpus.job(.pretraining, "run", ["optimization.max_update=2", "validation.every=1"])
        let trainer = try Trainer(job)
        #expect(throws: (any Error).self) {
            _ = try trainer.run {
                try? FileManager.default.removeItem(at: corpus.file("valid4.wav"))
                return nil
            }
        }
        guard case .validating(_, let best) = trainer.phase else {
            Issue.record("the phase is \(trainer.phase)")
            return
        }
        let saved = try TrainingState.read(corpus.file("run/last"))
        #expect(saved.pendingValidation != nil && saved.best == best)
    }
}

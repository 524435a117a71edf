import Foundation
import Logging
import W2VTorch

/// Saves a run's checkpoints, and removes the superseded ones.
///
/// They are written while training continues, one after another and each from a copy of the state. Only one update's
/// copy is held at a time: a save waits for the one before.
final class CheckpointKeeper {
    let folder: RunFolder
    private let options: Recipe.CheckpointSection
    private let trainStep: UpdateStep
    private let role: Role
    private let logger: Logger
    private let writer = BackgroundWriter()
    private var copied: (update: Int, copy: Copy)?
    /// The update whose state `last/` holds, or will hold once it is written; `nil` before the first save.
    private(set) var lastSaved: Int?

    /// This process's role in saving a checkpoint.
    enum Role {
        /// Writes its own complete state.
        case writes
        /// Holds one share, like the others of a group; rank 0 writes.
        case shares(ProcessGroup)
        /// Does nothing: another process writes.
        case none
    }

    /// The copy of an update's state that is held for writing.
    private struct Copy {
        weak var weights: Snapshot.Weights?
        weak var moments: Snapshot.Moments?
    }

    /// Prepares to save.
    ///
    /// - Parameters:
    ///   - folder: The run's folder.
    ///   - options: The recipe's section that decides which checkpoints are kept.
    ///   - trainStep: The owner of the weights and the optimizer.
    ///   - role: This process's role.
    ///   - lastSaved: The update whose state `last/` holds, if any.
    ///   - logger: Receives warnings, and at `debug` each checkpoint that is written.
    init(
        _ folder: RunFolder, _ options: Recipe.CheckpointSection, _ trainStep: UpdateStep, _ role: Role,
        lastSaved: Int? = nil, logger: Logger
    ) {
        self.folder = folder
        self.options = options
        self.trainStep = trainStep
        self.role = role
        self.lastSaved = lastSaved
        self.logger = logger
    }

    /// The processes that each hold a share, if the state is sharded.
    private var group: ProcessGroup? {
        if case .shares(let group) = role { return group }
        return nil
    }

    /// Whether other processes must save at the same time.
    var needsOthers: Bool { group != nil }

    private var writes: Bool { group.map { $0.rank == 0 } ?? true }

    /// Whether a state must be saved because the recipe keeps it permanently.
    func isMilestone(_ state: TrainingState) -> Bool { options.isMilestone(state) }

    /// Starts saving everything that resuming needs, and keeps or removes older states as the recipe says.
    ///
    /// - Parameters:
    ///   - state: The run's state.
    ///   - keeps: Whether older states are pruned now, and this one may be kept permanently.
    /// - Throws: ``TrainingError/cannotSave(folder:reason:intact:)`` if the previous save failed; the old checkpoints
    ///   stay.
    func saveLast(_ state: TrainingState, keeps: Bool = true) throws {
        try save("last", state, withOptimizer: true, keeps: keeps)
        if !options.noSave { lastSaved = state.update }
    }

    /// Starts saving the weights as the best so far.
    ///
    /// - Throws: ``TrainingError/cannotSave(folder:reason:intact:)`` if the previous save failed; the old best stays.
    func saveBest(_ state: TrainingState) throws {
        guard options.keepBest else { return }
        try save("best", state, withOptimizer: false, keeps: false)
    }

    private func save(_ name: String, _ state: TrainingState, withOptimizer: Bool, keeps: Bool) throws {
        if case .none = role { return }
        guard !options.noSave else { return }
        let snapshot = try snapshot(state, withOptimizer: withOptimizer)
        logger.debug(
            "writing \(name)/ of update \(state.update)", metadata: ["update": .stringConvertible(state.update)])
        writer.write { [folder, options, writes, logger] in
            guard writes else {
                try snapshot.send()
                return []
            }
            let began = ContinuousClock.now
            let warnings = try folder.replace(name) { try snapshot.write(to: $0) }
            let seconds = (ContinuousClock.now - began).inSeconds
            logger.debug(
                "wrote \(name)/ of update \(snapshot.state.update) in \(short(seconds)) s",
                metadata: ["update": .stringConvertible(snapshot.state.update), "seconds": .stringConvertible(seconds)])
            return warnings + (keeps ? try folder.prune(snapshot.state, options) : [])
        }
        if !options.writeCheckpointsAsynchronously { try finish() }
    }

    /// Returns the present state, copied unless there is a copy for a checkpoint that is still being written.
    private func snapshot(_ state: TrainingState, withOptimizer: Bool) throws -> Snapshot {
        var state = state
        trainStep.record(into: &state)
        if copied?.update != state.update { copied = (state.update, Copy()) }
        let held = (weights: copied?.copy.weights, moments: copied?.copy.moments)
        // There is no copy of this update: the previous update's is released first.
        if held.weights == nil { try finish() }
        let copies = options.writeCheckpointsAsynchronously
        let weights = try held.weights ?? trainStep.weights(copying: copies)
        let moments = try withOptimizer ? held.moments ?? trainStep.moments(copying: copies) : nil
        copied = (state.update, Copy(weights: weights, moments: moments ?? held.moments))
        return Snapshot(weights: weights, moments: moments, state: state, group: group)
    }

    /// Waits until everything is written, and logs the writing thread's warnings.
    ///
    /// - Throws: ``TrainingError/cannotSave(folder:reason:intact:)``; earlier checkpoints stay.
    func finish() throws {
        writer.wait()
        try checkForFailure()
    }

    /// Logs the writing thread's warnings so far, and throws if it has failed.
    ///
    /// - Throws: ``TrainingError/cannotSave(folder:reason:intact:)``; earlier checkpoints stay.
    func checkForFailure() throws {
        for warning in try writer.takeWarnings() { logger.warning("\(warning)") }
    }

    /// Waits for a checkpoint that is being written, unless other processes take part in it: the run has failed.
    func waitForPendingWrite() {
        if group == nil { writer.wait() }
    }

    /// Keeps the state in `last/` permanently if the recipe says so, and removes superseded ones.
    ///
    /// - Parameter state: The state in `last/`.
    /// - Throws: ``TrainingError/cannotSave(folder:reason:intact:)``.
    func prune(_ state: TrainingState) throws {
        for warning in try folder.prune(state, options) { logger.warning("\(warning)") }
    }

    /// Measures the size of a checkpoint on disk by writing one.
    ///
    /// - Parameter state: The run's state.
    /// - Returns: Bytes of everything that resuming needs, and of the weights alone; 0 if another process writes.
    /// - Throws: ``TrainingError/cannotSave(folder:reason:intact:)``.
    func sizeOnDisk(_ state: TrainingState) throws -> (whole: Int, weights: Int) {
        let manager = FileManager.default
        let scratch = manager.temporaryDirectory.appendingPathComponent("wav2vec2-size-\(UUID().uuidString)")
        defer { try? manager.removeItem(at: scratch) }
        var state = state
        trainStep.record(into: &state)
        let weights = try trainStep.weights(copying: false)
        let moments = try trainStep.moments(copying: false)
        func size(_ moments: Snapshot.Moments?) throws -> Int {
            let snapshot = Snapshot(weights: weights, moments: moments, state: state, group: group)
            guard writes else {
                try snapshot.send()
                return 0
            }
            try? manager.removeItem(at: scratch)
            try manager.createDirectory(at: scratch, withIntermediateDirectories: true)
            try snapshot.write(to: scratch)
            return try manager.contentsOfDirectory(atPath: scratch.path).reduce(0) { sum, name in
                let attributes = try manager.attributesOfItem(atPath: scratch.appendingPathComponent(name).path)
                return sum + ((attributes[.size] as? NSNumber)?.intValue ?? 0)
            }
        }
        return (try size(moments), try size(nil))
    }
}

extension Recipe.CheckpointSection {
    fileprivate func isMilestone(_ state: TrainingState) -> Bool { keepMilestones?.include(state) ?? false }
}

extension RunFolder {
    /// Keeps the state in `last/` permanently if the recipe says so, and removes superseded ones.
    ///
    /// - Parameters:
    ///   - state: The state in `last/`.
    ///   - options: The recipe's section that decides which checkpoints are kept.
    /// - Returns: A warning for each one that could not be removed.
    /// - Throws: ``TrainingError/cannotSave(folder:reason:intact:)``.
    fileprivate func prune(_ state: TrainingState, _ options: Recipe.CheckpointSection) throws -> [String] {
        guard !options.noSave, state.update > 0 else { return [] }
        let newest = options.keepLastCheckpoints
        if newest > 1 || options.isMilestone(state) { try keepLast(update: state.update) }
        let recent = newest > 1 ? Set(kept().map(\.update).suffix(newest)) : []
        return removeKept { recent.contains($0) || options.isMilestone($1) }
    }
}

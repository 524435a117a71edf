import Foundation
import Torch

/// Saves a run's checkpoints, and removes those that are no longer wanted.
///
/// They are written while training goes on, one after the other and each from a copy of the state. No more than one
/// update's copy is held: a save waits for the one before.
final class CheckpointKeeper {
    let folder: RunFolder
    private let options: Recipe.CheckpointSection
    private let makeUpdate: UpdateStep
    private let role: Role
    private let report: (String) -> Void
    private let writer = BackgroundWriter()
    private var copied: (update: Int, copy: Copy)?
    /// The update whose state `last/` holds, or will as soon as it is written; `nil` if none was ever saved.
    private(set) var lastSaved: Int?

    /// What this process has to do with a checkpoint.
    enum Role {
        /// It writes what it holds.
        case writes
        /// It holds a part, and so do the others of a group; rank 0 writes.
        case shares(ProcessGroup)
        /// Another process does everything.
        case none
    }

    /// What of an update's state is held for writing.
    private struct Copy {
        weak var weights: Snapshot.Weights?
        weak var moments: Snapshot.Moments?
    }

    /// Prepares to save.
    ///
    /// - Parameters:
    ///   - folder: Where.
    ///   - options: What is kept.
    ///   - makeUpdate: Holds weights and optimizer.
    ///   - role: This process's part in it.
    ///   - lastSaved: The update whose state `last/` holds, if there is one.
    ///   - report: Gets lines for people.
    init(
        _ folder: RunFolder, _ options: Recipe.CheckpointSection, _ makeUpdate: UpdateStep, _ role: Role,
        lastSaved: Int? = nil, report: @escaping (String) -> Void
    ) {
        self.folder = folder
        self.options = options
        self.makeUpdate = makeUpdate
        self.role = role
        self.lastSaved = lastSaved
        self.report = report
    }

    /// The processes that hold a part each, if they do.
    private var group: ProcessGroup? {
        if case .shares(let group) = role { return group }
        return nil
    }

    /// Whether other processes must save at the same time.
    var needsOthers: Bool { group != nil }

    private var writes: Bool { group.map { $0.rank == 0 } ?? true }

    /// Whether a state must be saved because it is to be kept for good.
    func isMilestone(_ state: TrainingState) -> Bool { options.isMilestone(state) }

    /// Begins to save everything that resuming needs, and keeps or removes older states as the recipe says.
    ///
    /// - Parameters:
    ///   - state: Where the run is; gets what the optimizer adds.
    ///   - keeps: Whether older states are kept or removed now, and this one may be kept.
    /// - Throws: ``TrainingError/cannotSave(folder:reason:intact:)`` where the save before has failed; the old checkpoints stay.
    func saveLast(_ state: inout TrainingState, keeps: Bool = true) throws {
        try save("last", &state, withOptimizer: true, keeps: keeps)
        if !options.noSave { lastSaved = state.update }
    }

    /// Begins to save the weights as the best so far.
    ///
    /// - Parameter state: Where the run is.
    /// - Throws: ``TrainingError/cannotSave(folder:reason:intact:)`` where the save before has failed; the old best stays.
    func saveBest(_ state: TrainingState) throws {
        guard options.keepBest else { return }
        var state = state
        state.pendingValidation = nil
        try save("best", &state, withOptimizer: false, keeps: false)
    }

    private func save(_ name: String, _ state: inout TrainingState, withOptimizer: Bool, keeps: Bool) throws {
        if case .none = role { return }
        guard !options.noSave else { return }
        let snapshot = try snapshot(&state, withOptimizer: withOptimizer)
        writer.write { [folder, options, writes] in
            guard writes else {
                try snapshot.send()
                return []
            }
            let warnings = try folder.replace(name) { try snapshot.write(to: $0) }
            return warnings + (keeps ? try folder.tidy(snapshot.state, options) : [])
        }
        if !options.writeCheckpointsAsynchronously { try finish() }
    }

    /// The state as it is, copied unless it has been for a checkpoint that is still being written.
    private func snapshot(_ state: inout TrainingState, withOptimizer: Bool) throws -> Snapshot {
        makeUpdate.note(in: &state)
        if copied?.update != state.update { copied = (state.update, Copy()) }
        let held = (weights: copied?.copy.weights, moments: copied?.copy.moments)
        // Nothing is held of this update: what is held of the one before goes first.
        if held.weights == nil { try finish() }
        let copies = options.writeCheckpointsAsynchronously
        let weights = try held.weights ?? makeUpdate.weights(copying: copies)
        let moments = try withOptimizer ? held.moments ?? makeUpdate.moments(copying: copies) : nil
        copied = (state.update, Copy(weights: weights, moments: moments ?? held.moments))
        return Snapshot(weights: weights, moments: moments, state: state, group: group)
    }

    /// Finishes and takes note of what the writing thread has to say.
    ///
    /// - Throws: ``TrainingError/cannotSave(folder:reason:intact:)``; what was saved before stays.
    func finish() throws {
        writer.wait()
        try hear()
    }

    /// Takes note of what the writing thread has to say so far.
    ///
    /// - Throws: ``TrainingError/cannotSave(folder:reason:intact:)``; what was saved before stays.
    func hear() throws {
        for warning in try writer.news() { report("WARNING: \(warning)") }
    }

    /// Lets a checkpoint that is being written become whole, where this takes nobody else: the run has failed.
    func leave() {
        if group == nil { writer.wait() }
    }

    /// Keeps the state in `last/` if it is to be kept, and removes older ones that are not.
    ///
    /// - Parameter state: What `last/` holds.
    /// - Throws: ``TrainingError/cannotSave(folder:reason:intact:)``.
    func tidy(_ state: TrainingState) throws {
        for warning in try folder.tidy(state, options) { report("WARNING: \(warning)") }
    }

    /// What a checkpoint takes on disk, found by writing it.
    ///
    /// - Parameter state: Where the run is.
    /// - Returns: Bytes of all that resuming needs, and of the weights alone; 0 where another process writes.
    /// - Throws: ``TrainingError/cannotSave(folder:reason:intact:)``.
    func measure(_ state: TrainingState) throws -> (whole: Int, weights: Int) {
        let manager = FileManager.default
        let scratch = manager.temporaryDirectory.appendingPathComponent("wav2vec2-size-\(UUID().uuidString)")
        defer { try? manager.removeItem(at: scratch) }
        var state = state
        makeUpdate.note(in: &state)
        let weights = try makeUpdate.weights(copying: false)
        let moments = try makeUpdate.moments(copying: false)
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
    /// Keeps the state in `last/` if it is to be kept, and removes older ones that are not.
    ///
    /// - Parameters:
    ///   - state: What `last/` holds.
    ///   - options: What is kept.
    /// - Returns: A sentence for each that could not be removed.
    /// - Throws: ``TrainingError/cannotSave(folder:reason:intact:)``.
    fileprivate func tidy(_ state: TrainingState, _ options: Recipe.CheckpointSection) throws -> [String] {
        guard !options.noSave, state.update > 0 else { return [] }
        let newest = options.keepLastCheckpoints
        if newest > 1 || options.isMilestone(state) { try keepLast(update: state.update) }
        let recent = newest > 1 ? Set(kept().map(\.update).suffix(newest)) : []
        return removeKept { recent.contains($0) || options.isMilestone($1) }
    }
}

import Foundation

/// Saves a run's checkpoints, and removes those that are no longer wanted.
struct CheckpointKeeper {
    let folder: RunFolder
    private let options: Recipe.CheckpointSection
    private let makeUpdate: UpdateStep
    private let report: (String) -> Void

    /// Prepares to save.
    ///
    /// - Parameters:
    ///   - folder: Where.
    ///   - options: What is kept.
    ///   - makeUpdate: Holds weights and optimizer.
    ///   - report: Gets lines for people.
    init(
        _ folder: RunFolder, _ options: Recipe.CheckpointSection,
        _ makeUpdate: UpdateStep, report: @escaping (String) -> Void
    ) {
        self.folder = folder
        self.options = options
        self.makeUpdate = makeUpdate
        self.report = report
    }

    /// Whether a state must be saved because it is to be kept for good.
    func isMilestone(_ state: TrainingState) -> Bool { options.keepMilestones?.include(state) ?? false }

    /// Saves everything that resuming needs, and keeps or removes older states as the recipe says.
    ///
    /// - Parameter state: Where the run is; gets what the optimizer adds.
    /// - Throws: ``TrainingError/cannotSave(folder:reason:)``; the old checkpoints stay.
    func saveLast(_ state: inout TrainingState) throws {
        guard !options.noSave else { return }
        try folder.replace("last") { try write(&state, to: $0, withOptimizer: true) }
        try tidy(state)
    }

    /// Keeps the state in `last/` if it is to be kept, and removes older ones that are not.
    ///
    /// - Parameter state: What `last/` holds.
    /// - Throws: ``TrainingError/cannotSave(folder:reason:)``.
    func tidy(_ state: TrainingState) throws {
        guard !options.noSave, state.update > 0 else { return }
        let newest = options.keepLastCheckpoints
        if newest > 1 || isMilestone(state) { try folder.keepLast(update: state.update) }
        let recent = newest > 1 ? Set(folder.kept().map(\.update).suffix(newest)) : []
        for failure in folder.removeKept(unless: { recent.contains($0) || isMilestone($1) }) {
            report("WARNING: \(failure)")
        }
    }

    /// Saves the weights as the best so far.
    ///
    /// - Parameter state: Where the run is.
    /// - Throws: ``TrainingError/cannotSave(folder:reason:)``; the old best stays.
    func saveBest(_ state: inout TrainingState) throws {
        guard !options.noSave, options.keepBest else { return }
        try folder.replace("best") { try write(&state, to: $0, withOptimizer: false) }
    }

    private func write(_ state: inout TrainingState, to url: URL, withOptimizer: Bool) throws {
        try makeUpdate.write(to: url, noting: &state, withOptimizer: withOptimizer)
        try state.write(to: url)
    }

    /// What a checkpoint takes on disk, found by writing it.
    ///
    /// - Parameter state: Where the run is.
    /// - Returns: Bytes of all that resuming needs, and of the weights alone.
    /// - Throws: ``TrainingError/cannotSave(folder:reason:)``.
    func measure(_ state: TrainingState) throws -> (whole: Int, weights: Int) {
        let manager = FileManager.default
        let scratch = manager.temporaryDirectory.appendingPathComponent("wav2vec2-size-\(UUID().uuidString)")
        defer { try? manager.removeItem(at: scratch) }
        var state = state
        func size(withOptimizer: Bool) throws -> Int {
            try? manager.removeItem(at: scratch)
            try manager.createDirectory(at: scratch, withIntermediateDirectories: true)
            try write(&state, to: scratch, withOptimizer: withOptimizer)
            return try manager.contentsOfDirectory(atPath: scratch.path).reduce(0) { sum, name in
                let attributes = try manager.attributesOfItem(atPath: scratch.appendingPathComponent(name).path)
                return sum + ((attributes[.size] as? NSNumber)?.intValue ?? 0)
            }
        }
        return (try size(withOptimizer: true), try size(withOptimizer: false))
    }
}

import Foundation
import W2VBase

/// What a run's folder says about the run.
public struct RunSummary: Sendable, Equatable {
    /// What a run is doing.
    public enum Status: String, Sendable {
        /// A process on this machine trains in the folder.
        case running
        /// It has made all its updates.
        case finished
        /// It can be resumed.
        case stopped
        /// It ended before it had saved anything.
        case unsaved
        /// Its last state cannot be read.
        case damaged
    }

    /// The best validation result so far.
    public struct Best: Sendable, Equatable {
        /// `wer` or `loss`.
        public var metric: String
        /// The result; a share for error rates.
        public var value: Double
        /// The update after which it was measured.
        public var update: Int
    }

    /// The folder.
    public let folder: URL
    /// The kind of training for people; `nil` if unknown.
    public let task: String?
    /// What the run is doing.
    public let status: Status
    /// Number of updates in the last saved state.
    public let update: Int?
    /// The last update of the recipe.
    public let maxUpdate: Int?
    /// The best result; `nil` before any validation.
    public let best: Best?
    /// The checkpoint with the best result, or else the last one; `nil` if there is none.
    public let checkpoint: URL?
    /// The checkpoint that the weights were taken from, as in the command; `nil` for random weights, or if unknown.
    public let origin: String?
    /// The time of the last save.
    public let saved: Date?

    /// Reads a run's folder; nothing is changed.
    ///
    /// - Parameter folder: The folder; nil is returned if it holds no run.
    public init?(_ folder: URL) {
        guard Self.isRun(folder) else { return nil }
        let run = RunFolder(url: folder)
        let record = try? RunRecord.read(from: folder)
        let place = run.newestState
        let state = place.flatMap { try? TrainingState.read($0) }
        self.folder = folder
        task = TrainingJob.Kind.all.first { $0.rawValue == record?.task }?.phrase
        update = state?.update
        maxUpdate = (record?.recipe ?? state?.recipe)?["optimization.max_update"].flatMap { Int($0) }
        best = state?.best.map { Best(metric: $0.metric, value: $0.value, update: $0.update) }
        checkpoint = [run.best, run.last].first { FileManager.default.fileExists(atPath: $0.path) }
        origin = record?.origin?.given
        let file = place?.appendingPathComponent(TrainingState.name).path
        let attributes = file.flatMap { try? FileManager.default.attributesOfItem(atPath: $0) }
        saved = attributes?[.modificationDate] as? Date
        if RunLock.isHeld(folder) {
            status = .running
        } else if let state {
            status = state.finished ? .finished : .stopped
        } else {
            status = place == nil ? .unsaved : .damaged
        }
    }

    /// Finds the runs in a folder and below it, in the order of their paths.
    ///
    /// - Parameters:
    ///   - folder: The folder, which may be a run itself.
    ///   - depth: Number of levels to search below it.
    public static func all(in folder: URL, depth: Int = 4) -> [RunSummary] {
        if let run = RunSummary(folder) { return [run] }
        guard depth > 0 else { return [] }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return names.filter { !$0.hasPrefix(".") }.sorted().flatMap { name -> [RunSummary] in
            let inner = folder.appendingPathComponent(name, isDirectory: true)
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: inner.path, isDirectory: &isFolder), isFolder.boolValue else {
                return []
            }
            return all(in: inner, depth: depth - 1)
        }
    }

    private static func isRun(_ folder: URL) -> Bool {
        let manager = FileManager.default
        return manager.fileExists(atPath: folder.appendingPathComponent(RunRecord.name).path)
            || RunFolder(url: folder).newestState.map {
                manager.fileExists(atPath: $0.appendingPathComponent(TrainingState.name).path)
            } ?? false
    }
}

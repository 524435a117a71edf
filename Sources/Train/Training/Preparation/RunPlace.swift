import Foundation
import W2VCluster

/// The output folder of a run, locked, and the state in it that training resumes from.
struct RunPlace {
    /// The run's folder.
    let folder: RunFolder
    /// The folder of the state to resume from; `nil` for a new run.
    let lastState: URL?
    /// The lock, which this value holds; `nil` in processes that do not write into the folder.
    let lock: RunLock?

    /// Locks and prepares the folder; with several processes only the leader does.
    ///
    /// - Parameters:
    ///   - job: The run. A dry run neither locks nor changes the folder.
    ///   - cluster: The processes that train together, if there are several.
    /// - Throws: ``TrainingError`` for a folder in use, one that must not be resumed, and one whose last state is gone.
    static func claim(for job: TrainingJob, among cluster: Cluster?) throws -> RunPlace {
        let folder = RunFolder(url: job.output)
        if job.isDryRun { return RunPlace(folder: folder, lastState: try folder.peek(resumes: job.resume), lock: nil) }
        guard let cluster else {
            let lock = try RunLock(job.output)
            return RunPlace(
                folder: folder, lastState: try folder.prepare(resumes: job.resume) ? folder.last : nil, lock: lock)
        }
        let lock = cluster.isLeader ? try RunLock(job.output) : nil
        let isResumed = cluster.isLeader ? try folder.prepare(resumes: job.resume) : job.resume
        // The others look only after the leader has repaired the folder.
        try cluster.group.barrier()
        return RunPlace(folder: folder, lastState: isResumed ? folder.newestState : nil, lock: lock)
    }
}

extension RunFolder {
    /// Finds the state to resume from, and changes nothing.
    ///
    /// - Parameter resumes: Whether a run in the folder may be continued.
    /// - Returns: The state's folder; `nil` for a new run.
    /// - Throws: ``TrainingError`` as ``prepare(resumes:)`` does.
    fileprivate func peek(resumes: Bool) throws -> URL? {
        if !resumes { try requireEmpty() }
        let found = newestState
        if found == nil { try requireNothingSaved() }
        return found
    }
}

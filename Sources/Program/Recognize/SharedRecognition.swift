import Foundation
import W2VBase
import W2VCluster
import W2VInference

/// Recordings that are divided among several processes.
///
/// All processes receive every result, in the recordings' order. Since they communicate and wait for each other, every
/// process must iterate the results to their end.
struct SharedRecordings: Sendable {
    /// All recordings, the same in every process.
    let recordings: Recordings
    /// The processes; nil for a single process.
    let cluster: Cluster?
    /// The size of a group of recordings, which is divided at once and whose results arrive together.
    var group = BatchBudget(seconds: .infinity)

    /// Returns the results of all processes.
    ///
    /// - Parameter work: Processes this process's share; its second argument maps a recording's index in the share to its index
    ///   among all.
    /// - Returns: The results of all recordings, in every process.
    func results<Value: Codable & Sendable>(
        _ work: @escaping @Sendable (Recordings, @escaping @Sendable (Int) -> Int) -> InferenceResults<Value>
    ) -> InferenceResults<Value> {
        guard let cluster else { return work(recordings) { $0 } }
        let run = SharedRun(recordings, among: cluster, group: group, work)
        return InferenceResults { try await run.next() }
    }
}

/// One run over recordings that are divided among processes.
private actor SharedRun<Value: Codable & Sendable> {
    typealias Work = @Sendable (Recordings, @escaping @Sendable (Int) -> Int) -> InferenceResults<Value>

    /// A group of recordings that is divided at once.
    private struct Group {
        /// The index of its first recording.
        var first: Int
        /// The recordings, or their errors, which every process finds for itself.
        var opened: [Result<Recording, any Error>]
        /// The share of each process, as indices in the group.
        var shares: [[Int]]
    }

    /// It opens recordings and waits for other processes.
    private let executor = BlockingExecutor("shared recordings")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let recordings: Recordings
    private let cluster: Cluster
    private let budget: BatchBudget
    private let work: Work
    private var following = 0
    private var current: (group: Group, passes: InferenceResults<Value>.AsyncIterator)?
    private var own: [Result<Value, any Error>] = []
    /// The progress of this process before the group.
    private var before = InferenceProgress()
    private var progress = InferenceProgress()

    init(_ recordings: Recordings, among cluster: Cluster, group: BatchBudget, _ work: @escaping Work) {
        self.recordings = recordings
        self.cluster = cluster
        budget = group
        self.work = work
    }

    /// Returns the next pass of this process, without results, or at the end of a group, those of all processes.
    func next() async throws -> InferencePass<Value>? {
        if current == nil {
            guard following < recordings.count else { return nil }
            begin(openGroup())
        }
        guard let group = current?.group, var passes = current?.passes else { return nil }
        if let pass = try await passes.next() {
            current = (group, passes)
            own += pass.finished.map(\.result)
            // The other processes are assumed to be about as far.
            let share = pass.progress.position / Double(max(1, group.shares[cluster.rank].count))
            progress.position = before.position + share * Double(group.opened.count)
            progress.recordings = Int(progress.position)
            progress.seconds = before.seconds + pass.progress.seconds
            return InferencePass(finished: [], progress: progress)
        }
        current = nil
        progress.recordings = before.recordings + group.opened.count
        progress.position = Double(progress.recordings)
        return InferencePass(finished: try merged(group), progress: progress)
    }

    private func openGroup() -> Group {
        var (opened, lengths): ([Result<Recording, any Error>], [Int]) = ([], [])
        let first = following
        var room = budget
        while following < recordings.count {
            let recording = Result { try recordings.open(following) }
            let length = (try? recording.get())?.sampleCount ?? 0
            guard room.take(length) else { break }
            opened.append(recording)
            lengths.append(length)
            following += 1
        }
        let usable = opened.indices.filter { (try? opened[$0].get()) != nil }
        // With fewer recordings than processes, some processes have no work.
        let shares = balancedShares(usable.map { lengths[$0] }, among: cluster.size)
        return Group(first: first, opened: opened, shares: shares.map { share in share.map { usable[$0] } })
    }

    private func begin(_ group: Group) {
        let share = group.shares[cluster.rank]
        let recordings = Recordings(count: share.count) { try group.opened[share[$0]].get() }
        current = (group, work(recordings) { group.first + share[$0] }.makeAsyncIterator())
        own = []
        before = progress
    }

    private func merged(_ group: Group) throws -> [InferencePass<Value>.Finished] {
        var results =
            group.opened.map { opened in opened.flatMap { _ in .failure(CancellationError()) } }
            as [Result<Value, any Error>]
        for (share, outcomes) in zip(group.shares, try cluster.exchange(own.map(SentResult.init))) {
            for (number, outcome) in zip(share, outcomes) { results[number] = outcome.result }
        }
        return results.enumerated().map { .init(index: group.first + $0, result: $1) }
    }
}

/// A result that is sent to another process.
private enum SentResult<Value: Codable & Sendable>: Codable, Sendable {
    case done(Value)
    case tooShort(recording: String, samples: Int, needed: Int)
    case failed(String)
    /// An error that is not the recording's fault.
    case brokeDown(String)

    init(_ result: Result<Value, any Error>) {
        switch result {
        case .success(let value): self = .done(value)
        case .failure(InferenceError.tooShort(let recording, let samples, let needed)):
            self = .tooShort(recording: recording, samples: samples, needed: needed)
        case .failure(let error) where failureCode(error) == EXIT_FAILURE: self = .brokeDown("\(error)")
        case .failure(let error): self = .failed("\(error)")
        }
    }

    var result: Result<Value, any Error> {
        switch self {
        case .done(let value): .success(value)
        case .tooShort(let recording, let samples, let needed):
            .failure(InferenceError.tooShort(recording: recording, samples: samples, needed: needed))
        case .failed(let sentence): .failure(CommandError(.input, sentence))
        case .brokeDown(let sentence): .failure(CommandError(.failure, sentence))
        }
    }
}

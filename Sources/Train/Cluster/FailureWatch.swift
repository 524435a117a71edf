import Foundation
import Logging
import Synchronization
import W2VTorch

/// A thread that gives signs of life, and notices another process's failure while this one computes.
///
/// Collectives notice a process that is gone as soon as its connections close. They do not notice a process that failed
/// before this one calls the next collective, or a machine that fell silent; the signs of life serve for that.
///
/// A sign reports the process's progress. All processes start the same collectives in the same order: a process that is
/// alive and has started fewer than the others, which wait for it, hangs in a computation or in reading data.
final class FailureWatch: Sendable {
    private let rendezvous: Rendezvous
    private let logger: Logger
    private let groups: Mutex<[ProcessGroup]>
    private let isStopped = Atomic<Bool>(false)
    private let update = Atomic<Int>(0)

    private static let period = 1.0
    /// Seconds without a sign of life after which a process counts as lost, once a collective has failed.
    private static let silence = 4.0
    /// Seconds that this process has to end by itself after another one failed.
    private static let grace = 30.0

    init(_ rendezvous: Rendezvous, _ group: ProcessGroup, logger: Logger) {
        self.rendezvous = rendezvous
        self.logger = logger
        groups = Mutex([group])
        let thread = Thread { [self] in run() }
        thread.name = "failure watch"
        thread.start()
    }

    /// Adds a group whose collectives are counted too.
    func watch(_ group: ProcessGroup) { groups.withLock { $0.append(group) } }

    private var collectivesBegun: Int { groups.withLock { $0.reduce(0) { $0 + $1.collectivesBegun } } }

    func note(update: Int) { self.update.store(update, ordering: .relaxed) }

    func stop() { isStopped.store(true, ordering: .relaxed) }

    private func run() {
        while !isStopped.load(ordering: .relaxed) {
            beat()
            if let cause = rendezvous.causeElsewhere(patience: 0) { return endAfterGrace(cause) }
            let collectives = groups.withLock { $0 }.map { ($0.longestUnfinished, $0.timeout) }
            if let late = Self.lateCollective(collectives) { return end(cause(of: late)) }
            if rendezvous.isUnreachable { return }
            Thread.sleep(forTimeInterval: Self.period)
        }
    }

    /// Returns a description of the first collective that has not ended in time; no thread of this process waits for it.
    ///
    /// - Parameter groups: For each group, how long its oldest collective has been running, and how many seconds it may.
    static func lateCollective(_ groups: [(unfinished: Duration?, timeout: Double)]) -> String? {
        let seconds = groups.lazy.compactMap { group in
            group.unfinished.map { $0 / .seconds(1) }.flatMap { $0 > group.timeout ? $0 : nil }
        }
        return seconds.first.map { "a collective has not ended after \(Int($0)) seconds" }
    }

    /// A process's progress.
    private struct Progress: Equatable {
        var update: Int
        var collectives: Int
        var beats: Int
    }

    private func beat() {
        let rank = rendezvous.layout.rank
        let text = "\(update.load(ordering: .relaxed)) \(collectivesBegun)"
        try? rendezvous.store.set(rendezvous.key("progress/\(rank)"), to: Data(text.utf8))
        _ = try? rendezvous.store.add(rendezvous.key("beat/\(rank)"), 1)
    }

    /// Returns the last sign of a process; `nil` if it gave none, or the store does not respond.
    private func progress(of rank: Int) -> Progress? {
        guard let beats = try? rendezvous.store.add(rendezvous.key("beat/\(rank)"), 0), beats > 0,
            let data = try? rendezvous.value("progress/\(rank)", timeout: 1)
        else { return nil }
        let numbers = String(decoding: data, as: UTF8.self).split(separator: " ").compactMap { Int($0) }
        guard numbers.count == 2 else { return nil }
        return Progress(update: numbers[0], collectives: numbers[1], beats: beats)
    }

    /// Ends this process after the grace period: the computing thread ends by itself at its next collective, but a
    /// thread that hangs in one does not.
    private func endAfterGrace(_ cause: ClusterError) {
        let deadline = ContinuousClock.now + .seconds(Self.grace)
        while ContinuousClock.now < deadline {
            if isStopped.load(ordering: .relaxed) { return }
            Thread.sleep(forTimeInterval: 0.1)
        }
        end(cause)
    }

    /// Ends this process at once.
    private func end(_ cause: ClusterError) {
        logger.critical("\(cause)", metadata: ["exit_code": .stringConvertible(EXIT_FAILURE)])
        // Other threads may be in a library call that never returns, so a clean exit is impossible.
        _exit(EXIT_FAILURE)
    }

    /// Finds the cause of a collective that failed or timed out: another process's own message, the processes that fell
    /// silent, or those that the others wait for.
    func cause(of error: String) -> ClusterError {
        let others = (0..<rendezvous.layout.size).filter { $0 != rendezvous.layout.rank }
        let before = others.map(progress)
        if let cause = rendezvous.causeElsewhere(patience: Self.silence) { return cause }
        let now = others.map(progress)
        let cause = cause(of: error, others.enumerated().map { ($1, before[$0], now[$0]) })
        rendezvous.announceFailure(cause.description)
        return cause
    }

    private func cause(
        of error: String, _ others: [(rank: Int, before: Progress?, now: Progress?)]
    ) -> ClusterError {
        let member = rendezvous.member
        guard !rendezvous.isUnreachable else { return .lostLeader(member, host: rendezvous.layout.host) }
        func names(_ ranks: [(rank: Int, before: Progress?, now: Progress?)], _ when: String) -> String {
            ranks.map { "rank \($0.rank)" + ($0.now.map { " (\(when) update \($0.update))" } ?? "") }
                .joined(separator: ", ")
        }
        let silent = others.filter { $0.before?.beats == $0.now?.beats }
        guard silent.isEmpty else { return .silent(member, names: names(silent, "last seen at")) }
        let hanging = others.filter { other in
            guard let before = other.before, let now = other.now else { return false }
            return now.collectives < collectivesBegun && now.collectives == before.collectives
        }
        guard hanging.isEmpty else { return .stuck(member, names: names(hanging, "in")) }
        return .noExchange(member, reason: error)
    }
}

import Foundation
import Synchronization
import Torch

/// A thread that gives signs of life, and notices the failure of another process while this one computes.
///
/// Collectives notice a process that is gone as soon as its connections close. What they do not notice is a process that
/// failed before this one calls the next collective, or a machine that fell silent: that is what the signs are for.
final class FailureWatch: Sendable {
    private let meeting: MeetingPlace
    private let isStopped = Atomic<Bool>(false)
    private let update = Atomic<Int>(0)

    private static let period = 1.0
    /// How long a process gives no sign of life that counts as lost, once a collective has failed.
    private static let silence = 4.0
    /// How long this process may take to end by itself after another one has failed.
    private static let grace = 30.0

    init(_ meeting: MeetingPlace) {
        self.meeting = meeting
        let thread = Thread { [self] in run() }
        thread.name = "failure watch"
        thread.start()
    }

    func note(update: Int) { self.update.store(update, ordering: .relaxed) }

    func stop() { isStopped.store(true, ordering: .relaxed) }

    private func run() {
        while !isStopped.load(ordering: .relaxed) {
            beat()
            if let cause = meeting.causeElsewhere(patience: 0) { return endAfterGrace(cause) }
            if meeting.isUnreachable { return }
            Thread.sleep(forTimeInterval: Self.period)
        }
    }

    private func beat() {
        _ = try? meeting.store.add(meeting.key("beat/\(meeting.layout.rank)"), 1)
        let text = String(update.load(ordering: .relaxed))
        try? meeting.store.set(meeting.key("update/\(meeting.layout.rank)"), to: Data(text.utf8))
    }

    /// The computing thread ends by itself at its next collective; a thread that hangs in one does not.
    private func endAfterGrace(_ cause: ClusterError) {
        let deadline = ContinuousClock.now + .seconds(Self.grace)
        while ContinuousClock.now < deadline {
            if isStopped.load(ordering: .relaxed) { return }
            Thread.sleep(forTimeInterval: 0.1)
        }
        try? FileHandle.standardError.write(contentsOf: Data("wav2vec2: \(cause)\n".utf8))
        // Other threads may be inside a library that never returns: no orderly exit is possible.
        _exit(EXIT_FAILURE)
    }

    /// What has gone wrong where a collective failed or ran out of time: another process's own words, or which ones have
    /// fallen silent.
    func explanation(of error: String) -> ClusterError {
        let others = (0..<meeting.layout.size).filter { $0 != meeting.layout.rank }
        func beats() -> [Int?] { others.map { try? meeting.store.add(meeting.key("beat/\($0)"), 0) } }
        let before = beats()
        if let cause = meeting.causeElsewhere(patience: Self.silence) { return cause }
        let silent = zip(others, zip(before, beats())).filter { $0.1.0 == $0.1.1 }.map(\.0)
        let sentence = sentence(about: error, silent: silent)
        meeting.announceFailure(sentence)
        return .failed(sentence)
    }

    private func sentence(about error: String, silent: [Int]) -> String {
        let title = meeting.title
        guard !meeting.isUnreachable else {
            return
                "\(title) lost rank 0 at \(meeting.layout.host): see what it says, and whether its machine and "
                + "the network to it still work; go on with --resume"
        }
        guard !silent.isEmpty else {
            return "\(title) could not exchange tensors with the others (\(error)): check the network between the "
                + "machines; go on with --resume"
        }
        let names = silent.map { rank in
            let at = (try? meeting.value("update/\(rank)", timeout: 1)).map { String(decoding: $0, as: UTF8.self) }
            return at.map { "rank \(rank) (last seen at update \($0))" } ?? "rank \(rank)"
        }
        return "\(title) lost \(names.joined(separator: ", ")), which gives no sign of life: see what that process or "
            + "its machine says; go on with --resume"
    }
}

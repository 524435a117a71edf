import ArgumentParser
import Foundation
import Synchronization
import W2VAudio
import W2VBase
import W2VCorpus
import W2VRecognition

/// Takes a list of recordings through a model group by group, with progress, and names those that cannot be used.
struct RecordingRun {
    /// What the command is called in lines about its progress.
    let command: String
    /// All recordings.
    let recordings: [SelectedRecording]
    /// How many could not be used.
    private(set) var failures = 0
    private var code = EXIT_SUCCESS
    private let began = ContinuousClock.now

    /// A group's audio at most, in seconds, unless one recording has more: so much is kept in memory.
    private static let groupSeconds = 600.0

    init(_ command: String, _ recordings: [SelectedRecording]) {
        self.command = command
        self.recordings = recordings
    }

    /// Works on all recordings, in order.
    ///
    /// - Parameters:
    ///   - isolation: The caller's actor.
    ///   - done: The numbers of recordings for which nothing is to be done.
    ///   - work: Does a group; calls its second argument with the recordings of it that are done, and the seconds.
    ///   - body: Gets each recording's number and what came of it, in order; nil where nothing could.
    /// - Throws: What the closures throw.
    mutating func forEach<Value: Sendable>(
        isolation: isolated (any Actor)? = #isolation, skipping done: Set<Int> = [],
        _ work: ([Recording], @escaping @Sendable (Int, Double) -> Void) async throws -> [Result<Value, any Error>],
        _ body: (Int, Value?) throws -> Void
    ) async throws {
        let todo = recordings.indices.filter { !done.contains($0) }
        let lengths = recordings.map { ((try? $0.recording.get())?.sampleCount).map(Self.seconds) ?? 0 }
        let progress = Progress(command, total: todo.count, seconds: todo.reduce(0) { $0 + lengths[$1] })
        var start = 0
        while start < todo.count {
            var end = start
            var sum = 0.0
            repeat {
                sum += lengths[todo[end]]
                end += 1
            } while end < todo.count && end - start < 256 && sum + lengths[todo[end]] <= Self.groupSeconds
            let group = todo[start..<end]
            let opened = group.filter { (try? recordings[$0].recording.get()) != nil }
            let before = progress.state
            var results = try await work(opened.compactMap { try? recordings[$0].recording.get() }) { count, seconds in
                progress.show(before.count + count, seconds: before.seconds + seconds)
            }.makeIterator()
            for index in group {
                let result = recordings[index].recording.flatMap { _ in
                    results.next() ?? .failure(CancellationError())
                }
                if case .failure(let error) = result {
                    failures += 1
                    if code != EXIT_FAILURE { code = failureCode(error) ?? EX_DATAERR }
                    // What is wrong with the manifest names its line.
                    Console.log.error("\(error is CorpusError ? "" : recordings[index].place)\(error)")
                }
                try body(index, try? result.get())
            }
            start = end
        }
    }

    private static func seconds(_ samples: Int) -> Double { Double(samples) / Double(AudioFile.modelSampleRate) }

    /// What has been done, for the last line.
    var summary: String {
        let seconds = (ContinuousClock.now - began) / .seconds(1)
        let audio = recordings.reduce(0) { $0 + (((try? $1.recording.get())?.sampleCount).map(Self.seconds) ?? 0) }
        return "\(recordings.count - failures) of \(recordings.count) recordings, \(decimal(audio, 1)) s of audio in "
            + "\(decimal(seconds, 1)) s"
    }

    /// Ends the command, if recordings could not be used, with the exit code of bad data, or of failure where this machine
    /// is to blame.
    func end() throws { if code != EXIT_SUCCESS { throw ExitCode(code) } }

    /// Counts what is done and shows it.
    private final class Progress: Sendable {
        private let command: String
        private let total: Int
        private let seconds: Double
        private let began = ContinuousClock.now
        private let done = Mutex((count: 0, seconds: 0.0))

        init(_ command: String, total: Int, seconds: Double) {
            self.command = command
            self.total = total
            self.seconds = seconds
        }

        var state: (count: Int, seconds: Double) { done.withLock { $0 } }

        func show(_ count: Int, seconds audio: Double) {
            done.withLock { $0 = (count, audio) }
            let elapsed = (ContinuousClock.now - began) / .seconds(1)
            let rate = audio / max(elapsed, 1e-9)
            // The last fraction of a frame is never heard.
            let left = count == total ? 0 : max(0, seconds - audio) / max(rate, 1e-9)
            Console.progress(
                "\(command): \(count) of \(total) recordings · \(decimal(rate, 1)) times real time · ETA "
                    + ReadableText.duration(left))
        }
    }
}

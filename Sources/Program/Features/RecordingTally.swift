import ArgumentParser
import Foundation
import W2VBase
import W2VCorpus
import W2VInference

/// The recordings that a command sends through a model, with their progress and their errors.
struct RecordingTally {
    /// The command's name in progress lines.
    let command: String
    /// All recordings.
    let all: [SelectedRecording]
    private let numbers: [Int]
    private let seconds: Double
    private var failed = FailedRecordings()
    private let began = ContinuousClock.now

    /// Starts a tally.
    ///
    /// - Parameters:
    ///   - command: The command's name in progress lines.
    ///   - recordings: All recordings.
    ///   - done: The indices of recordings that need no work.
    init(_ command: String, _ recordings: [SelectedRecording], skipping done: Set<Int> = []) {
        self.command = command
        all = recordings
        numbers = recordings.indices.filter { !done.contains($0) }
        seconds = numbers.reduce(0) { $0 + recordings[$1].seconds }
    }

    /// The recordings to process.
    var recordings: Recordings {
        Recordings(count: numbers.count) { [all, numbers] in try all[numbers[$0]].recording.get() }
    }

    /// Takes the results of a pass.
    ///
    /// - Returns: Each recording's index among all and its value; nil for a recording that failed, after its error is
    ///   reported.
    mutating func take<Value>(_ pass: InferencePass<Value>) -> [(number: Int, value: Value?)] {
        let results = pass.finished.map { finished in
            let number = numbers[finished.index]
            do {
                return (number: number, value: try finished.result.get() as Value?)
            } catch {
                // An error of the manifest already names its line.
                failed.add(error, at: error is CorpusError ? "" : all[number].place)
                return (number, nil)
            }
        }
        show(pass.progress)
        return results
    }

    private func show(_ progress: InferenceProgress) {
        let elapsed = (ContinuousClock.now - began) / .seconds(1)
        let rate = progress.seconds / max(elapsed, 1e-9)
        // The last fraction of a frame is never processed.
        let left = progress.recordings == numbers.count ? 0 : max(0, seconds - progress.seconds) / max(rate, 1e-9)
        Console.progress(
            "\(command): \(progress.recordings) of \(numbers.count) recordings · \(decimal(rate, 1)) times real time · ETA "
                + ReadableText.duration(left))
    }

    /// A summary of the work, for the last line.
    var summary: String {
        let seconds = (ContinuousClock.now - began) / .seconds(1)
        let audio = all.reduce(0) { $0 + $1.seconds }
        return "\(all.count - failed.count) of \(all.count) recordings, \(decimal(audio, 1)) s of audio in "
            + "\(decimal(seconds, 1)) s"
    }

    /// Exits with the failure's code if recordings could not be used.
    func end() throws { if failed.code != EXIT_SUCCESS { throw ExitCode(failed.code) } }
}

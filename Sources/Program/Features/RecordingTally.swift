import ArgumentParser
import Foundation
import W2VBase
import W2VCorpus
import W2VInference

/// Recordings that a command takes through a model: which are to be done, how far it is, and which could not be used.
struct RecordingTally {
    /// What the command is called in lines about its progress.
    let command: String
    /// All recordings.
    let all: [SelectedRecording]
    private let numbers: [Int]
    private let seconds: Double
    private var failed = FailedRecordings()
    private let began = ContinuousClock.now

    /// Begins.
    ///
    /// - Parameters:
    ///   - command: What the command is called.
    ///   - recordings: All recordings.
    ///   - done: The numbers of recordings for which nothing is to be done.
    init(_ command: String, _ recordings: [SelectedRecording], skipping done: Set<Int> = []) {
        self.command = command
        all = recordings
        numbers = recordings.indices.filter { !done.contains($0) }
        seconds = numbers.reduce(0) { $0 + recordings[$1].seconds }
    }

    /// What goes through the model.
    var recordings: Recordings {
        Recordings(count: numbers.count) { [all, numbers] in try all[numbers[$0]].recording.get() }
    }

    /// Takes a pass's results.
    ///
    /// - Returns: Each recording's number among all and what came of it; nil where nothing could, which is named.
    mutating func take<Value>(_ pass: InferencePass<Value>) -> [(number: Int, value: Value?)] {
        let results = pass.finished.map { finished in
            let number = numbers[finished.index]
            do {
                return (number: number, value: try finished.result.get() as Value?)
            } catch {
                // What is wrong with the manifest names its line.
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
        // The last fraction of a frame is never heard.
        let left = progress.recordings == numbers.count ? 0 : max(0, seconds - progress.seconds) / max(rate, 1e-9)
        Console.progress(
            "\(command): \(progress.recordings) of \(numbers.count) recordings · \(decimal(rate, 1)) times real time · ETA "
                + ReadableText.duration(left))
    }

    /// What has been done, for the last line.
    var summary: String {
        let seconds = (ContinuousClock.now - began) / .seconds(1)
        let audio = all.reduce(0) { $0 + $1.seconds }
        return "\(all.count - failed.count) of \(all.count) recordings, \(decimal(audio, 1)) s of audio in "
            + "\(decimal(seconds, 1)) s"
    }

    /// Ends the command, if recordings could not be used, with the exit code that says so.
    func end() throws { if failed.code != EXIT_SUCCESS { throw ExitCode(failed.code) } }
}

import Foundation
import W2VAudio
import W2VBase
import W2VCluster

extension Recognizer {
    /// Recognizes recordings together with other processes: each does a share, and all get every result.
    ///
    /// - Parameters:
    ///   - recordings: What to recognize, the same in every process.
    ///   - cluster: The processes; `nil` for this one alone.
    ///   - detail: How much of what was recognized is kept.
    ///   - progress: Called after every batch with the number of recordings done, as far as this process knows.
    ///   - heard: Called after every batch with the seconds of audio that have gone through this process's model.
    ///   - scores: Called with the place and the log-probabilities [frames, labels] of each recording that this process
    ///     recognizes.
    /// - Returns: One result a recording, in the order given; an error that another process met is a sentence here.
    /// - Throws: `CancellationError` when the task is cancelled; `TorchError` when the model fails, or a process is gone;
    ///   what `scores` throws.
    public nonisolated func transcribe(
        _ recordings: [Recording], among cluster: Cluster?, detail: TranscriptionDetail = .characters,
        progress: (@Sendable (Int) -> Void)? = nil, heard: (@Sendable (Double) -> Void)? = nil,
        scores: ((Int, [Float]) throws -> Void)? = nil
    ) async throws -> [Result<Transcription, any Error>] {
        guard let cluster else {
            return try await transcribe(
                recordings, detail: detail, progress: progress, heard: heard, scores: scores)
        }
        // Fewer recordings than processes leave some with nothing to do.
        let shares = balancedShares(recordings.map(\.sampleCount), among: cluster.size)
        let total = recordings.count
        let own = shares[cluster.rank]
        let results = try await transcribe(
            own.map { recordings[$0] }, detail: detail,
            progress: { done in progress?(own.isEmpty ? total : done * total / own.count) }, heard: heard,
            scores: scores.map { scores in { try scores(own[$0], $1) } })
        var merged: [Result<Transcription, any Error>] = Array(repeating: .failure(CancellationError()), count: total)
        for (share, outcomes) in zip(shares, try cluster.exchange(results.map(SentResult.init))) {
            for (number, outcome) in zip(share, outcomes) { merged[number] = outcome.result }
        }
        return merged
    }
}

/// A result on its way to another process.
private enum SentResult: Codable {
    case recognized(Transcription)
    case tooShort(recording: String, samples: Int, needed: Int)
    case failed(String)
    /// By no fault of the recording.
    case brokeDown(String)

    init(_ result: Result<Transcription, any Error>) {
        switch result {
        case .success(let transcription): self = .recognized(transcription)
        case .failure(RecognitionError.tooShort(let recording, let samples, let needed)):
            self = .tooShort(recording: recording, samples: samples, needed: needed)
        case .failure(let error as any ExplainedError) where error.kind == .failure: self = .brokeDown("\(error)")
        case .failure(let error): self = .failed("\(error)")
        }
    }

    var result: Result<Transcription, any Error> {
        switch self {
        case .recognized(let transcription): .success(transcription)
        case .tooShort(let recording, let samples, let needed):
            .failure(RecognitionError.tooShort(recording: recording, samples: samples, needed: needed))
        case .failed(let sentence): .failure(RecognitionError.inAnotherProcess(sentence, kind: .input))
        case .brokeDown(let sentence): .failure(RecognitionError.inAnotherProcess(sentence, kind: .failure))
        }
    }
}

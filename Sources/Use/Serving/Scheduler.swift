import Foundation
import W2VAudio
import W2VRecognition

/// Decides which recordings go through the model together.
///
/// Short ones, of at most one window, that have come while the model was busy go together, as many as one pass may have.
/// Long ones go one after another beside them, window by window, so that a short one waits for one window at most. The
/// results do not depend on any of this.
actor Scheduler {
    /// The model: what each of the recordings that go through it together says.
    typealias Transcribe =
        @Sendable ([Recording], TranscriptionDetail) async throws -> [Result<Transcription, any Error>]

    /// A recording whose turn comes.
    struct Job {
        var number: Int
        var upload: DecodedUpload
        var detail: TranscriptionDetail
        var place: WaitingRoom.Place
        var continuation: CheckedContinuation<Transcription, any Error>
    }

    private let batchSeconds: Double
    private let metrics: Metrics
    private let transcribe: Transcribe
    /// The short recordings that wait, in the order in which they came.
    private(set) var short: [Job] = []
    /// The long ones.
    private(set) var long: [Job] = []
    private var isRunningShort = false
    private var isRunningLong = false
    /// The long recording that is recognized.
    private var current: (number: Int, task: Task<Transcription, any Error>)?
    private var next = 0

    /// Makes a scheduler.
    ///
    /// - Parameters:
    ///   - batchSeconds: How much audio goes through the model at once.
    ///   - metrics: Where batches are counted.
    ///   - transcribe: The model.
    init(batchSeconds: Double, metrics: Metrics, transcribe: @escaping Transcribe) {
        self.batchSeconds = batchSeconds
        self.metrics = metrics
        self.transcribe = transcribe
    }

    /// Recognizes a recording when its turn comes.
    ///
    /// - Parameters:
    ///   - upload: The recording.
    ///   - detail: How much is kept of what is recognized, at least.
    ///   - place: Notified when the model begins.
    /// - Returns: What was recognized.
    /// - Throws: What the recognizer throws; `CancellationError` when the task is cancelled.
    func recognize(
        _ upload: DecodedUpload, detail: TranscriptionDetail, place: WaitingRoom.Place
    ) async throws -> Transcription {
        let number = next
        next += 1
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let job = Job(
                    number: number, upload: upload, detail: detail, place: place, continuation: continuation)
                if upload.isLong {
                    long.append(job)
                    if !isRunningLong {
                        isRunningLong = true
                        Task { await runLong() }
                    }
                } else {
                    short.append(job)
                    if !isRunningShort {
                        isRunningShort = true
                        Task { await runShort() }
                    }
                }
            }
        } onCancel: {
            Task { await self.cancel(number) }
        }
    }

    private func cancel(_ number: Int) {
        if let current, current.number == number { current.task.cancel() }
        for job in short + long where job.number == number { job.continuation.resume(throwing: CancellationError()) }
        short.removeAll { $0.number == number }
        long.removeAll { $0.number == number }
    }

    private func runShort() async {
        while !short.isEmpty {
            let batch = nextBatch()
            for job in batch { job.place.begin() }
            metrics.passes(recordings: batch.count)
            do {
                let detail = batch.map(\.detail).max() ?? .text
                let results = try await transcribe(batch.map(\.upload.recording), detail)
                for (job, result) in zip(batch, results) { job.continuation.resume(with: result) }
            } catch {
                for job in batch { job.continuation.resume(throwing: error) }
            }
        }
        isRunningShort = false
    }

    /// As many as go through the model at once, in the order in which they came.
    private func nextBatch() -> [Job] {
        var total = 0.0
        let batch = short.prefix { job in
            let seconds = Double(job.upload.recording.sampleCount) / Double(AudioFile.modelSampleRate)
            defer { total += seconds }
            return total == 0 || total + seconds <= batchSeconds
        }
        short.removeFirst(batch.count)
        return Array(batch)
    }

    private func runLong() async {
        while !long.isEmpty {
            let job = long.removeFirst()
            job.place.begin()
            let task = Task { [transcribe] in try await transcribe([job.upload.recording], job.detail)[0].get() }
            current = (job.number, task)
            job.continuation.resume(with: await task.result)
            current = nil
        }
        isRunningLong = false
    }
}

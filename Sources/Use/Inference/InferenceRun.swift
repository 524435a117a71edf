import W2VAudio
import W2VBackbone

/// One run over recordings: windows in, a gatherer's results out.
actor InferenceRun<Gatherer: WindowGatherer> {
    /// A recording with windows still to come.
    private struct Unfinished {
        var gatherer: Gatherer
        /// The error that the recording failed with.
        var error: (any Error)?
        var expectedFrames: Int
        var frames = 0

        mutating func append(_ part: Gatherer.Part, frames count: Int) {
            frames += count
            guard error == nil else { return }
            do { try gatherer.append(part) } catch { self.error = error }
        }

        mutating func ended(_ samples: Result<Int, any Error>) -> Result<Gatherer.Whole, any Error> {
            Result {
                let samples = try samples.get()
                if let error { throw error }
                return try gatherer.finished(samples: samples)
            }
        }
    }

    /// The session's thread: gatherers may compute with LibTorch.
    private let thread: ModelThread
    /// The session, which ends its thread with its life.
    private let session: any AnyObject & Sendable
    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    private let reader: WindowReader
    private let layers: ConvolutionLayers
    private let pass: @Sendable ([Window]) async throws -> [Gatherer.Part]
    private let gatherer: @Sendable (Recording) -> Gatherer
    private var unfinished: [Int: Unfinished] = [:]
    /// The batch that is read while another one is in the model.
    private var ahead: Task<[WindowReader.Piece], Never>?
    private var done = 0
    private var frames = 0

    init(
        _ reader: WindowReader, _ layers: ConvolutionLayers, on thread: ModelThread,
        of session: any AnyObject & Sendable,
        pass: @escaping @Sendable ([Window]) async throws -> [Gatherer.Part],
        gatherer: @escaping @Sendable (Recording) -> Gatherer
    ) {
        (self.thread, self.session) = (thread, session)
        self.reader = reader
        self.layers = layers
        self.pass = pass
        self.gatherer = gatherer
    }

    deinit { ahead?.cancel() }

    /// Sends the next windows through the model.
    func next() async throws -> InferencePass<Gatherer.Whole>? {
        let reading = ahead ?? readBatch()
        let batch = await withTaskCancellationHandler {
            await reading.value
        } onCancel: {
            reading.cancel()
        }
        try Task.checkCancellation()
        guard !batch.isEmpty else { return nil }
        ahead = readBatch()
        let windows = batch.compactMap { piece in if case .window(_, let window) = piece { window } else { nil } }
        return take(batch, windows.isEmpty ? [] : try await pass(windows))
    }

    private func readBatch() -> Task<[WindowReader.Piece], Never> {
        Task { [reader] in await reader.nextBatch() }
    }

    private func take(_ batch: [WindowReader.Piece], _ outputs: [Gatherer.Part]) -> InferencePass<Gatherer.Whole> {
        var outputs = outputs.makeIterator()
        var finished: [InferencePass<Gatherer.Whole>.Finished] = []
        for piece in batch {
            switch piece {
            case .begin(let index, let recording):
                unfinished[index] = Unfinished(
                    gatherer: gatherer(recording), expectedFrames: layers.frames(samples: recording.sampleCount))
            case .window(let index, let window):
                guard let output = outputs.next() else { continue }
                unfinished[index]?.append(output, frames: window.kept.count)
                frames += window.kept.count
            case .end(let index, let samples):
                var last = unfinished.removeValue(forKey: index)
                let result = last?.ended(samples) ?? samples.flatMap { _ in .failure(CancellationError()) }
                finished.append(.init(index: index, result: result))
            }
        }
        done += finished.count
        return InferencePass(finished: finished, progress: progress)
    }

    private var progress: InferenceProgress {
        var progress = InferenceProgress()
        progress.recordings = done
        progress.seconds = Double(frames * layers.hop) / Double(AudioFile.modelSampleRate)
        progress.position = unfinished.values.reduce(Double(done)) { sum, recording in
            sum + min(1, Double(recording.frames) / Double(max(1, recording.expectedFrames)))
        }
        return progress
    }
}

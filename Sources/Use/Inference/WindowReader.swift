import W2VAudio

/// Reads recordings in order, window by window, and decodes no more of them than the next pass needs.
actor WindowReader {
    /// One item of a batch.
    enum Piece: Sendable {
        /// The start of a recording.
        case begin(recording: Int, Recording)
        /// The next window of the recording.
        case window(recording: Int, Window)
        /// The end of a recording: its number of samples, or the error that it failed with.
        case end(recording: Int, Result<Int, any Error>)
    }

    private struct Reading {
        var index: Int
        var name: String
        var cutter: WindowCutter
    }

    private let executor = BlockingExecutor("window reader")
    private let recordings: Recordings
    private let windows: Windows
    private let input: ModelInput
    private let budget: BatchBudget
    /// The index of the recording that is opened next.
    private var following = 0
    private var current: Reading?
    private var held: Piece?

    /// An executor of its own, since reading and decoding files takes long.
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Prepares to read.
    ///
    /// - Parameters:
    ///   - recordings: The recordings, which are read in order.
    ///   - windows: The windows of long recordings.
    ///   - input: The audio input that the model expects.
    ///   - budget: The audio of one pass.
    init(_ recordings: Recordings, windows: Windows, input: ModelInput, budget: BatchBudget) {
        self.recordings = recordings
        self.windows = windows
        self.input = input
        self.budget = budget
    }

    /// Returns the windows of the next pass, with the starts and ends of recordings; empty when everything has been
    /// read.
    func nextBatch() -> [Piece] {
        var batch: [Piece] = []
        var room = budget
        while let piece = held ?? next() {
            held = nil
            if case .window(_, let window) = piece, !room.take(window.samples.count) {
                held = piece
                break
            }
            batch.append(piece)
        }
        return batch
    }

    private func next() -> Piece? {
        guard var reading = current else {
            guard following < recordings.count else { return nil }
            defer { following += 1 }
            do {
                try Task.checkCancellation()
                let recording = try recordings.open(following)
                current = Reading(index: following, name: recording.name, cutter: try cutter(of: recording))
                return .begin(recording: following, recording)
            } catch {
                return .end(recording: following, .failure(error))
            }
        }
        // Avoids copying the cutter's buffer as it grows.
        current = nil
        do {
            try Task.checkCancellation()
            guard let window = try reading.cutter.next() else {
                return .end(recording: reading.index, .success(reading.cutter.sampleCount))
            }
            guard !window.kept.isEmpty else {
                throw InferenceError.tooShort(
                    recording: reading.name, samples: reading.cutter.sampleCount, needed: windows.layers.receptiveField)
            }
            current = reading
            return .window(recording: reading.index, window)
        } catch {
            return .end(recording: reading.index, .failure(error))
        }
    }

    private func cutter(of recording: Recording) throws -> WindowCutter {
        let read = try recording.open()
        guard input.normalizes else { return WindowCutter(windows, read: read) }
        let epsilon = input.epsilon
        let beginning = try read(windows.limit)
        if beginning.count < windows.limit {
            return WindowCutter(windows, read: Recording.reader(of: normalized(beginning, epsilon: epsilon)))
        }
        // Mean and variance are those of the whole recording: a long one is read twice rather than held in memory.
        var moments = SignalMoments()
        var block = beginning
        while !block.isEmpty {
            moments.add(block)
            try Task.checkCancellation()
            block = try read(windows.limit)
        }
        let again = try recording.open()
        return WindowCutter(windows) { [moments] count in moments.normalize(try again(count), epsilon: epsilon) }
    }
}

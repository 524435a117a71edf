import W2VAudio

/// Reads recordings one after another and window by window: no more of them is decoded than the next pass needs.
actor WindowReader {
    /// A part of what comes next.
    enum Piece: Sendable {
        /// A recording begins.
        case begin(recording: Int, Recording)
        /// A window of a recording that has begun.
        case window(recording: Int, Window)
        /// A recording has ended, or could not begin: how many samples it had, or what is wrong with it.
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
    /// The recording that is opened next.
    private var following = 0
    private var current: Reading?
    private var held: Piece?

    /// Files are read and decoded here, which takes long.
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Prepares to read.
    ///
    /// - Parameters:
    ///   - recordings: The recordings, which are read in their order.
    ///   - windows: The windows of long ones.
    ///   - input: The form in which the model takes samples.
    ///   - budget: The audio of one pass.
    init(_ recordings: Recordings, windows: Windows, input: ModelInput, budget: BatchBudget) {
        self.recordings = recordings
        self.windows = windows
        self.input = input
        self.budget = budget
    }

    /// The windows that go through the model together, with the recordings' begins and ends; empty when all is read.
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
        // The cutter's buffer must not be copied as it grows.
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
        // Mean and variance are the whole recording's: a long one is read twice rather than held.
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

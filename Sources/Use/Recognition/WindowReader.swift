import Foundation
import W2VAudio

/// Reads recordings one after another and window by window: no more of them is decoded than the next pass needs.
package actor WindowReader {
    /// What comes next of the recordings.
    package enum Piece: Sendable {
        /// A window of a recording.
        case window(recording: Int, Window)
        /// All windows of a recording have come: how many samples it had, or what is wrong with it.
        case end(recording: Int, Result<Int, any Error>)
    }

    private let recordings: [Recording]
    private let windows: Windows
    private let normalizes: Bool
    private let epsilon: Double
    /// Samples that go through the model at once, unless a window alone has more.
    private let budget: Int
    private var waiting: ArraySlice<Int>
    private var current: (recording: Int, cutter: WindowCutter)?
    private var held: Piece?

    /// Prepares reading.
    ///
    /// - Parameters:
    ///   - recordings: What to read; the longest are read first.
    ///   - windows: How long ones are cut.
    ///   - normalizes: Whether recordings are brought to zero mean and unit variance.
    ///   - epsilon: What is then added to the variance.
    ///   - budget: Samples that go through the model at once.
    package init(
        _ recordings: [Recording], windows: Windows, normalizes: Bool, epsilon: Double = 1e-5, budget: Int
    ) {
        self.recordings = recordings
        self.windows = windows
        self.normalizes = normalizes
        self.epsilon = epsilon
        self.budget = budget
        let lengths = recordings.map(\.sampleCount)
        waiting = lengths.indices.sorted { (lengths[$1], $0) < (lengths[$0], $1) }[...]
    }

    /// Prepares reading for a model that takes so many seconds of audio at once.
    package init(
        _ recordings: [Recording], windows: Windows, normalizes: Bool, epsilon: Double, batchSeconds: Double
    ) {
        let budget = max(1, Int(min(batchSeconds * Double(AudioFile.modelSampleRate), 1e15)))
        self.init(recordings, windows: windows, normalizes: normalizes, epsilon: epsilon, budget: budget)
    }

    /// Sends everything through a model and gathers what it makes of each recording.
    ///
    /// What comes next is decoded while a group goes through the model.
    ///
    /// - Parameters:
    ///   - model: Gives what it makes of each window.
    ///   - isFinite: Whether it made finite numbers of a window; recordings with others fail.
    ///   - start: What a recording's results are gathered in, before its first window.
    ///   - add: Adds what was made of a recording's next window.
    ///   - passed: Called after every pass with the number of recordings done and of the frames made.
    ///   - finished: Called after every pass with the recordings that have ended: what was gathered, and how many samples
    ///     it had or what is wrong with it.
    /// - Throws: `CancellationError` when the task is cancelled; what `model` and `finished` throw.
    package nonisolated func forEachGroup<Output, Gathered>(
        model: ([Window]) async throws -> [Output], isFinite: (Output) throws -> Bool, start: (Int) -> Gathered,
        add: (inout Gathered, Output) -> Void,
        passed: (_ done: Int, _ frames: Int) -> Void,
        finished: ([(recording: Int, gathered: Gathered, samples: Result<Int, any Error>)]) async throws -> Void
    ) async throws {
        var unfinished: [Int: Gathered] = [:]
        var broken: Set<Int> = []
        var (done, frames) = (0, 0)
        var ahead = Task { await nextGroup() }
        defer { ahead.cancel() }
        while true {
            let reading = ahead
            let group = await withTaskCancellationHandler {
                await reading.value
            } onCancel: {
                reading.cancel()
            }
            try Task.checkCancellation()
            if group.isEmpty { return }
            ahead = Task { await nextGroup() }
            let windows = group.compactMap { piece in
                if case .window(_, let window) = piece { window } else { nil }
            }
            var outputs = (windows.isEmpty ? [] : try await model(windows)).makeIterator()
            var ended: [(recording: Int, gathered: Gathered, samples: Result<Int, any Error>)] = []
            for piece in group {
                switch piece {
                case .window(let index, let window):
                    guard let output = outputs.next() else { continue }
                    if try !isFinite(output) { broken.insert(index) }
                    if !broken.contains(index) { add(&unfinished[index, default: start(index)], output) }
                    frames += window.kept.count
                case .end(let index, var samples):
                    if broken.remove(index) != nil, case .success = samples {
                        samples = .failure(RecognitionError.notFinite(recording: recordings[index].name))
                    }
                    ended.append((index, unfinished.removeValue(forKey: index) ?? start(index), samples))
                }
            }
            try await finished(ended)
            done += ended.count
            passed(done, frames)
        }
    }

    /// The windows that go through the model together, and the ends between them; empty when all is read.
    package func nextGroup() -> [Piece] {
        var group: [Piece] = []
        var total = 0
        while let piece = held ?? next() {
            held = nil
            if case .window(_, let window) = piece {
                if total > 0 && total + window.samples.count > budget {
                    held = piece
                    break
                }
                total += window.samples.count
            }
            group.append(piece)
        }
        return group
    }

    private func next() -> Piece? {
        guard let recording = current?.recording ?? waiting.popFirst() else { return nil }
        do {
            try Task.checkCancellation()
            var cutter = try current?.cutter ?? open(recordings[recording])
            if let window = try cutter.next() {
                guard !window.kept.isEmpty else {
                    throw RecognitionError.tooShort(
                        recording: recordings[recording].name, samples: cutter.sampleCount,
                        needed: windows.layers.receptiveField)
                }
                current = (recording, cutter)
                return .window(recording: recording, window)
            }
            current = nil
            return .end(recording: recording, .success(cutter.sampleCount))
        } catch {
            current = nil
            return .end(recording: recording, .failure(error))
        }
    }

    private func open(_ recording: Recording) throws -> WindowCutter {
        let read = try recording.open()
        guard normalizes else { return WindowCutter(windows, read: read) }
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
        return WindowCutter(windows) { [moments, epsilon] count in
            moments.normalize(try again(count), epsilon: epsilon)
        }
    }
}

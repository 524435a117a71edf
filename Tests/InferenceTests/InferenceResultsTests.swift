import Foundation
import Synchronization
import TestSupport
import Testing
import W2VBackbone

@testable import W2VInference

/// The error of a recording whose parts are negative.
private struct Odd: Error {}

/// The samples that a recording's windows keep, joined.
private struct KeptFrames: WindowGatherer {
    var frames = 0

    mutating func append(_ part: Int) throws {
        if part < 0 { throw Odd() }
        frames += part
    }

    func finished(samples: Int) -> [Int] { [frames, samples] }
}

/// A counter of the samples read.
private final class Counter: Sendable {
    private let sum = Mutex(0)

    var count: Int { sum.withLock { $0 } }

    func add(_ count: Int) { sum.withLock { $0 += count } }
}

@Suite(.onTestThreads) struct InferenceResultsTests {
    /// A session whose model returns the number of frames that windows keep; windows are 40 frames long.
    private func session(batchSeconds: Double = 2) async throws -> InferenceSession<Void> {
        let layers = try SmallModels.configuration().convFeatureLayers
        let options = InferenceOptions(
            batchSeconds: batchSeconds, windows: WindowOptions(seconds: 0.8, overlap: 0.2))
        return try await ModelThread.start("test") { thread in
            InferenceSession(
                on: thread, input: ModelInput(layers: layers, normalizes: false, epsilon: 0), options: options,
                model: ())
        }
    }

    private func results(
        _ session: InferenceSession<Void>, _ recordings: Recordings
    ) -> InferenceResults<[Int]> {
        session.results(of: recordings) { windows in
            windows.map { $0.samples.contains(1) ? -1 : $0.kept.count }
        } gatherer: { _ in
            KeptFrames()
        }
    }

    private func recording(_ count: Int, _ value: Float = 0) -> Recording {
        Recording(samples: [Float](repeating: value, count: count))
    }

    @Test func resultsComeInOrderEachWithItsOwn() async throws {
        struct Missing: Error {}
        let lengths = [16_000, 400, 100_000, 300, 8_000, 0, 54_321, 640]
        let recordings = Recordings(count: lengths.count + 2) { index in
            if index == 8 { throw Missing() }
            return index == 9 ? self.recording(50_000, 1) : self.recording(lengths[index])
        }
        var found: [(index: Int, result: Result<[Int], any Error>)] = []
        var last = InferenceProgress()
        for try await pass in results(try await session(), recordings) {
            found += pass.finished.map { ($0.index, $0.result) }
            #expect(pass.progress.recordings == found.count && pass.progress.position >= last.position)
            #expect(pass.progress.position >= Double(found.count) && pass.progress.seconds >= last.seconds)
            last = pass.progress
        }
        #expect(found.map(\.index) == Array(0..<10))
        for (index, length) in lengths.enumerated() {
            if length < 400 {
                #expect(throws: InferenceError.tooShort(recording: "samples", samples: length, needed: 400)) {
                    try found[index].result.get()
                }
            } else {
                #expect(try found[index].result.get() == [(length - 400) / 320 + 1, length])
            }
        }
        #expect(throws: Missing.self) { try found[8].result.get() }
        #expect(throws: Odd.self) { try found[9].result.get() }
        #expect(last.recordings == 10 && last.position == 10 && last.seconds > 12)
    }

    /// Of ten hours of audio, only the current pass and the next one have been read.
    @Test func nothingRunsAheadOfTheOneWhoIterates() async throws {
        let read = Counter()
        let endless = Recording(named: "hours", sampleCount: 576_000_000) {
            { count in
                read.add(count)
                return [Float](repeating: 0, count: count)
            }
        }
        var passes = results(try await session(), Recordings([endless])).makeAsyncIterator()
        for number in 1...5 {
            let pass = try #require(try await passes.next())
            #expect(pass.finished.isEmpty && pass.progress.position < 0.001)
            // Two seconds per pass, and a window that did not fit.
            #expect(read.count <= (number + 1) * 32_000 + 2 * 13_200)
        }
    }

    @Test func cancelingEndsTheIteration() async throws {
        let recordings = Recordings(count: 100_000) { _ in self.recording(16_000) }
        let session = try await session()
        let task = Task { try await results(session, recordings).all() }
        try await Task.sleep(for: .milliseconds(20))
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test func aFailedStartIsTold() async {
        struct Broken: Error {}
        await #expect(throws: Broken.self) {
            _ = try await ModelThread.start("test") { _ -> Int in throw Broken() }
        }
    }
}

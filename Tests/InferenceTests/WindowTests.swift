import Foundation
import Synchronization
import TestSupport
import Testing
import W2VAudio
import W2VBackbone
import W2VBase

@testable import W2VInference

@Suite(.onTestThreads) struct WindowTests {
    /// Windows of 40 frames, 5 of them context on each side.
    private func windows() throws -> Windows {
        Windows(WindowOptions(seconds: 0.8, overlap: 0.2), layers: try SmallModels.configuration().convFeatureLayers)
    }

    /// Noise with pauses.
    private static func noise(_ count: Int, pauses: [Range<Int>] = []) -> [Float] {
        var stream = RandomStream(seed: 1, purpose: .synthesis)
        var samples = (0..<count).map { _ in Float(0.1 * stream.normal()) }
        for pause in pauses { for index in pause { samples[index] *= 0.001 } }
        return samples
    }

    @Test func everyFrameIsKeptOnce() throws {
        let windows = try windows()
        for count in [400, 400 + 39 * 320, 400 + 40 * 320 - 1, 400 + 40 * 320, 20_001, 54_321, 100_000, 100_319] {
            let samples = Self.noise(count)
            var cutter = WindowCutter(windows, read: Recording.reader(of: samples))
            var (next, number) = (0, 0)
            while let window = try cutter.next() {
                let made = windows.layers.frames(samples: window.samples.count)
                #expect(made <= 40 && window.kept.upperBound <= made && !window.kept.isEmpty)
                // The kept frames continue the previous ones, and the window's samples are at their position in the
                // recording.
                let first = (next - window.kept.lowerBound) * 320
                #expect(window.samples == Array(samples[first..<first + window.samples.count]))
                #expect(number == 0 || window.kept.lowerBound == 5)
                let isLast = first + window.samples.count == count
                #expect(isLast || made - window.kept.upperBound == 5)
                next += window.kept.count
                number += 1
            }
            #expect(next == windows.layers.frames(samples: count) && cutter.sampleCount == count)
            #expect((number == 1) == (count < 400 + 40 * 320))
        }
    }

    @Test func cutsAreMadeWhereItIsQuiet() throws {
        let windows = try windows()
        // The first cut may be at frames 27 to 35; a fifth of a second around frame 29 is silent.
        let quiet = 24 * 320..<34 * 320
        var cutter = WindowCutter(windows, read: Recording.reader(of: Self.noise(30_000, pauses: [quiet])))
        let window = try #require(try cutter.next())
        #expect((28...30).contains(window.kept.upperBound), "cut at \(window.kept.upperBound)")
        // Without a quiet place, windows are as long as possible.
        cutter = WindowCutter(windows, read: Recording.reader(of: [Float](repeating: 0, count: 30_000)))
        #expect(try cutter.next()?.kept == 0..<35)
    }

    @Test(arguments: [false, true]) func longRecordingsAreReadAsTheyAreNeeded(normalizes: Bool) async throws {
        // 200 s of a signal that is never completely in memory.
        let total = 3_200_000
        let most = Mutex(0)
        let opened = Mutex(0)
        let recording = Recording(named: "long", sampleCount: total) {
            opened.withLock { $0 += 1 }
            var position = 0
            return { count in
                most.withLock { $0 = max($0, count) }
                let range = position..<min(position + count, total)
                position = range.upperBound
                return range.map { Float($0 % 161) / 161 - 0.5 }
            }
        }
        let windows = try windows()
        let reader = WindowReader(
            Recordings([recording]), windows: windows,
            input: ModelInput(layers: windows.layers, normalizes: normalizes, epsilon: 1e-5),
            budget: BatchBudget(seconds: 2.5))
        var frames = 0
        while case let batch = await reader.nextBatch(), !batch.isEmpty {
            var alive = 0
            for case .window(_, let window) in batch {
                alive += window.samples.count
                frames += window.kept.count
            }
            #expect(alive <= 40_000, "a pass has \(alive) samples")
        }
        #expect(frames == (total - 400) / 320 + 1)
        #expect(most.withLock { $0 } <= 40 * 320 + 400, "no more than a window is ever read")
        #expect(opened.withLock { $0 } == (normalizes ? 2 : 1))
    }

    @Test func aLongRecordingIsNormalizedAsAWhole() async throws {
        var samples = Self.noise(40_000)
        for index in samples.indices { samples[index] = samples[index] * Float(index) / 20_000 + 0.25 }
        let windows = try windows()
        let reader = WindowReader(
            Recordings([Recording(samples: samples)]), windows: windows,
            input: ModelInput(layers: windows.layers, normalizes: true, epsilon: 1e-5), budget: BatchBudget(seconds: 0))
        var joined: [Float] = []
        while case let batch = await reader.nextBatch(), !batch.isEmpty {
            for case .window(_, let window) in batch {
                joined += window.samples[(window.kept.lowerBound * 320)..<(window.kept.upperBound * 320)]
            }
        }
        let expected = normalized(samples)
        #expect(joined.count == 124 * 320)
        #expect(zip(joined, expected).allSatisfy { abs($0 - $1) < 1e-5 })
    }
}

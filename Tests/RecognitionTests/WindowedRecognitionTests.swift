import TestSupport
import Testing
import W2VInference
import W2VRecognition

@Suite(.onTestThreads) struct WindowedRecognitionTests {
    @Test func joinedWindowsAreCloseToTheWhole() async throws {
        // Half a minute, cut into windows of 6 s with an overlap of 3 s.
        let recording = Recording(samples: tonesInNoise(16_000 * 30, seed: 9))
        let whole = try await SmallModels.recognizer().logProbabilities([recording])[0].get()
        let recognizer = try await SmallModels.recognizer(windows: WindowOptions(seconds: 6, overlap: 3))
        let cut = try await recognizer.logProbabilities([recording])[0].get()
        #expect(cut.count == whole.count)
        // Attention and norms see less of the recording: the scores differ, the labels hardly do.
        let labels = SmallModels.symbols.count
        func best(_ scores: [Float]) -> [Int] {
            stride(from: 0, to: scores.count, by: labels).map { frame in
                (0..<labels).max { scores[frame + $0] < scores[frame + $1] } ?? 0
            }
        }
        let equal = zip(best(cut), best(whole)).filter { $0 == $1 }.count
        #expect(Double(equal) > 0.9 * Double(whole.count / labels), "\(equal) of \(whole.count / labels) frames")
    }

    @Test func impossibleWindowsAreRefused() async {
        for (seconds, overlap) in [(0.0, 0.0), (40, 21), (40, -1), (.nan, 1)] {
            await #expect(throws: InferenceError.self) {
                try await SmallModels.recognizer(windows: WindowOptions(seconds: seconds, overlap: overlap))
            }
        }
    }

    @Test func alignmentUsesWindowsToo() async throws {
        let samples = tonesInNoise(16_000 * 12, seed: 4)
        let recognizer = try await SmallModels.recognizer(windows: WindowOptions(seconds: 3, overlap: 1))
        let aligned = try await recognizer.align(Recording(samples: samples), transcript: "TEA EAT")
        #expect(aligned.words.map(\.text) == ["TEA", "EAT"] && aligned.characters.count == 6)
        #expect(abs(aligned.duration - 11.98) < 0.011)
    }
}

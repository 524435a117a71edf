import Foundation
import TestSupport
import Testing

@testable import W2VDecoding

@Suite(.onTestThreads) struct ForcedAlignerTests {
    private struct Case: Decodable {
        var labels: Int
        var transcript: [Int]
        var path: [Int]
        var score: Double
        var logProbabilities: Data
    }

    /// torchaudio's paths, with little memory and much.
    @Test func pathsAreThoseOfTorchaudio() throws {
        let cases: [Case] = try DecodingFixtures.read("alignments.json")
        #expect(cases.count == 21)
        for test in cases {
            let scores = DecodingFixtures.floats(test.logProbabilities)
            for memory in [0, 600, 256 << 20] {
                let alignment = try ForcedAligner(memory: memory).align(
                    scores, labels: test.labels, transcript: test.transcript)
                #expect(alignment.path == test.path)
                #expect(abs(alignment.score - test.score) < 1e-3)
                #expect(alignment.labels.map(\.label) == test.transcript)
            }
        }
    }

    private static func random(_ frames: Int, _ labels: Int, _ choices: inout Choices) -> [Float] {
        (0..<frames).flatMap { _ in
            let row = (0..<labels).map { _ in Float.random(in: -4...4, using: &choices) }
            let total = log(row.reduce(0) { $0 + exp($1) })
            return row.map { $0 - total }
        }
    }

    /// All paths of a small trellis, one by one.
    @Test func noOtherPathIsBetter() throws {
        var choices = Choices(seed: 22)
        for round in 0..<60 {
            let frames = Int.random(in: 1...7, using: &choices)
            let transcript = (0..<Int.random(in: 1...3, using: &choices)).map { _ in
                Int.random(in: 1...2, using: &choices)
            }
            let optional = round.isMultiple(of: 2)
            let scores = Self.random(frames, 3, &choices)
            var best = -Double.infinity
            for number in 0..<Int(pow(3, Double(frames))) {
                let path = (0..<frames).map { number / Int(pow(3, Double($0))) % 3 }
                let labels = GreedyDecoder().collapse(path).map(\.label)
                var wanted = [transcript]
                if optional, transcript.count > 2 {
                    wanted += [Array(transcript.dropFirst()), Array(transcript.dropLast())]
                    wanted.append(Array(transcript.dropFirst().dropLast()))
                }
                guard wanted.contains(labels) else { continue }
                best = max(best, path.enumerated().reduce(0.0) { $0 + Double(scores[$1.offset * 3 + $1.element]) })
            }
            let aligner = ForcedAligner(optionalEnds: optional, memory: Int.random(in: 0...500, using: &choices))
            let found = try? aligner.align(scores, labels: 3, transcript: transcript)
            if best == -.infinity {
                #expect(found == nil)
            } else {
                #expect(abs((found?.score ?? 0) - best) < 1e-5, "\(frames) frames, \(transcript), \(optional)")
            }
        }
    }

    @Test func littleMemoryGivesTheSamePath() throws {
        var choices = Choices(seed: 23)
        let scores = Self.random(700, 12, &choices)
        let transcript = (0..<180).map { _ in Int.random(in: 1...11, using: &choices) }
        let whole = try ForcedAligner().align(scores, labels: 12, transcript: transcript)
        for memory in [0, 20_000, 100_000] {
            #expect(try ForcedAligner(memory: memory).align(scores, labels: 12, transcript: transcript) == whole)
        }
        #expect(whole.path.count == 700)
        #expect(whole.labels.allSatisfy { !$0.frames.isEmpty && $0.score <= 0 })
        #expect(zip(whole.labels, whole.labels.dropFirst()).allSatisfy { $0.frames.upperBound <= $1.frames.lowerBound })
    }

    /// States are left out only where no best path can be, however wrong the first guess is.
    @Test func whatIsLeftOutChangesNothing() throws {
        var choices = Choices(seed: 24)
        for round in 0..<20 {
            // Speech that matches its transcript in three rounds of four, the last with a part of it missing.
            let spoken = (0..<120).map { _ in Int.random(in: 1...11, using: &choices) }
            var scores = Self.random(600, 12, &choices)
            if !round.isMultiple(of: 4) {
                for (index, label) in spoken.enumerated() {
                    for frame in [5 * index, 5 * index + 1] {
                        for other in 0..<12 { scores[frame * 12 + other] = other == label ? -0.1 : -6 }
                    }
                }
            }
            let transcript = round % 4 == 3 ? Array(spoken[..<40] + spoken[70...]) : spoken
            var aligner = ForcedAligner(optionalEnds: round.isMultiple(of: 2))
            let whole = try aligner.align(scores, labels: 12, transcript: transcript)
            for (width, memory) in [(4, 128 << 20), (16, 5000), (50, 0), (100, 128 << 20)] {
                (aligner.width, aligner.memory) = (width, memory)
                #expect(try aligner.align(scores, labels: 12, transcript: transcript) == whole)
            }
        }
    }

    @Test func badInputIsNamed() throws {
        let aligner = ForcedAligner()
        var choices = Choices(seed: 21)
        let scores = Self.random(4, 3, &choices)
        func problem(_ transcript: [Int], _ scores: [Float]) -> DecoderError? {
            do {
                _ = try aligner.align(scores, labels: 3, transcript: transcript)
                return nil
            } catch { return error }
        }
        #expect(problem([], scores) == .emptyTranscript)
        #expect(problem([1, 3], scores) == .badLabel(label: 3, labels: 3))
        #expect(problem([0], scores) == .badLabel(label: 0, labels: 3))
        #expect(problem([1, 2, 1, 2, 1], scores) == .tooLong(labels: 5, needed: 5, frames: 4))
        #expect(problem([1, 1, 1], scores) == .tooLong(labels: 3, needed: 5, frames: 4))
        #expect(problem([1], []) == .tooLong(labels: 1, needed: 1, frames: 0))
        // Ends that may be missing do not count.
        let few = Array(scores.prefix(2 * 3))
        #expect(throws: DecoderError.tooLong(labels: 3, needed: 3, frames: 2)) {
            try ForcedAligner(optionalEnds: true).align(few, labels: 3, transcript: [2, 1, 2, 1, 2])
        }
        #expect(problem([1], [0, 0]) == .wrongCount(count: 2, labels: 3))
        #expect(problem([1], [0, .nan, 0]) == .notANumber(frame: 0, label: 1))
        var impossible = scores
        for label in 0..<3 { impossible[6 + label] = -.infinity }
        #expect(problem([1, 2], impossible) == .impossible(frame: 2))
    }
}

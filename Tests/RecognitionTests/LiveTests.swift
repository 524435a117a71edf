import Foundation
import TestSupport
import Testing
import W2VInterchange

@testable import W2VRecognition

@Suite(.onTestThreads) struct LiveSegmenterTests {
    private static let labels = SmallModels.symbols.count

    /// Log-probabilities of a path of labels, one per frame: `.` is the blank.
    private static func scores(_ path: String) -> [Float] {
        path.flatMap { letter in
            let label = letter == "." ? 0 : SmallModels.symbols.firstIndex(of: String(letter)) ?? 0
            return (0..<labels).map { $0 == label ? Float(-0.1) : -5 }
        }
    }

    /// A segmenter that ends a segment after ten frames of silence, or at sixty frames.
    private static func segmenter() throws -> LiveSegmenter {
        LiveSegmenter(
            CTCTranscriber(
                try LabelWriting(symbols: SmallModels.symbols, style: TextStyle()), frameSeconds: 0.02),
            pause: 10, longest: 60)
    }

    @Test func aPauseEndsAStretch() throws {
        var segmenter = try Self.segmenter()
        #expect(
            try segmenter.add(Self.scores("...............TE.A|"), tentative: Self.scores("EA")).map(\.text) == [
                "TEA EA"
            ])
        // The same text again makes no event, more text does; tentative text may change.
        #expect(try segmenter.add(Self.scores("E"), tentative: Self.scores("A")).isEmpty)
        let partial = try segmenter.add(Self.scores("T|"), tentative: Self.scores("...."))
        #expect(partial.map(\.text) == ["TEA ET"] && partial[0].event == .partial)
        // Tentative silence does not end a segment; settled silence does.
        #expect(try segmenter.add(Self.scores("......"), tentative: Self.scores("..........")).isEmpty)
        let final = try segmenter.add(Self.scores("....."), tentative: Self.scores("A"))
        #expect(final.map(\.event) == [.final, .partial] && final.map(\.text) == ["TEA ET", "A"])
        #expect(abs(final[0].start - 15 * 0.02) < 1e-9 && abs(final[0].end - 22 * 0.02) < 1e-9)
        #expect(final[0].words.map(\.text) == ["TEA", "ET"] && abs(final[1].start - 34 * 0.02) < 1e-9)
        let rest = try segmenter.add(Self.scores("A"), tentative: [], isLast: true)
        #expect(rest.map(\.text) == ["A"] && rest[0].event == .final)
    }

    @Test func silenceIsForgotten() throws {
        var segmenter = try Self.segmenter()
        for _ in 0..<50 {
            #expect(try segmenter.add(Self.scores("...................."), tentative: Self.scores("..")).isEmpty)
            #expect(segmenter.waitingFrames == 0)
        }
        let late = try segmenter.add(Self.scores("A"), tentative: [], isLast: true)
        #expect(late.map(\.text) == ["A"] && abs(late[0].start - 20) < 1e-9)
        #expect(try segmenter.add([Float](), tentative: [], isLast: true).isEmpty)
    }

    @Test func speechWithoutPausesIsCutBetweenWords() throws {
        var segmenter = try Self.segmenter()
        // Words of five frames; one gap in the later half of the first sixty frames is wider than the others.
        var finals: [String] = []
        for number in 0..<40 {
            let events = try segmenter.add(
                Self.scores(number == 8 ? "TE.A|....|" : "TE.A|"), tentative: Self.scores("T"))
            finals += events.filter { $0.event == .final }.map(\.text)
            #expect(segmenter.waitingFrames <= 65)
        }
        #expect(finals.first == Array(repeating: "TEA", count: 9).joined(separator: " "))
        finals += try segmenter.add([Float](), tentative: [], isLast: true).map(\.text)
        #expect(finals.joined(separator: " ") == Array(repeating: "TEA", count: 40).joined(separator: " "))
    }

    @Test func aWordWithoutEndIsCutToo() throws {
        var segmenter = try Self.segmenter()
        for _ in 0..<20 {
            _ = try segmenter.add(Self.scores("EAT.TAE."), tentative: Self.scores("A"))
            #expect(segmenter.waitingFrames < 68)
        }
    }
}

@Suite(.onTestThreads) struct LiveRecognizerTests {
    private static var options: LiveOptions {
        var options = LiveOptions()
        (options.step, options.delay, options.context) = (0.25, 0.4, 0.5)
        (options.pause, options.longest) = (0.1, 2)
        return options
    }

    private static func events(
        _ recognizer: Recognizer, _ samples: [Float], pieces: [Int], finishes: Bool = true, rate: Int = 16_000
    ) async throws -> [LiveEvent] {
        var live = try LiveRecognizer(recognizer, sampleRate: rate, options: options)
        var events: [LiveEvent] = []
        var (position, turn) = (0, 0)
        while position < samples.count {
            let end = min(position + pieces[turn % pieces.count], samples.count)
            events += try await live.append(Array(samples[position..<end]))
            (position, turn) = (end, turn + 1)
            // 0.5 s of context, 0.4 s of unsettled audio, up to two steps and a receptive field.
            #expect(live.heldSamples < 26_000, "\(live.heldSamples) samples are held")
        }
        return finishes ? events + (try await live.finish()) : events
    }

    @Test func whatIsFinalDoesNotDependOnPiecesAndNeverChanges() async throws {
        let recognizer = try await SmallModels.recognizer()
        let samples = tonesInNoise(16_000 * 6, seed: 6)
        let events = try await Self.events(recognizer, samples, pieces: [4000])
        let finals = events.filter { $0.event == .final }
        #expect(finals.count > 2 && events.count > finals.count)
        #expect(try await Self.events(recognizer, samples, pieces: [1, 799, 160, 3333, 40]) == events)
        // Half of the input gives a prefix of the same events.
        let half = try await Self.events(recognizer, Array(samples.prefix(48_000)), pieces: [1000], finishes: false)
            .filter { $0.event == .final }
        #expect(!half.isEmpty && half == Array(finals.prefix(half.count)))
        // In order, without overlaps.
        for (event, next) in zip(finals, finals.dropFirst()) { #expect(event.end <= next.start + 1e-9) }
        for event in finals { #expect(event.words.map(\.text).joined(separator: " ") == event.text) }
    }

    @Test func finalsComeInTime() async throws {
        let recognizer = try await SmallModels.recognizer()
        let samples = tonesInNoise(16_000 * 6, seed: 6)
        var live = try LiveRecognizer(recognizer, options: Self.options)
        var open: Double?
        for start in stride(from: 0, to: samples.count, by: 1600) {
            let heard = Double(start + 1600) / 16_000
            for event in try await live.append(Array(samples[start..<start + 1600])) {
                open = event.event == .partial ? event.start : nil
            }
            // longest + delay + step, and a tenth of a second between calls.
            if let open { #expect(heard - open < 2 + 0.4 + 0.25 + 0.1 + 0.03) }
        }
    }

    @Test func otherRatesAreConverted() async throws {
        let recognizer = try await SmallModels.recognizer()
        let samples = tonesInNoise(16_000 * 2, seed: 3)
        let doubled = samples.flatMap { [$0, $0] }
        let events = try await Self.events(recognizer, doubled, pieces: [3000], rate: 32_000)
        let end = try #require(events.last?.end)
        #expect(end > 1.5 && end < 2.01)
        var none = try LiveRecognizer(recognizer)
        #expect(try await none.finish().isEmpty)
    }
}

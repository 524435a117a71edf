import TestSupport
import Testing

@testable import W2VDecoding

private func oneHot(_ path: [Int], labels: Int) -> [Float] {
    var choices = Choices(seed: path.reduce(50) { $0 &* 31 &+ UInt64($1) })
    return path.flatMap { best in (0..<labels).map { $0 == best ? 1 : Float.random(in: -1..<0.9, using: &choices) } }
}

@Suite(.onTestThreads) struct GreedyDecoderTests {
    @Test func collapsesAndDropsBlanks() throws {
        let spans = try GreedyDecoder().decode(oneHot([0, 3, 3, 0, 3, 2, 2, 0], labels: 4), labels: 4)
        #expect(
            spans == [
                LabelSpan(label: 3, frames: 1..<3), LabelSpan(label: 3, frames: 4..<5),
                LabelSpan(label: 2, frames: 5..<7),
            ])
    }

    /// A path decodes to the labels that differ from their predecessor and from the blank, checked frame by frame.
    @Test func agreesWithTheDefinition() throws {
        var choices = Choices(seed: 51)
        for _ in 0..<500 {
            let labels = Int.random(in: 1...5, using: &choices)
            let blank = Int.random(in: 0..<labels, using: &choices)
            let ignored: Set<Int> = Bool.random(using: &choices) ? [Int.random(in: 0..<labels, using: &choices)] : []
            let path = (0..<Int.random(in: 0...20, using: &choices)).map { _ in
                Int.random(in: 0..<labels, using: &choices)
            }
            let spans = try GreedyDecoder(blank: blank, ignored: ignored)
                .decode(oneHot(path, labels: labels), labels: labels)
            let starts = path.indices.filter { frame in
                path[frame] != blank && !ignored.contains(path[frame])
                    && (frame == 0 || path[frame - 1] != path[frame])
            }
            #expect(spans.map(\.label) == starts.map { path[$0] })
            #expect(spans.map(\.frames.lowerBound) == starts)
            let covered = Set(spans.flatMap(\.frames))
            #expect(covered == Set(path.indices.filter { path[$0] != blank && !ignored.contains(path[$0]) }))
        }
    }

    /// However an utterance is cut, labels, frames and mean scores are those of the whole.
    @Test func aStreamEqualsTheWhole() throws {
        var choices = Choices(seed: 52)
        for seed in 0..<100 {
            let labels = 1 + seed % 5
            let decoder = GreedyDecoder(blank: seed % labels, ignored: seed % 3 == 0 ? [0] : [])
            let scores = oneHot((0..<20).map { _ in Int.random(in: 0..<labels, using: &choices) }, labels: labels)
            var stream = GreedyStream(decoder, labels: labels)
            var found: [AlignedLabel] = []
            var frame = 0
            while frame < 20 {
                let next = min(20, frame + Int.random(in: 0...6, using: &choices))
                found += try stream.append(Array(scores[frame * labels..<next * labels]))
                // All labels except the one that may continue have been returned.
                let whole = try decoder.decode(Array(scores[..<(next * labels)]), labels: labels)
                #expect(stream.frames == next)
                #expect(found.map(\.frames) == whole.filter { $0.frames.upperBound < next }.map(\.frames))
                frame = next
            }
            if let last = stream.finish() { found.append(last) }
            let spans = try decoder.decode(scores, labels: labels)
            #expect(found.map(\.label) == spans.map(\.label) && found.map(\.frames) == spans.map(\.frames))
            for (aligned, span) in zip(found, spans) {
                let mean =
                    span.frames.reduce(0) { $0 + Double(scores[$1 * labels + span.label]) } / Double(span.frames.count)
                #expect(abs(aligned.score - mean) < 1e-12)
            }
            #expect(stream.finish() == nil)
        }
    }

    @Test func aStreamNamesTheFrameOfTheWhole() throws {
        var stream = GreedyStream(GreedyDecoder(), labels: 2)
        _ = try stream.append([1, 0, 0, 1, 1, 0])
        #expect(throws: DecoderError.notANumber(frame: 4, label: 1)) { _ = try stream.append([1, 0, 0, .nan]) }
    }

    @Test func breaksTiesTowardTheLowestIndex() throws {
        #expect(try GreedyDecoder(blank: 2).decode([1, 1, 1], labels: 3).map(\.label) == [0])
        let lowest = -Float.infinity
        #expect(try GreedyDecoder(blank: 1).decode([lowest, lowest], labels: 2).map(\.label) == [0])
    }

    @Test func namesWhatIsWrong() {
        let decoder = GreedyDecoder(blank: 2)
        #expect(throws: DecoderError.wrongCount(count: 4, labels: 3)) { try decoder.decode([1, 2, 3, 4], labels: 3) }
        #expect(throws: DecoderError.wrongCount(count: 0, labels: 0)) { try decoder.decode([], labels: 0) }
        #expect(throws: DecoderError.blankOutOfRange(blank: 2, labels: 2)) { try decoder.decode([1, 2], labels: 2) }
        #expect(throws: DecoderError.notANumber(frame: 1, label: 0)) {
            try decoder.decode([1, 2, 3, .nan, 1, 2], labels: 3)
        }
    }

    @Test func groupsLettersIntoWords() throws {
        let symbols = ["<s>", "|", "A", "B"]
        let spans = GreedyDecoder().collapse([1, 2, 2, 0, 3, 1, 1, 0, 1, 3, 0, 2])
        #expect(
            LetterText.words(spans) { symbols[$0] } == [
                WordSpan(word: "AB", frames: 1..<5), WordSpan(word: "BA", frames: 9..<12),
            ])
        #expect(LetterText.transcript(letters: spans.map { symbols[$0.label] }) == "AB BA")
    }

    @Test func lettersAndWordsRoundTrip() {
        var choices = Choices(seed: 53)
        #expect(LetterText.letters(transcript: " AB  C ") == ["A", "B", "|", "C", "|"])
        #expect(LetterText.letters(transcript: "  ").isEmpty)
        for _ in 0..<100 {
            let words = (0..<Int.random(in: 0...5, using: &choices)).map { _ in
                String(
                    (0..<Int.random(in: 1...6, using: &choices)).compactMap { _ in
                        "ABC'É".randomElement(using: &choices)
                    })
            }
            let transcript = words.joined(separator: " ")
            #expect(LetterText.transcript(letters: LetterText.letters(transcript: transcript)) == transcript)
        }
    }
}

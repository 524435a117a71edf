import TestSupport
import Testing

@testable import W2VDecoding

/// The counts by trying every alignment: exponential, and independent of the tested code.
private func oracle(_ reference: ArraySlice<Int>, _ hypothesis: ArraySlice<Int>) -> EditCounts {
    if reference.isEmpty { return EditCounts(insertions: hypothesis.count) }
    if hypothesis.isEmpty { return EditCounts(deletions: reference.count) }
    let same = reference.first == hypothesis.first
    let candidates = [
        oracle(reference.dropFirst(), hypothesis.dropFirst())
            + (same ? EditCounts(matches: 1) : EditCounts(substitutions: 1)),
        oracle(reference.dropFirst(), hypothesis) + EditCounts(deletions: 1),
        oracle(reference, hypothesis.dropFirst()) + EditCounts(insertions: 1),
    ]
    return candidates.min { ($0.errors, $0.substitutions) < ($1.errors, $1.substitutions) } ?? EditCounts()
}

private func counts<Element>(_ pairs: [AlignedPair<Element>]) -> EditCounts {
    pairs.reduce(EditCounts()) { total, pair in
        switch pair {
        case .match: total + EditCounts(matches: 1)
        case .substitution: total + EditCounts(substitutions: 1)
        case .deletion: total + EditCounts(deletions: 1)
        case .insertion: total + EditCounts(insertions: 1)
        }
    }
}

@Suite(.onTestThreads) struct EditDistanceTests {
    @Test func equalsTheExhaustiveSearch() {
        var choices = Choices(seed: 11)
        for _ in 0..<600 {
            let symbols = Int.random(in: 1...4, using: &choices)
            let reference = (0..<Int.random(in: 0...6, using: &choices)).map { _ in
                Int.random(in: 0..<symbols, using: &choices)
            }
            let hypothesis = (0..<Int.random(in: 0...6, using: &choices)).map { _ in
                Int.random(in: 0..<symbols, using: &choices)
            }
            let expected = oracle(reference[...], hypothesis[...])
            #expect(EditDistance.counts(reference: reference, hypothesis: hypothesis) == expected)
            let pairs = EditDistance.align(reference: reference, hypothesis: hypothesis)
            #expect(counts(pairs) == expected, "\(reference) \(hypothesis)")
            #expect(pairs.compactMap(\.reference) == reference)
            #expect(pairs.compactMap(\.hypothesis) == hypothesis)
        }
    }

    @Test func dividesWhatNoTableHolds() {
        var choices = Choices(seed: 12)
        // 3000 × 2900 elements exceed the largest table, so the division runs; the counts come from another path.
        let reference = (0..<3000).map { _ in Int.random(in: 0..<30, using: &choices) }
        let hypothesis = reference.enumerated().compactMap { index, element -> Int? in
            index % 17 == 3 ? nil : index % 11 == 5 ? element + 1 : element
        }
        let pairs = EditDistance.align(reference: reference, hypothesis: hypothesis)
        #expect(counts(pairs) == EditDistance.counts(reference: reference, hypothesis: hypothesis))
        #expect(pairs.compactMap(\.reference) == reference)
        #expect(pairs.compactMap(\.hypothesis) == hypothesis)
        for pair in pairs {
            if case .substitution(let said, let heard) = pair { #expect(said != heard) }
        }
    }

    @Test func alignsWords() {
        let pairs = EditDistance.align(
            reference: ["THE", "CAT", "SAT", "DOWN"], hypothesis: ["THE", "HAT", "SAT", "RIGHT", "DOWN"])
        #expect(
            pairs == [
                .match("THE"), .substitution(reference: "CAT", hypothesis: "HAT"), .match("SAT"), .insertion("RIGHT"),
                .match("DOWN"),
            ])
    }

    @Test func handlesEmptySides() {
        #expect(EditDistance.counts(reference: [Int](), hypothesis: []) == EditCounts())
        #expect(EditDistance.align(reference: [Int](), hypothesis: [1]) == [.insertion(1)])
        #expect(EditDistance.align(reference: [1], hypothesis: []) == [.deletion(1)])
    }
}

@Suite(.onTestThreads) struct ErrorRateTests {
    /// Texts are compared and counted by code points, as jiwer does.
    @Test func charactersAreCodePoints() {
        func counts(_ said: String, _ heard: String, _ unit: CharacterUnit = .codePoints) -> [EditCounts] {
            let counts = RecognitionErrors.counts(reference: said, hypothesis: heard, characters: unit)
            return [counts.words, counts.characters]
        }
        // A letter with a vowel sign: as code points half of it is right, as a grapheme all of it is wrong.
        #expect(counts("कि", "क")[1] == EditCounts(matches: 1, deletions: 1))
        #expect(counts("कि", "क", .graphemes)[1] == EditCounts(substitutions: 1))
        // Canonically equal, but not the same.
        #expect(
            counts("\u{E9}", "e\u{301}") == [EditCounts(substitutions: 1), EditCounts(substitutions: 1, insertions: 1)])
        #expect(counts("\u{E9}", "e\u{301}", .graphemes) == Array(repeating: EditCounts(substitutions: 1), count: 2))
        for unit in CharacterUnit.allCases {
            #expect(counts("K", "\u{212A}", unit) == Array(repeating: EditCounts(substitutions: 1), count: 2))
            #expect(counts("\u{E9} K", "\u{E9} K", unit)[0] == EditCounts(matches: 2))
        }
        let pairs = EditDistance.align(reference: ["K", "A"], hypothesis: ["\u{212A}", "A"])
        #expect(pairs.map { $0.reference?.utf8.count } == [1, 1] && pairs.map { $0.hypothesis?.utf8.count } == [3, 1])
        if case .match = pairs[0] { Issue.record("the Kelvin sign was taken for K") }
    }

    /// Words are separated by ASCII white space only.
    @Test func otherWhiteSpaceIsPartOfWords() {
        #expect(LetterText.words(in: " A\tB\r\nC \n") == ["A", "B", "C"])
        for odd in ["A\u{A0}B", "A\u{2003}B", "A\u{3000}B", "A\u{85}B"] { #expect(LetterText.words(in: odd) == [odd]) }
        // A mark after a space combines with it on the screen, but the space still separates.
        #expect(LetterText.words(in: "A \u{301}B").map(\.unicodeScalars.count) == [1, 2])
        #expect(LetterText.letters(transcript: "e\u{301} A").map(\.unicodeScalars.count) == [1, 1, 1, 1, 1])
    }

    @Test func poolsUtterances() {
        var errors = RecognitionErrors()
        errors.add(reference: "A B C", hypothesis: "A X C")
        errors.add(reference: "D", hypothesis: "D E")
        #expect(errors.wer == 0.5)
        #expect(errors.words.utterances == 2)
        #expect(errors.words.utteranceRate == 1)
        // "A B C" is five characters with its spaces; "D E" adds two to "D".
        #expect(errors.cer == 3.0 / 6.0)
    }

    @Test func countsInsertionsIntoEmptyReferences() {
        var errors = RecognitionErrors()
        #expect(errors.wer == nil)
        errors.add(reference: " ", hypothesis: "NOISE")
        #expect(errors.wer == nil)
        #expect(errors.words.counts.insertions == 1)
        errors.add(reference: "YES NO", hypothesis: "YES NO")
        #expect(errors.wer == 0.5)
        #expect(errors.cer == 5.0 / 6.0)
    }

    @Test func mergesAsOneCorpus() {
        let pairs = [("A B", "A"), ("C", "D"), ("", "E"), ("F G H", "F G H")]
        var whole = RecognitionErrors()
        var left = RecognitionErrors()
        var right = RecognitionErrors()
        for (index, pair) in pairs.enumerated() {
            whole.add(reference: pair.0, hypothesis: pair.1)
            if index < 2 {
                left.add(reference: pair.0, hypothesis: pair.1)
            } else {
                right.add(reference: pair.0, hypothesis: pair.1)
            }
        }
        left.add(right)
        #expect(left == whole)
    }

    @Test func ignoresAmountAndKindOfWhitespace() {
        var errors = RecognitionErrors()
        errors.add(reference: " ONE\tTWO ", hypothesis: "ONE  TWO")
        #expect(errors.wer == 0)
        #expect(errors.cer == 0)
    }
}

import TestSupport
import Testing
import W2VBase

@Suite(.onTestThreads) struct MissingLettersTests {
    private let capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ'".unicodeScalars.map { String($0) }

    @Test func lettersAreNamedOnce() {
        #expect(MissingLetters(in: "HELLO", symbols: capitals) == MissingLetters(in: "", symbols: capitals))
        let missing = MissingLetters(in: "Ж1Ж", symbols: capitals)
        #expect(missing.letters == ["Ж", "1"] && missing.reasons == [])
    }

    @Test func caseIsAReason() {
        #expect(MissingLetters(in: "dot", symbols: capitals).reasons == [.smallLetters])
        #expect(MissingLetters(in: "DOT", symbols: ["d", "o", "t"]).reasons == [.capitals])
        #expect(MissingLetters(in: "dot", symbols: capitals).letters == ["d", "o", "t"])
    }

    @Test(arguments: ["\u{2019}", "\u{2018}", "\u{2BC}", "\u{60}", "\u{FF07}"])
    func signsThatLookAlikeAreAReason(apostrophe: String) {
        let missing = MissingLetters(in: "DON\(apostrophe)T", symbols: capitals)
        #expect(missing.letters.count == 1 && missing.letters[0].hasSameCodePoints(as: apostrophe))
        #expect(missing.reasons == [.lookAlike(letter: apostrophe, symbol: "'")])
        #expect(missing.reasons[0].advice.contains("(U+0027)"))
        let both = MissingLetters(in: "don\(apostrophe)t", symbols: capitals)
        #expect(both.reasons == [.smallLetters, .lookAlike(letter: apostrophe, symbol: "'")])
    }

    @Test func fullWidthLettersLookLikeTheirs() {
        #expect(
            MissingLetters(in: "\u{FF21}", symbols: capitals).reasons == [.lookAlike(letter: "\u{FF21}", symbol: "A")])
    }

    @Test func formsOfUnicodeAreAReason() {
        let composed = ["c", "a", "f", "\u{E9}"]
        let decomposed = ["c", "a", "f", "e", "\u{301}"]
        #expect(MissingLetters(in: "cafe\u{301}", symbols: composed).reasons == [.decomposed])
        #expect(MissingLetters(in: "cafe\u{301}", symbols: composed).letters == ["e", "\u{301}"])
        // The base letter may be a symbol as well.
        #expect(MissingLetters(in: "cafe\u{301}", symbols: composed + ["e"]).reasons == [.decomposed])
        #expect(MissingLetters(in: "caf\u{E9}", symbols: decomposed).reasons == [.composed])
        // A line of labels may have the accent alone.
        #expect(MissingLetters(in: "\u{301}", symbols: composed).reasons == [.decomposed])
        #expect(MissingLetters(in: "\u{301}", symbols: ["a", "e"]).reasons == [])
        #expect(MissingLetters(in: "cafe\u{301}", symbols: composed).reasons[0].advice.contains("NFC"))
    }

    @Test func symbolsOfSeveralCodePointsCover() {
        #expect(MissingLetters(in: "kʰat", symbols: ["kʰ", "a", "t"]).letters == [])
        #expect(MissingLetters(in: "kʰʰat", symbols: ["kʰ", "a", "t"]).letters == ["ʰ"])
    }

    @Test func linesOfBrokenFilesAreCutShort() {
        #expect("short".excerpt() == "short")
        #expect(String(repeating: "x", count: 600_000).excerpt() == String(repeating: "x", count: 200) + "…")
        #expect("a\nb".excerpt(2) == "a<U+000A>…")
        #expect(String(repeating: "é", count: 9999).quotedWithCodePoints.count < 400)
    }

    @Test func marksAfterSpacesAreWords() {
        #expect("a  \u{301} b\u{A0}c\t".whitespaceSeparated == ["a", "\u{301}", "b", "c"])
    }
}

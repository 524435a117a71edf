import TestSupport
import Testing

@testable import W2VDecoding

@Suite(.onTestThreads) struct AlignmentMessageTests {
    private func transcript(_ confidences: [Double]) -> TimedTranscript {
        TimedTranscript(
            name: "a", duration: 1,
            words: confidences.map { TimedText(text: "w", start: 0, end: 1, confidence: $0) })
    }

    @Test func textThatIsNotSaidIsDoubted() {
        #expect(transcript([0.9, 0.8, 0.2]).doubt == nil)
        #expect(transcript([0.9, 0.8, 1e-4]).doubt == nil)
        #expect(transcript([]).doubt == nil)
        #expect(transcript([1e-4]).doubt?.contains("the only word has") == true)
        // A short word matches somewhere by chance.
        #expect(transcript([1e-4, 0.5, 1e-6]).doubt?.contains("2 of 3 words have a confidence below 0.01") == true)
    }

    @Test func lettersThatTheDictionaryLacksAreNamed() {
        let curly = DecoderError.unspellable(word: "DON\u{2019}T", symbols: "'DNOT")
        #expect("\(curly)".contains("\"\u{2019}\" (U+2019) where the dictionary has \"'\" (U+0027)"), "\(curly)")
        let small = DecoderError.unspellable(word: "dot", symbols: "'DNOT")
        #expect("\(small)".hasSuffix("write the text in capitals"))
        #expect(small.missing?.reasons == [.smallLetters])
        let decomposed = DecoderError.unspellable(word: "e\u{301}", symbols: "\u{E9}")
        #expect("\(decomposed)".contains("U+0301") && "\(decomposed)".contains("NFC"))
        let invisible = DecoderError.unspellable(word: "D\u{AD}OT", symbols: "DNOT")
        #expect("\(invisible)".contains("(U+00AD)") && !"\(invisible)".unicodeScalars.contains("\u{AD}"))
        #expect("\(invisible)".contains("it has DNOT"))
        let digraphs = DecoderError.unspellable(word: "nja", symbols: "j n nj")
        #expect(digraphs.missing?.letters == ["a"])
        let large = DecoderError.unspellable(word: "x", symbols: String(repeating: "\u{4E00}", count: 5000))
        #expect("\(large)".count < 300)
    }
}

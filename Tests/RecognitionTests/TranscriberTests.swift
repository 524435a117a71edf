import Foundation
import TestSupport
import Testing
import W2VDecoding
import W2VInterchange

@testable import W2VRecognition

/// Decoding of log-probabilities to words, without a model.
@Suite(.onTestThreads) struct TranscriberTests {
    private static let symbols = ["<s>", "<pad>", "</s>", "<unk>", "|", "T", "H", "E", "D", "O", "G"]

    private static var writing: LabelWriting { get throws { try LabelWriting(symbols: symbols, style: TextStyle()) } }

    private static func frames(_ path: [String]) -> [Float] {
        path.flatMap { best in symbols.map { $0 == best ? Float(-0.01) : -7 } }
    }

    /// A word has the lexicon's spelling, and the times of its letters.
    @Test func wordsAreWrittenAsTheLexiconSays() throws {
        let alphabet = try Recognizer.alphabet(symbols: Self.symbols)
        let lexicon = Lexicon(
            entries: [
                .init(word: "THE", spelling: ["T", "H", "E"]), .init(word: "THE", spelling: ["D", "H", "E"]),
                .init(word: "DOG"),
            ], alphabet: alphabet)
        var options = BeamSearchOptions()
        options.allowsUnknownWords = false
        let decoder = try BeamSearchDecoder(alphabet: alphabet, lexicon: lexicon, options: options)
        let transcriber = try CTCTranscriber(Self.writing, frameSeconds: 0.02, decoder: .beam(decoder))
        let scores = Self.frames(["<s>", "D", "H", "<pad>", "E", "|", "D", "O", "O", "G"])
        let result = try transcriber.transcribe(scores, duration: 0.2)
        #expect(result.text == "THE DOG" && result.words.map(\.text) == ["THE", "DOG"])
        #expect(result.characters.map(\.text).joined() == "DHEDOG")
        #expect(result.words.map(\.start) == [0.02, 0.12] && result.words.map(\.end) == [0.1, 0.2])
    }

    /// Both ways of decoding end a letter at silent labels, even where the blank is impossible.
    @Test func silentLabelsAreSilence() throws {
        let silence = Self.symbols.map { $0 == "<pad>" ? 0 : -Float.infinity }
        let scores = Self.frames(["T", "O"]) + silence + Self.frames(["O", "|"])
        let alphabet = try Recognizer.alphabet(symbols: Self.symbols)
        for decoder in [.greedy, RecognitionDecoder.beam(try BeamSearchDecoder(alphabet: alphabet))] {
            let transcriber = try CTCTranscriber(Self.writing, frameSeconds: 0.02, decoder: decoder)
            let result = try transcriber.transcribe(scores, duration: 0.1)
            #expect(result.text == "TOO")
            #expect(result.characters.map(\.start) == [0, 0.02, 0.06])
        }
    }

    /// Times are exact, without rounding errors of multiplication and addition.
    @Test func timesAreThoseOfTheFrames() throws {
        let transcriber = try CTCTranscriber(Self.writing, frameSeconds: 0.02)
        for frame in [3, 7, 35, 57, 58, 115, 50_002] {
            let path = [AlignedLabel(label: 5, frames: frame..<frame + 1, score: 0)]
            let result = transcriber.transcription(path, duration: 2000)
            #expect(result.words.map { "\($0.start)" } == ["\(Double(2 * frame) / 100)"])
        }
        // A hop that is not a whole number of milliseconds keeps its times.
        let odd = try CTCTranscriber(Self.writing, frameSeconds: 101.0 / 16_000)
        let path = [AlignedLabel(label: 5, frames: 3..<4, score: 0)]
        #expect(odd.transcription(path, duration: 1).words.map(\.start) == [303.0 / 16_000])
    }

    /// Symbols that a dictionary lacks are counted, including those of several code points.
    @Test func unwritableTextIsCountedBySymbols() throws {
        let alphabet = try DecodingAlphabet(symbols: ["<s>", "|", "a", "lj", "dž", "j", "é"], silent: [0])
        let text = UnwritableText(
            [(identifier: "one", reference: "lja dža"), (identifier: "two", reference: "alj e\u{301} la")],
            alphabet: alphabet)
        #expect(text.allWords == 5 && text.words == 2 && text.characters == 3 && text.firstUtterance == "two")
        #expect(text.symbols.map(\.symbol.unicodeScalars.first?.value) == [0x65, 0x6C, 0x301])
    }

    /// Words that the model can output are not errors, whatever its word separator, and whichever sigma ends them.
    @Test(arguments: [
        ("-", false, "AB-BA", 0), ("_", false, "AB_BA", 0), ("\u{A0}", false, "AB\u{A0}BA", 0),
        ("-", false, "AB-CA", 1),
        (" ", false, "AB-BA", 1), (" ", true, "ας σα", 0), (" ", true, "ας σx", 1), (" ", false, "ας", 1),
    ])
    func wordsThatAreRightAreWritable(separator: String, lowercases: Bool, reference: String, count: Int) throws {
        var style = TextStyle()
        style.wordSeparator = separator
        style.lowercases = lowercases
        let writing = try LabelWriting(symbols: ["<s>", "|", "A", "B", "Α", "Σ"], style: style)
        let text = UnwritableText(
            [(identifier: "one", reference: reference)], alphabet: writing.alphabet, words: writing.words)
        #expect(text.words == count, "\(text.symbols)")
    }
}

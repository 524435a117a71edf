import Foundation
import TestSupport
import Testing
import W2VBase
import W2VDecoding
import W2VInference
import W2VInterchange
import W2VTorch

@testable import W2VRecognition

/// The text of labels, for tokenizers whose rules differ from fairseq's.
@Suite(.onTestThreads) struct LabelWritingTests {
    private let specials = ["<s>", "<pad>", "</s>", "<unk>"]

    private func style(_ change: (inout TextStyle) -> Void) -> TextStyle {
        var style = TextStyle()
        change(&style)
        return style
    }

    /// Decodes one frame of each symbol, with blanks between them.
    private func heard(
        _ path: [String], _ symbols: [String], _ style: TextStyle, beam: Bool = false
    ) throws -> Transcription {
        let writing = try LabelWriting(symbols: symbols, style: style)
        let decoder = beam ? RecognitionDecoder.beam(try BeamSearchDecoder(alphabet: writing.alphabet)) : .greedy
        let transcriber = CTCTranscriber(writing, frameSeconds: 0.02, decoder: decoder)
        let frames = path.flatMap { [0, symbols.firstIndex(of: $0) ?? 0] }
        let scores = frames.flatMap { frame in symbols.indices.map { $0 == frame ? Float(-0.01) : -9 } }
        return try transcriber.transcribe(scores, duration: Double(frames.count) * 0.02)
    }

    @Test(arguments: [false, true]) func anotherSeparatorIsWrittenBetweenWords(beam: Bool) throws {
        let symbols = specials + ["|", "a", "b"]
        for separator in ["-", "", "_ _"] {
            let found = try heard(
                ["|", "a", "b", "|", "|", "b", "a", "|"], symbols, style { $0.wordSeparator = separator }, beam: beam)
            #expect(found.text == "ab\(separator)ba" && found.words.map(\.text) == ["ab", "ba"])
            #expect(found.timed(as: "x").captions().map(\.text.text) == ["ab\(separator)ba"])
        }
        let broken = try heard(["a", "|", "b"], symbols, style { $0.wordSeparator = "\n\n" }, beam: beam)
        #expect(broken.text == "a\n\nb" && broken.timed(as: "x").captions().map(\.text.text) == ["a b"])
    }

    /// The form of the text changes words and characters alike, and leaves out what it does not write.
    @Test func textsAreWrittenInAForm() throws {
        let symbols = specials + ["|", "A", "'", ".", "-"]
        let path = ["A", "'", "A", ".", "|", "-", "|", "A", "-", "A", "|", "."]
        var writing = try LabelWriting(symbols: symbols, style: TextStyle())
        writing.form = TextForm(letterCase: .lower, stripsPunctuation: true)
        let frames = path.flatMap { [0, symbols.firstIndex(of: $0) ?? 0] }
        let scores = frames.flatMap { frame in symbols.indices.map { $0 == frame ? Float(-0.01) : -9 } }
        let transcriber = CTCTranscriber(writing, frameSeconds: 0.02)
        let found = try transcriber.transcribe(scores, duration: 1)
        #expect(found.text == "a'a a a" && found.words.map(\.text) == ["a'a", "a a"])
        #expect(found.characters.map(\.text).joined() == "a'aaa")
        #expect(try transcriber.writing(in: TextForm()).transcribe(scores, duration: 1).text == "A'A. - A-A .")
    }

    /// Words are spelled in the letters that a model has.
    @Test func transcriptsAreFoldedForTheModel() throws {
        func spelled(_ text: String, _ letters: [String]) throws -> [String] {
            let alphabet = try LabelWriting(symbols: specials + ["|"] + letters, style: TextStyle()).alphabet
            let labels = try SpelledTranscript(LetterText.words(in: text), alphabet: alphabet, letters: "").labels
            return labels.map { $0.map { alphabet.symbols[$0] }.joined() }
        }
        let capitals = ["A", "D", "N", "O", "T", "'", "\u{C9}"]
        #expect(
            try spelled("Don\u{2019}t, e\u{301}t\u{E9} — \u{201C}to-do\u{201D}!", capitals) == [
                "DON'T", "\u{C9}T\u{C9}", "TO", "DO",
            ])
        #expect(try spelled("Don't", ["d", "o", "n", "t"]) == ["dont"])
        // What is written as it is spelled stays as it is.
        #expect(try spelled("To to.", ["T", "t", "o", "."]) == ["To", "to."])
        for text in ["7", "a & d", "5%", "x"] {
            #expect(throws: DecoderError.self, "\(text)") { try spelled(text, capitals) }
        }
        #expect(throws: DecoderError.emptyTranscript) { try spelled("— …", capitals) }
    }

    @Test(arguments: [false, true]) func textIsLoweredAsAWhole(beam: Bool) throws {
        let symbols = specials + ["|", "A", "a", "Σ", "İ"]
        let found = try heard(["A", "a", "Σ", "|", "İ", "Σ", "A"], symbols, style { $0.lowercases = true }, beam: beam)
        // A sigma at the end of a word has a form of its own.
        #expect(Array(found.text.unicodeScalars) == Array("aaς i\u{307}σa".unicodeScalars))
        #expect(found.words.count == 2 && found.words[0].text == "aaς")
        let alphabet = try LabelWriting(symbols: symbols, style: style { $0.lowercases = true }).alphabet
        #expect(alphabet.labels(of: "aσ") == [5, 7] && alphabet.labels(of: "A") == nil)
    }

    @Test(arguments: [false, true]) func textIsCleanedUpAsTransformersDoes(beam: Bool) throws {
        let symbols = specials + ["|", "I", "T", "'", "S", "."]
        let path = ["I", "T", "|", "'", "S", "|", "I", "T", "|", "."]
        let found = try heard(path, symbols, style { ($0.cleansUp, $0.lowercases) = (true, true) }, beam: beam)
        #expect(found.text == "it's it." && found.words.map(\.text) == ["it", "'s", "it", "."])
        #expect(try heard(path, symbols, TextStyle(), beam: beam).text == "IT 'S IT .")
        // Only lower-case contractions are known.
        #expect(try heard(path, symbols, style { $0.cleansUp = true }, beam: beam).text == "IT 'S IT.")
    }

    @Test(arguments: [false, true]) func phonemesAreWordsThoughThereIsABoundary(beam: Bool) throws {
        let symbols = specials + ["h", "ə", "oʊ", "|"]
        let found = try heard(["h", "|", "ə", "oʊ", "|"], symbols, style { $0.unit = .words }, beam: beam)
        #expect(found.text == "h ə oʊ" && found.words.count == 3)
    }

    @Test(arguments: [false, true]) func lettersWithoutABoundaryAreOneWord(beam: Bool) throws {
        let symbols = specials + ["中", "文"]
        let found = try heard(["中", "文", "中"], symbols, style { $0.unit = .letters }, beam: beam)
        #expect(found.text == "中文中" && found.words.count == 1)
        #expect(try heard(["中", "文"], symbols, TextStyle(), beam: beam).text == "中 文")
    }

    @Test(arguments: [false, true]) func aLetterMayBeWrittenAsTheBoundaryIsCalled(beam: Bool) throws {
        let symbols = specials + ["a", "<5>", "|"]
        let found = try heard(
            ["a", "<5>", "|", "a"], symbols, style { $0.written = ["<5>": "|"] }, beam: beam)
        #expect(found.text == "a| a" && found.words.map(\.text) == ["a|", "a"])
    }

    /// Only ASCII whitespace, that is: other spaces are letters, as in language models and error rates.
    @Test func whiteSpaceAmongLettersPartsWords() throws {
        let symbols = specials + ["|", "a", " ", "\u{3000}"]
        let found = try heard(["a", " ", "a", "|", "a", "\u{3000}", " ", "a"], symbols, TextStyle())
        #expect(found.text.hasSameCodePoints(as: "a a a\u{3000} a") && found.words.count == 4)
    }

    @Test(arguments: [false, true]) func whatIsWrittenAsNothingIsNoWord(beam: Bool) throws {
        let symbols = specials + ["|", "a", "<6>"]
        let found = try heard(
            ["<6>", "a", "|", "<6>", "|", "a", "<6>"], symbols, style { $0.written = ["<6>": ""] }, beam: beam)
        #expect(found.text == "a a" && found.words.map(\.text) == ["a", "a"], "\(found.text)")
    }

    @Test func transcriptsAreSplitAsTextIsWritten() throws {
        let dashed = try LabelWriting(symbols: specials + ["|", "a", "b"], style: style { $0.wordSeparator = "-" })
        #expect(dashed.words(in: "ab-ba b") == ["ab", "ba", "b"])
        let letter = try LabelWriting(symbols: specials + ["|", "a", "-"], style: style { $0.wordSeparator = "-" })
        #expect(letter.words(in: "a-a a") == ["a-a", "a"])
        let hard = try LabelWriting(symbols: specials + ["|", "a"], style: style { $0.wordSeparator = "\u{A0}" })
        #expect(hard.words(in: "a\u{A0}a a") == ["a", "a", "a"])
    }

    @Test func savedLogitsKeepHowTextIsWritten() throws {
        try withTemporaryFolder { folder in
            let symbols = specials + ["|", "A", "a"]
            let style = style {
                $0.wordSeparator = "-"
                $0.lowercases = true
            }
            let place = folder.appendingPathComponent("logits")
            try SavedLogits.begin(place)
            let entry = SavedLogits.Entry(utterance: "u", audio: "u", reference: "a", seconds: 0, file: nil, tags: [:])
            try SavedLogits.finish(place, symbols: symbols, style: style, frameSeconds: 0.02, entries: [entry])
            let saved = try SavedLogits(contentsOf: place)
            #expect(saved.style == style && saved.symbols == symbols)
            #expect(try saved.alphabet == LabelWriting(symbols: symbols, style: style).alphabet)
        }
    }

    @Test func quietRecordingsAreNormalizedAsTheOriginDoes() async throws {
        let quiet = tonesInNoise(16_000, seed: 5).map { $0 * 0.003 }
        func logits(epsilon: Double, _ samples: [Float], normalizes: Bool = true) async throws -> [Float] {
            let recognizer = try await Recognizer(
                model: SmallModels.ctcModel(), symbols: SmallModels.symbols, normalizes: normalizes, epsilon: epsilon)
            return try await recognizer.logProbabilities([Recording(samples: samples)])[0].get()
        }
        for epsilon in [1e-5, 1e-7] {
            let found = try await logits(epsilon: epsilon, quiet)
            let mean = quiet.reduce(0.0) { $0 + Double($1) } / Double(quiet.count)
            let variance = quiet.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(quiet.count)
            let scaled = quiet.map { Float((Double($0) - mean) / (variance + epsilon).squareRoot()) }
            #expect(try await found == logits(epsilon: 0, scaled, normalizes: false), "\(epsilon)")
        }
        #expect(try await logits(epsilon: 1e-5, quiet) != logits(epsilon: 1e-7, quiet))
    }
}

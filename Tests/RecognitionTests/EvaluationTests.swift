import Foundation
import TestSupport
import Testing
import W2VAudio
import W2VCorpus
import W2VDecoding
import W2VInference
import W2VInterchange

@testable import W2VRecognition

@Suite(.onTestThreads) struct EvaluationTests {
    private static func utterance(
        _ name: String, _ reference: String, _ hypothesis: String, speaker: String? = nil
    ) -> EvaluatedUtterance {
        var utterance = EvaluatedUtterance(
            identifier: name, audio: "/audio/\(name).wav", reference: reference,
            transcription: Transcription(text: hypothesis, words: [], confidence: 1, duration: 2), isTooShort: false)
        utterance.tags["speaker"] = speaker
        return utterance
    }

    private static let evaluation = Evaluation(
        utterances: [
            utterance("one", "A TEA", "A TEA", speaker: "s10"), utterance("two", "EAT A TEA", "EAT A", speaker: "s9"),
            utterance("three", "A TEA", "A EAT A", speaker: "s10"), utterance("four", "TEA", "TEA TEA"),
            utterance("five", "A TEA", "E EAT A EAT", speaker: "s9"),
        ], unwritable: UnwritableText(), seconds: 1)

    @Test func ratesAndTheWorstAreThoseOfTheUtterances() {
        let evaluation = Self.evaluation
        // By hand: no error, 1 deletion, 1 substitution and 1 insertion, 1 insertion, 1 substitution and 2 insertions.
        #expect(
            evaluation.errors.words.counts
                == EditCounts(matches: 7, substitutions: 2, deletions: 1, insertions: 4))
        #expect(evaluation.wer == 0.7 && evaluation.ser == 0.8 && evaluation.audioSeconds == 10)
        #expect(evaluation.worst(3).map(\.identifier) == ["five", "three", "two"])
        #expect(evaluation.worst(100).count == 4 && evaluation.worst(0).isEmpty)
        let confusions = evaluation.confusions(2)
        #expect(confusions[0].reference == nil && confusions[0].hypothesis == "EAT")
        #expect(confusions.map(\.count) == [2, 1])
    }

    /// Texts that only look the same count as errors, and values that only look the same are groups of their own.
    @Test func textsAreCodePoints() {
        let evaluation = Evaluation(
            utterances: [
                Self.utterance("one", "caf\u{E9}", "cafe\u{301}", speaker: "\u{E9}"),
                Self.utterance("two", "K", "K", speaker: "e\u{301}"),
            ], unwritable: UnwritableText(), seconds: 1)
        #expect(evaluation.wer == 0.5 && evaluation.errors.characters.counts.errors == 2)
        let confusions = evaluation.confusions(5)
        #expect(confusions.map { $0.reference?.unicodeScalars.count } == [4])
        #expect(confusions.map { $0.hypothesis?.unicodeScalars.count } == [5])
        #expect(evaluation.groups(by: "speaker").count == 2)
    }

    @Test func groupsAreInTheOrderOfTheirNames() {
        let groups = Self.evaluation.groups(by: "speaker")
        #expect(groups.map(\.value) == ["s9", "s10", nil])
        #expect(groups.map { $0.errors.words.counts.errors } == [4, 2, 1])
        #expect(groups.map { $0.utterances.count } == [2, 2, 1])
        #expect(Self.evaluation.groups(by: "dialect").map(\.value) == [nil])
    }

    @Test func intervalsAreRepeatableAndAsWideAsTheoryHasIt() throws {
        // A quarter of 400 utterances of one word is wrong: the binomial's standard deviation is 2.17 %.
        let utterances = (0..<400).map { number in
            let counts = EditCounts(matches: number % 4 == 0 ? 0 : 1, substitutions: number % 4 == 0 ? 1 : 0)
            return (words: counts, characters: EditCounts(matches: 3))
        }
        let found = Bootstrap(sets: 800).intervals(utterances)
        let wer = try #require(found.wer)
        #expect(abs(wer.lower - (0.25 - 1.96 * 0.02165)) < 0.008 && abs(wer.upper - (0.25 + 1.96 * 0.02165)) < 0.008)
        #expect(found.ser == found.wer && found.cer == ConfidenceInterval(lower: 0, upper: 0))
        #expect(Bootstrap(sets: 800).intervals(utterances) == found)
        #expect(Bootstrap(sets: 800, seed: 2).intervals(utterances) != found)
        let narrow = try #require(Bootstrap(sets: 800, level: 0.5).intervals(utterances).wer)
        #expect(narrow.lower > wer.lower && narrow.upper < wer.upper)
        #expect(Bootstrap(sets: 0).intervals(utterances) == RateIntervals())
        #expect(Bootstrap().intervals([]) == RateIntervals())
        // Without words in the references, the word error rate is undefined, and so is its interval.
        let silent = Bootstrap().intervals([(EditCounts(insertions: 1), EditCounts(insertions: 2))])
        #expect(silent.wer == nil && silent.cer == nil && silent.ser == ConfidenceInterval(lower: 1, upper: 1))
    }

    @Test func whatTheDictionaryLacksIsCounted() throws {
        let references = [("a", "TEA EAT"), ("b", "Tea ATÉ TÉÉ"), ("c", "")]
        let text = UnwritableText(
            references.map { (identifier: $0.0, reference: $0.1) },
            alphabet: try Recognizer.alphabet(symbols: SmallModels.symbols))
        #expect(text.words == 3 && text.allWords == 5 && text.characters == 5 && text.firstUtterance == "b")
        #expect(text.symbols.map(\.symbol) == ["É", "a", "e"] && text.symbols[0].count == 3)
        #expect(try #require(text.warning).hasPrefix("3 of 5 words of the references have characters that the model's"))
        #expect(text.warning?.contains("write the text in capitals") == true)
        #expect(UnwritableText([], alphabet: try Recognizer.alphabet(symbols: SmallModels.symbols)).warning == nil)
    }

    /// A model that outputs exactly its labels has no errors, in fine-tuning's validation and here.
    @Test(arguments: [
        ("ltr", ["T E A | E A T |", "A |"]), ("ltr", ["T E A | E A T", "A"]), ("char", ["T E A | E A T |", "A |"]),
        ("ltr", ["sil ah t", "ah"]), ("phn", ["sil ah t", "ah"]), ("wrd", ["TEA EAT", "A"]),
        ("ltr", ["c a f e \u{301} | \u{301} a |", "\u{939} \u{94D} | \u{93F} |"]),
        ("ltr", ["A <unk> | <s> B <pad> |", "kʰ a | t |"]), ("ltr", ["A \u{A0} B |", "K \u{212A} |"]),
    ])
    func referencesAreReadAsInValidation(labels: String, lines: [String]) throws {
        let manifest = try Manifest(
            root: URL(fileURLWithPath: "/"), paths: lines.indices.map { "\($0)" }, sampleCounts: lines.map { _ in 1 },
            labels: lines)
        let dictionary = LabelDictionary(counting: lines)
        let writing = try LabelWriting(symbols: dictionary.symbols, style: TextStyle())
        let references = manifest.references(labels: labels, alphabet: writing.alphabet)
        let transcriber = CTCTranscriber(writing, frameSeconds: 0.02)
        for (line, reference) in zip(lines, references) {
            let indices = try dictionary.encode(line)
            #expect(dictionary.text(of: indices).unicodeScalars.elementsEqual(reference.unicodeScalars), "\(line)")
            let scores = indices.flatMap { [LabelDictionary.blank, $0] }.flatMap { best in
                dictionary.symbols.indices.map { $0 == best ? 0 : -100 as Float }
            }
            let text = try transcriber.transcribe(scores, duration: 1).text
            #expect(text.unicodeScalars.elementsEqual(reference.unicodeScalars), "\(line): \(text), \(reference)")
        }
    }

    /// A model of phonemes separated by spaces never outputs the boundary that its dictionary may have.
    @Test(arguments: ["ltr", "phn"], [true, false])
    func phonemesAreWordsInReferencesToo(labels: String, hasBoundary: Bool) throws {
        let symbols = ["<pad>", "h", "ə", "l", "oʊ"] + (hasBoundary ? ["|"] : [])
        var style = TextStyle()
        style.unit = .words
        let alphabet = try LabelWriting(symbols: symbols, style: style).alphabet
        for line in ["h ə l oʊ", "h ə | l oʊ |", "h | ə | l | o ʊ |"] {
            let manifest = try Manifest(
                root: URL(fileURLWithPath: "/"), paths: ["0"], sampleCounts: [1], labels: [line])
            let references = manifest.references(labels: labels, alphabet: alphabet)
            #expect(references == ["h ə l oʊ"], "\(line)")
            let text = UnwritableText([(identifier: "0", reference: references[0])], alphabet: alphabet)
            #expect(text.warning == nil)
        }
    }

    @Test func decodingIsTriedAgainWithoutTheModel() async throws {
        try await withTemporaryFolder { folder in
            var manifest = folder.path + "\n"
            for (index, count) in [9_000, 300, 20_000].enumerated() {
                try AudioFile.write(
                    tonesInNoise(count, seed: UInt64(index)), to: folder.appendingPathComponent("\(index).wav"))
                manifest += "\(index).wav\t\(count)\n"
            }
            let list = folder.appendingPathComponent("test.tsv")
            try Data(manifest.utf8).write(to: list)
            try Data("T E A |\nA |\nE | T |\n".utf8).write(to: folder.appendingPathComponent("test.ltr"))
            let logits = folder.appendingPathComponent("logits")
            let recognizer = try await SmallModels.recognizer()
            let read = try Manifest.readForEvaluation(list, labels: "ltr")
            let evaluation = try await Evaluator(recognizer).evaluate(
                read, tags: ["speaker": ["x", nil, "y"]], savingLogits: logits)
            let saved = try SavedLogits(contentsOf: logits)
            #expect(saved.symbols == SmallModels.symbols && saved.frameSeconds == 0.02 && saved.entries.count == 3)
            #expect(saved.entries.map(\.reference) == ["TEA", "A", "E T"])
            #expect(saved.entries.map { $0.tags["speaker"] } == ["x", nil, "y"])
            #expect(saved.entries.map { $0.file == nil } == [false, true, false])
            let scores = try await recognizer.logProbabilities([
                Recording(contentsOf: folder.appendingPathComponent("2.wav"))
            ])[0].get()
            let kept = try saved.logProbabilities(2)
            #expect(kept.count == scores.count && zip(kept, scores).allSatisfy { abs($0 - $1) < 1e-4 })
            #expect(try saved.logProbabilities(1).isEmpty)

            let again = try await Evaluator.evaluate(saved)
            #expect(again.errors == evaluation.errors && again.audioSeconds == evaluation.audioSeconds)
            #expect(again.utterances.map(\.transcription) == evaluation.utterances.map(\.transcription))
            #expect(again.utterances.map(\.isTooShort) == [false, true, false])
            #expect(again.utterances.map(\.tags) == evaluation.utterances.map(\.tags))

            // An incomplete file is named.
            let file = logits.appendingPathComponent("00000002.safetensors")
            try Data(contentsOf: file).prefix(200).write(to: file)
            await #expect(throws: (any Error).self) { try await Evaluator.evaluate(saved) }
            try FileManager.default.removeItem(at: logits.appendingPathComponent("index.jsonl"))
            let unreadable = RecognitionError.badLogits(
                file: logits.path, reason: "has no readable index.jsonl", advice: "give \(.logitsFolder)")
            #expect(throws: unreadable) { try SavedLogits(contentsOf: logits) }
            try Data("{}\n".utf8).write(to: logits.appendingPathComponent("index.jsonl"))
            #expect { try SavedLogits(contentsOf: logits) } throws: {
                guard case RecognitionError.badLogits(let file, _, _) = $0 else { return false }
                return file == logits.appendingPathComponent("index.jsonl").path + ":1"
            }
        }
    }
}

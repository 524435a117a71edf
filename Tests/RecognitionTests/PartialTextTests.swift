import Synchronization
import TestSupport
import Testing
import W2VDecoding
import W2VInference
import W2VInterchange

@testable import W2VRecognition

/// The words of a long recording, as its windows are recognized; hot words of a single request.
@Suite(.onTestThreads) struct PartialTextTests {
    @Test func partsAreBeginningsOfTheText() async throws {
        let recognizer = try await SmallModels.recognizer(windows: WindowOptions(seconds: 3, overlap: 1))
        let recording = Recording(samples: tonesInNoise(16_000 * 14, seed: 4))
        let parts = Mutex<[TranscriptionPart]>([])
        let results = recognizer.transcriptions(
            of: Recordings([recording]), heard: { part in parts.withLock { $0.append(part) } })
        let whole = try await results.all()[0].get()
        let found = parts.withLock { $0 }
        #expect(found.count >= 5 && found.first?.text != found.last?.text)
        for part in found {
            #expect(whole.text.hasPrefix(part.text), "\(part.text) in \(whole.text)")
            #expect(whole.words.starts(with: part.words) && whole.characters.starts(with: part.characters))
        }
    }

    @Test func punctuationWaitsForItsWord() throws {
        var style = TextStyle()
        style.cleansUp = true
        let writing = try LabelWriting(symbols: SmallModels.symbols, style: style)
        #expect(writing.settled("IT") == "" && writing.settled("IT 's") == "")
        #expect(writing.finished("IT 's ME .") == "IT's ME.")
        #expect(writing.settled("IT 's ME") == "IT's")
    }

    @Test func hotWordsOfARequestChangeItsTextOnly() async throws {
        let recognizer = try await Recognizer(
            model: SmallModels.ctcModel(), symbols: SmallModels.symbols, normalizes: true
        ) { alphabet in
            var options = BeamSearchOptions()
            options.hotWordWeight = 30
            return .beam(try BeamSearchDecoder(alphabet: alphabet, options: options))
        }
        #expect(recognizer.takesHotWords)
        #expect(recognizer.hotWords(in: "A \"tea\", Tea; or coffee? eat.") == ["A", "TEA", "EAT"])
        let recordings = Recordings([Recording(samples: tonesInNoise(40_000, seed: 4))])
        let usual = try await recognizer.transcriptions(of: recordings).all()[0].get()
        let preferring = try await recognizer.transcriptions(of: recordings, hotWords: ["TEATEA"]).all()[0].get()
        #expect(usual.text != preferring.text)
        #expect(try await recognizer.transcriptions(of: recordings).all()[0].get() == usual)
        let greedy = try await SmallModels.recognizer()
        #expect(!greedy.takesHotWords && greedy.hotWords(in: "TEA").isEmpty)
    }
}

import Foundation
import W2V
import W2VBackbone
import W2VObjectives
import W2VServing
import W2VTorch

/// The examples of the guides, the README and the libraries' comments, word for word, so that they compile.
///
/// `GuideTests` compares them. An example that changes there changes here.
private enum GuideExamples {
    static func recognizing() async throws {
        let recognizer = try await Recognizer(checkpoint: URL(filePath: "tuned/best"))
        let transcription = try await recognizer.transcribe(URL(filePath: "interview.flac"))
        print(transcription.text)
    }

    static func manyRecordings(recognizer: Recognizer, urls: [URL]) async throws {
        let recordings = try urls.map { try Recording(contentsOf: $0) }
        for (url, result) in zip(urls, try await recognizer.transcribe(recordings)) {
            switch result {
            case .success(let transcription):
                for word in transcription.words { print(word.start, word.end, word.text, word.confidence) }
            case .failure(let error):
                print("\(url.path): \(error)")
            }
        }
    }

    static func resultsAsTheyCome(recognizer: Recognizer, recordings: Recordings) async throws {
        for try await pass in recognizer.transcriptions(of: recordings) {
            for finished in pass.finished { print(try finished.result.get().text) }
        }
    }

    static func options(folder: URL, talk: URL, subtitles: URL) async throws {
        let recognizer = try await Recognizer(
            checkpoint: folder, device: .cuda(0), batchSeconds: 300, windows: WindowOptions(seconds: 30, overlap: 6),
            precision: ModelPrecision(.bf16))
        let task = Task { try await recognizer.transcribe(talk) }
        // task.cancel() ends it at once; the model finishes the pass that it is in.
        let transcription = try await task.value
        try SubRip.text(transcription.timed(as: "talk")).write(to: subtitles, atomically: true, encoding: .utf8)
    }

    static func serving(facts: ModelFacts, checkpoint: URL) async throws {
        let server = Server(ServerOptions(), facts: facts)
        let address = try await server.start()
        await server.serve(try await Recognizer(checkpoint: checkpoint))
        print("listening on \(address)")
        // Until it is to end:
        await server.stop(within: .seconds(30))
    }

    static func live(recognizer: Recognizer, microphone: AsyncStream<[Float]>) async throws {
        var live = try LiveRecognizer(recognizer, sampleRate: 48_000)
        for await samples in microphone {
            for event in try await live.append(samples) { print(event.event, event.text) }
        }
        for event in try await live.finish() { print(event.event, event.text) }
    }

    static func languageModel(checkpoint: URL, url: URL) async throws {
        let model = try LanguageModel(contentsOf: URL(filePath: "3-gram.bin"))
        let recognizer = try await Recognizer(checkpoint: checkpoint) { alphabet in
            .beam(try BeamSearchDecoder(alphabet: alphabet, model: model))
        }
        print(try await recognizer.transcribe(url).text)
    }

    static func beamSearch(recognizer: Recognizer, logProbabilities: [Float]) throws {
        let model = try LanguageModel(contentsOf: URL(filePath: "3-gram.arpa"))
        let decoder = try BeamSearchDecoder(alphabet: recognizer.alphabet, model: model)
        print(try decoder.decode(logProbabilities).first?.text ?? "")
    }

    static func scoring() throws {
        let model = try LanguageModel(contentsOf: URL(filePath: "3-gram.arpa.gz"))
        print(model.score(["THE", "CAT"]).map(\.log10))
    }

    static func buildingALanguageModel() throws {
        let builder = try LanguageModelBuilder(options: .init(order: 3))
        try builder.add(URL(filePath: "text.txt"))
        try builder.write(to: URL(filePath: "3-gram.arpa.gz"))
    }

    static func evaluating() async throws {
        let recognizer = try await Recognizer(checkpoint: URL(filePath: "tuned/best"))
        let evaluation = try await Evaluator(recognizer).evaluate(URL(filePath: "data/test.tsv"))
        print(evaluation.wer ?? 0, evaluation.intervals().wer as Any)
        for utterance in evaluation.worst(10) { print(utterance.identifier, utterance.transcription.text) }
    }

    static func features() async throws {
        let featurizer = try await Featurizer(checkpoint: URL(filePath: "pretrained/best"))
        let features = try await featurizer.features(of: URL(filePath: "speech.flac"), layer: .transformer(6))
        print(features.frames, features.dimension, features.rate)
    }

    static func units() async throws {
        let featurizer = try await Featurizer(checkpoint: URL(filePath: "pretrained/best"))
        let features = try await featurizer.features(of: URL(filePath: "speech.flac"), layer: .transformer(6))

        let result = try KMeans.train(features.values, count: 50)
        let units = try UnitModel(result, FeatureRequest([.transformer(6)]), of: featurizer, seed: 1)
        print(try units.units(features))
    }
}

/// The example of draws in the guide on objectives: it compares context vectors with noise.
private final class NoiseRegression: Module, Objective {
    struct Configuration: ObjectiveConfiguration {
        static let settings: [Setting<Self>] = []
    }

    struct Draws: BatchDraws {
        /// A number for each masked frame.
        let noise: Tensor
        var tensors: [Tensor] { [noise] }
    }

    static let name = "noise"
    static let metrics: [Metric] = []

    init(_ configuration: Configuration, _ context: ObjectiveContext) throws { super.init() }

    func draw(_ batch: UtteranceBatch, from source: DrawSource) throws -> Draws {
        let noise = batch.maskedFrames.enumerated().flatMap { segment, count in
            var stream = source.stream(of: Self.self, segment: segment)
            return (0..<count).map { _ in Float(stream.normal()) }
        }
        return Draws(noise: try batch.upload.add(noise))
    }

    func callAsFunction(_ encoding: Encoding, _ draws: Draws, _ pass: ForwardPass) throws -> LossTerms {
        LossTerms(try (encoding.maskedContext().mean(-1) - draws.noise).squared().sum())
    }
}

import Foundation
import NIOHTTP1
import Synchronization
import W2VBase
import W2VRecognition

/// A response format of OpenAI's API.
enum OpenAIFormat: String, CaseIterable {
    case json, text, srt
    case verboseJSON = "verbose_json"
    case vtt

    /// Whether OpenAI's API streams it; for the others, clients get the whole.
    var isStreamed: Bool { self == .json || self == .text }
}

/// What a client of OpenAI's API asks for.
struct OpenAIRequest {
    var format: OpenAIFormat
    var isStreamed: Bool
    var language: String
    var wantsWords: Bool
    var wantsSegments: Bool
    var wantsLogprobs: Bool
    /// The words to prefer.
    var prompt: String
    /// The parameters that have no effect, except for those that depend on the model.
    var ignored: [String]

    init(_ parameters: Parameters) {
        format = parameters.choice("response_format", of: OpenAIFormat.self) ?? .json
        isStreamed = parameters.flag("stream") && format.isStreamed
        language = parameters["language"] ?? ""
        prompt = parameters["prompt"] ?? ""
        let granularities = parameters.list("timestamp_granularities")
        // Clients that ask for neither have always been given both.
        wantsWords = granularities.isEmpty || granularities.contains("word")
        wantsSegments = granularities.isEmpty || granularities.contains("segment")
        wantsLogprobs = !parameters.list("include").isEmpty && format == .json
        ignored = parameters.ignored
        // Greedy decoding and a beam search are deterministic, which is what temperature 0 asks for.
        if let temperature = parameters["temperature"], Double(temperature) != 0 { ignored.append("temperature") }
        if !language.isEmpty { ignored.append("language") }
        if parameters.flag("stream"), !isStreamed { ignored.append("stream") }
        if !granularities.isEmpty, format != .verboseJSON { ignored.append("timestamp_granularities") }
        if parameters.has("include"), !wantsLogprobs { ignored.append("include") }
    }

    /// The least amount of detail that the answer needs.
    var detail: TranscriptionDetail {
        if wantsLogprobs { return .characters }
        return format == .json || format == .text ? .text : .words
    }
}

extension Route {
    private static let openAIParameters: [Parameter] = [
        .format(named: "response_format", OpenAIFormat.self, usual: .json),
        Parameter(
            name: "stream", kind: .flag,
            help: "Whether the text of json and text is sent as events, as soon as words are certain", usual: "false"),
        Parameter(
            name: "timestamp_granularities", kind: .choice(["word", "segment"]),
            help: "The times in verbose_json: of words, of segments, or of both (if not given)", isList: true),
        .model, .filename,
        Parameter(
            name: "include", kind: .choice(["logprobs"]), help: "The log-probabilities of letters, in json",
            isList: true),
        Parameter(
            name: "language", kind: .text(longest: 40),
            help: "Returned in verbose_json; a model knows the language that it was trained on"),
        Parameter(
            name: "prompt", kind: .text(longest: 4096),
            help: "Words to prefer, where the server decodes with a beam search"),
        Parameter(name: "temperature", kind: .number(0...1), help: "No effect: the same recording has the same text"),
        Parameter(name: "chunking_strategy", kind: .ignored, help: "No effect"),
        Parameter(name: "known_speaker_names", kind: .ignored, help: "No effect"),
        Parameter(name: "known_speaker_references", kind: .ignored, help: "No effect"),
        Parameter(name: "user", kind: .ignored, help: "No effect"),
    ]

    /// `POST /v1/audio/transcriptions`, as in OpenAI's API, so that its clients work.
    ///
    /// Source: https://platform.openai.com/docs/api-reference/audio/createTranscription
    static let openAITranscription = Route(
        method: .POST, path: "/v1/audio/transcriptions", name: "createTranscription",
        help: "Recognizes a recording, with OpenAI's API",
        parameters: ParameterList(openAIParameters),
        body: .form,
        success: [
            Success(
                help: "The transcription",
                contents: [
                    (
                        Reply.json,
                        [
                            "anyOf": [
                                Schemas.named("OpenAITranscription"), Schemas.named("OpenAIVerboseTranscription"),
                            ]
                        ]
                    ),
                    (Reply.text, Schemas.plain), (Reply.subRip, Schemas.plain), (Reply.webVTT, Schemas.plain),
                    (Reply.events, Schemas.textEvent),
                ])
        ]
    ) { call in
        guard call.hasForm else {
            throw RequestError(
                status: .unsupportedMediaType, type: "unsupported_media_type",
                "Send a form (multipart/form-data) with a part named file", "a bare file goes to /v1/transcribe")
        }
        let core = call.core
        let (upload, model) = try await core.receive(call, for: .text)
        var wanted = OpenAIRequest(upload.parameters)
        if let name = upload.parameters["model"], !name.hasSameCodePoints(as: core.store.models[model].name) {
            wanted.ignored.append("model")
        }
        var reply =
            wanted.isStreamed
            ? try await streamed(call, upload, by: model, wanted) : try await whole(core, upload, by: model, wanted)
        if !wanted.prompt.isEmpty, await !core.store.takesHotWords(model) { wanted.ignored.append("prompt") }
        if !wanted.ignored.isEmpty {
            reply.headers.replaceOrAdd(
                name: Reply.ignoredParameters, value: wanted.ignored.sorted().joined(separator: ", "))
        }
        return .reply(reply)
    }

    private static func whole(
        _ core: ServerCore, _ upload: Upload, by model: Int, _ wanted: OpenAIRequest
    ) async throws -> Reply {
        let transcription = try await core.recognize(
            upload, by: model, detail: wanted.detail, prompt: wanted.prompt)
        switch wanted.format {
        case .text: return try await written(core, transcription, as: .text, of: upload)
        case .srt: return try await written(core, transcription, as: .srt, of: upload)
        case .vtt: return try await written(core, transcription, as: .vtt, of: upload)
        case .json, .verboseJSON:
            let text = try await core.text { write in
                let line =
                    wanted.format == .json
                    ? try jsonLine(OpenAITranscription(transcription, hasLogprobs: wanted.wantsLogprobs))
                    : try jsonLine(OpenAIVerboseTranscription(transcription, wanted))
                write(line + "\n")
            }
            return Reply(contentType: Reply.json, body: text, audioSeconds: transcription.duration)
        }
    }

    /// Answers with events while the recording is recognized; an error before the first one is an ordinary error.
    private static func streamed(
        _ call: Call, _ upload: Upload, by model: Int, _ wanted: OpenAIRequest
    ) async throws -> Reply {
        let core = call.core
        let (chunks, output) = AsyncThrowingStream<Data, any Error>.makeStream()
        let (starts, start) = AsyncThrowingStream<Void, any Error>.makeStream()
        let events = OpenAIEvents(hasLogprobs: wanted.wantsLogprobs) { event in
            output.yield(event)
            start.finish()
        }
        let seconds = SharedSeconds()
        let work = Task {
            defer {
                output.finish()
                start.finish()
            }
            do {
                let transcription = try await core.recognize(
                    upload, by: model, detail: wanted.detail, prompt: wanted.prompt, heard: { events.add($0) })
                try events.finish(transcription)
                seconds.value = transcription.duration
            } catch {
                // Then it is an ordinary answer, and reported as such.
                guard events.hasBegun else { return start.finish(throwing: error) }
                let error = RequestError(error)
                events.fail(error)
                core.tell(error, path: call.path, identifier: call.request.identifier)
            }
        }
        output.onTermination = { if case .cancelled = $0 { work.cancel() } }
        try await withTaskCancellationHandler {
            for try await _ in starts {}
        } onCancel: {
            work.cancel()
        }
        var reply = Reply(contentType: Reply.events, body: .stream(chunks), headers: ["Cache-Control": "no-cache"])
        reply.streamedSeconds = { seconds.value }
        return reply
    }
}

/// The length of a recording, which is known at the end of a stream.
private final class SharedSeconds: Sendable {
    private let state = Mutex(0.0)

    var value: Double {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}

import Foundation
import W2VBase
import W2VRecognition

/// The responses that recognize an upload.
extension Reply {
    /// The parameters of `/v1/transcribe`.
    static let transcriptionNames = Parameters.Names(used: ["format", "filename"])

    /// The parameters of `/v1/audio/transcriptions`; OpenAI's clients send the ignored ones too.
    static let openAINames = Parameters.Names(
        used: ["response_format", "stream", "timestamp_granularities", "model", "filename"],
        lists: ["timestamp_granularities"],
        ignored: [
            "chunking_strategy", "include", "known_speaker_names", "known_speaker_references", "language", "prompt",
            "temperature", "user",
        ])

    /// `POST /v1/transcribe`: the transcription of a file in any format.
    static func transcription(_ call: Call) async throws -> Reply {
        func chosen(_ parameters: Parameters) throws -> TranscriptFormat {
            try Self.format(parameters["format"], among: TranscriptFormat.self, default: .json, "format")
        }
        _ = try chosen(call.parameters())
        let (upload, model) = try await call.core.receive(call)
        let format = try chosen(upload.parameters)
        let transcription = try await call.core.recognize(upload, by: model, detail: format.detail)
        return try await written(call.core, transcription, as: format, of: upload)
    }

    /// `POST /v1/audio/transcriptions`, as in OpenAI's API, so that its clients work.
    ///
    /// Source: https://platform.openai.com/docs/api-reference/audio/createTranscription
    static func openAITranscription(_ call: Call) async throws -> Reply {
        guard call.hasForm else {
            throw RequestError(
                status: .unsupportedMediaType, type: "unsupported_media_type",
                "Send a form (multipart/form-data) with a part named file", "a bare file goes to /v1/transcribe"
            )
        }
        let (upload, model) = try await call.core.receive(call)
        let wanted = try OpenAIRequest(upload.parameters, model: call.core.facts.name)
        let format = wanted.format
        let transcription = try await call.core.recognize(
            upload, by: model, detail: format == .json || format == .text ? .text : .words)
        var reply: Reply
        switch format {
        case .json where wanted.isStreamed, .text where wanted.isStreamed:
            let text = transcription.text
            let body = try await call.core.text { write in
                // All words but the first have a space before them, so that together they are the text.
                for (index, word) in text.split(separator: " ").enumerated() {
                    write(try event(TextDelta(delta: (index == 0 ? "" : " ") + word)))
                }
                write(try event(TextDone(text: text)))
            }
            reply = Reply(
                contentType: events, body: body, headers: ["Cache-Control": "no-cache"],
                audioSeconds: transcription.duration)
        case .text: reply = try await written(call.core, transcription, as: .text, of: upload)
        case .srt: reply = try await written(call.core, transcription, as: .srt, of: upload)
        case .vtt: reply = try await written(call.core, transcription, as: .vtt, of: upload)
        case .json, .verboseJSON:
            let text = try await call.core.text { write in
                if format == .json { return write(try jsonLine(["text": transcription.text]) + "\n") }
                write(try jsonLine(VerboseTranscription(transcription)) + "\n")
            }
            reply = Reply(contentType: json, body: text, audioSeconds: transcription.duration)
        }
        if !wanted.ignored.isEmpty { reply.headers.add(name: ignoredParameters, value: wanted.ignored.joined(separator: ", ")) }
        return reply
    }

    /// The parameters of a client of OpenAI's API.
    private struct OpenAIRequest {
        var format: OpenAIFormat
        var isStreamed: Bool
        /// The parameters that are accepted but have no effect.
        var ignored: [String]

        init(_ parameters: Parameters, model: String) throws {
            format = try Reply.format(
                parameters["response_format"], among: OpenAIFormat.self, default: .json, "response_format")
            let stream = try parameters["stream"] ?? ""
            // The spellings of clients in several languages.
            switch stream.lowercased() {
            case "true", "1", "yes", "on": isStreamed = true
            case "false", "0", "no", "off", "": isStreamed = false
            default: throw RequestError.bad("stream is \"\(stream.prefix(40))\"", "it must be true or false")
            }
            let granularities = parameters.list("timestamp_granularities").filter { !$0.isEmpty }
            if let other = granularities.first(where: { !["word", "segment"].contains($0) }) {
                throw RequestError.bad(
                    "There is no timestamp granularity \"\(other.prefix(40))\"", "choose word, segment or both")
            }
            ignored = parameters.ignored
            // Greedy decoding and a beam search are deterministic, which is what temperature 0 asks for.
            if try parameters["temperature"].flatMap({ Double($0) }) == 0 { ignored.removeAll { $0 == "temperature" } }
            if let name = try parameters["model"], !name.isEmpty, name != model { ignored.append("model") }
            if isStreamed, ![.json, .text].contains(format) { ignored.append("stream") }
            if !granularities.isEmpty, format != .verboseJSON { ignored.append("timestamp_granularities") }
            ignored.sort()
        }
    }

    /// Formats a server-sent event.
    ///
    /// Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
    private static func event(_ value: some Encodable) throws -> String { "data: \(try jsonLine(value))\n\n" }

    private struct TextDelta: Encodable {
        var type = "transcript.text.delta"
        var delta: String
    }

    private struct TextDone: Encodable {
        var type = "transcript.text.done"
        var text: String
    }

    private enum OpenAIFormat: String, CaseIterable {
        case json, text, srt, vtt
        case verboseJSON = "verbose_json"
    }

    private struct VerboseTranscription: Encodable {
        struct Word: Encodable {
            var word: String
            var start: Double
            var end: Double
        }
        /// A segment as OpenAI's API requires it; Whisper's own values that do not apply are neutral.
        struct Segment: Encodable {
            var id: Int
            /// The start of the segment in hundredths of a second, Whisper's unit.
            var seek: Int
            var start: Double
            var end: Double
            var text: String
            var tokens: [Int] = []
            var temperature = 0.0
            var avgLogprob: Double
            var compressionRatio = 1.0
            var noSpeechProb = 0.0
        }
        var task = "transcribe"
        /// Empty: a model of this kind does not identify the language.
        var language = ""
        var duration: Double
        var text: String
        var segments: [Segment]
        var words: [Word]

        init(_ transcription: Transcription) {
            duration = transcription.duration
            text = transcription.text
            segments = transcription.timed(as: "").captions().enumerated().map { id, caption in
                // JSON cannot represent infinity.
                Segment(
                    id: id, seek: Int(caption.start * 100), start: caption.start, end: caption.end, text: caption.text,
                    avgLogprob: log(max(caption.confidence, 1e-30)))
            }
            words = transcription.words.map { Word(word: $0.text, start: $0.start, end: $0.end) }
        }
    }

    private static func format<Format: RawRepresentable & CaseIterable>(
        _ text: String?, among: Format.Type, default usual: Format, _ name: String
    ) throws -> Format where Format.RawValue == String {
        guard let text, !text.isEmpty else { return usual }
        guard let format = Format(rawValue: text) else {
            let names = Format.allCases.map(\.rawValue).joined(separator: ", ")
            throw RequestError.bad("There is no \(name) \(text)", "choose one of \(names)")
        }
        return format
    }

    private static func written(
        _ core: ServerCore, _ transcription: Transcription, as format: TranscriptFormat, of upload: Upload
    ) async throws -> Reply {
        let text = try await core.text { write in
            try format.write(transcription, path: upload.name, name: upload.stem, to: write)
        }
        let contentType =
            switch format {
            case .json, .verboseJSON: json
            case .srt: "application/x-subrip; charset=utf-8"
            case .vtt: "text/vtt; charset=utf-8"
            case .text, .ctm, .textgrid: Reply.text
            }
        return Reply(contentType: contentType, body: text, audioSeconds: transcription.duration)
    }
}

import Decoding
import FlyingFox
import Foundation
import Recognition

/// The answers that recognise an upload.
extension Reply {
    /// `POST /v1/transcribe`: what `wav2vec2 transcribe` writes of a file.
    static func transcription(
        _ core: ServerCore, _ request: HTTPRequest, _ body: RequestBody
    ) async throws -> Reply {
        let format = try format(request.query["format"], among: TranscriptFormat.self, default: .json, "format")
        let (upload, model) = try await core.receive(request, body)
        let transcription = try await core.recognize(upload, by: model, body, detail: format.detail)
        return try await written(core, transcription, as: format, of: upload)
    }

    /// `POST /v1/audio/transcriptions`: as OpenAI's API has it, so that its clients work.
    ///
    /// Source: https://platform.openai.com/docs/api-reference/audio/createTranscription
    static func openAITranscription(
        _ core: ServerCore, _ request: HTTPRequest, _ body: RequestBody
    ) async throws -> Reply {
        guard Multipart.parameters(request.headers[.contentType] ?? "").value == "multipart/form-data" else {
            throw RequestError(
                status: .unsupportedMediaType, type: "unsupported_media_type",
                message: "Send a form (multipart/form-data) with a part named file; a bare file goes to /v1/transcribe."
            )
        }
        let (upload, model) = try await core.receive(request, body)
        let format = try format(
            upload.fields["response_format"], among: OpenAIFormat.self, default: .json, "response_format")
        if ["true", "1"].contains(upload.fields["stream"]?.lowercased()) {
            throw RequestError.bad("Answers are not streamed; leave stream out, or use the WebSocket /v1/live.")
        }
        let transcription = try await core.recognize(
            upload, by: model, body, detail: format == .json || format == .text ? .text : .words)
        switch format {
        case .text: return try await written(core, transcription, as: .text, of: upload)
        case .srt: return try await written(core, transcription, as: .srt, of: upload)
        case .vtt: return try await written(core, transcription, as: .vtt, of: upload)
        case .json, .verboseJSON:
            let text = try await core.text { write in
                if format == .json { return write(try jsonLine(["text": transcription.text]) + "\n") }
                write(try jsonLine(VerboseTranscription(transcription)) + "\n")
            }
            return Reply(contentType: json, body: text, audioSeconds: transcription.duration)
        }
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
        struct Segment: Encodable {
            var id: Int
            var start: Double
            var end: Double
            var text: String
            var avgLogprob: Double
        }
        var task = "transcribe"
        var duration: Double
        var text: String
        var segments: [Segment]
        var words: [Word]

        init(_ transcription: Transcription) {
            duration = transcription.duration
            text = transcription.text
            segments = transcription.timed(as: "").captions().enumerated().map { id, caption in
                // JSON has no infinity.
                Segment(
                    id: id, start: caption.start, end: caption.end, text: caption.text,
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
            throw RequestError.bad("There is no \(name) \(text); choose one of \(names).")
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

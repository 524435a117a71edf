import Foundation
import W2VBase
import W2VRecognition

extension Parameter {
    /// The model of a request.
    static let model = Parameter(
        name: "model", kind: .text(), help: "Name of the model; the first that can do it if none is given")
    /// The recording's name in the results.
    static let filename = Parameter(
        name: "filename", kind: .text(longest: 1000), help: "Name of the recording in the results")

    /// Returns the parameter of an output format.
    static func format<Format: RawRepresentable & CaseIterable>(
        named name: String = "format", _ formats: Format.Type, usual: Format
    ) -> Parameter where Format.RawValue == String {
        Parameter(
            name: name, kind: .choice(Format.allCases.map(\.rawValue)), help: "Format of the answer",
            usual: usual.rawValue)
    }
}

extension Reply {
    static let subRip = "application/x-subrip; charset=utf-8"
    static let webVTT = "text/vtt; charset=utf-8"
}

extension TranscriptFormat {
    /// The content type of the format.
    var contentType: String {
        switch self {
        case .json, .verboseJSON: Reply.json
        case .srt: Reply.subRip
        case .vtt: Reply.webVTT
        case .text, .ctm, .textgrid: Reply.text
        }
    }
}

extension Route {
    /// `POST /v1/transcribe`: the transcription of a file in any format.
    static let transcribe = Route(
        method: .POST, path: "/v1/transcribe", name: "transcribe",
        help: "Recognizes a recording; the answer is the output of the command transcribe",
        parameters: ParameterList([.format(TranscriptFormat.self, usual: .json), .model, .filename]),
        body: .recording,
        success: [
            Success(
                help: "The transcription",
                contents: [
                    (Reply.json, Schemas.named("Transcription")), (Reply.text, Schemas.plain),
                    (Reply.subRip, Schemas.plain), (Reply.webVTT, Schemas.plain),
                ])
        ]
    ) { call in
        let (upload, model) = try await call.core.receive(call, for: .text)
        let format = upload.parameters.choice("format", of: TranscriptFormat.self) ?? .json
        let transcription = try await call.core.recognize(upload, by: model, detail: format.detail)
        return .reply(try await written(call.core, transcription, as: format, of: upload))
    }

    /// Returns the response with a transcription in a format.
    static func written(
        _ core: ServerCore, _ transcription: Transcription, as format: TranscriptFormat, of upload: Upload
    ) async throws -> Reply {
        let text = try await core.text { write in
            try format.write(transcription, path: upload.name, name: upload.stem, to: write)
        }
        return Reply(contentType: format.contentType, body: text, audioSeconds: transcription.duration)
    }
}

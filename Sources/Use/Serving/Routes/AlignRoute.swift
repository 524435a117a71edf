import Foundation
import NIOHTTP1
import W2VBase
import W2VDecoding
import W2VRecognition

extension AlignmentFormat {
    /// The content type of the format.
    var contentType: String {
        switch self {
        case .json: Reply.json
        case .srt: Reply.subRip
        case .vtt: Reply.webVTT
        case .text, .ctm, .textgrid: Reply.text
        }
    }
}

extension Route {
    /// `POST /v1/align`: the times of a transcript's words.
    static let align = Route(
        method: .POST, path: "/v1/align", name: "align",
        help: "Finds the times of a transcript's words; the answer is the output of the command align",
        parameters: ParameterList([
            Parameter(
                name: "text", kind: .text(longest: 250_000), help: "What is said in the recording, word by word",
                isRequired: true),
            .format(AlignmentFormat.self, usual: .json),
            Parameter(
                name: "uppercase", kind: .flag, help: "Whether the text is converted to capital letters first",
                usual: "false"),
            .model, .filename,
        ]),
        body: .recording,
        success: [
            Success(
                help: "The alignment",
                contents: [
                    (Reply.json, Schemas.named("Alignment")), (Reply.text, Schemas.plain),
                    (Reply.subRip, Schemas.plain), (Reply.webVTT, Schemas.plain),
                ])
        ]
    ) { call in
        let core = call.core
        let (upload, model) = try await core.receive(call, for: .text)
        let format = upload.parameters.choice("format", of: AlignmentFormat.self) ?? .json
        let given = upload.parameters["text"] ?? ""
        let text = upload.parameters.flag("uppercase") ? given.uppercased() : given
        var aligned: TimedTranscript
        do {
            aligned = try await core.align(upload, by: model, transcript: text)
        } catch let error as DecoderError {
            throw RequestError(
                status: .unprocessableEntity, type: "unusable_text", error.problem, error.advice, parameter: "text")
        }
        aligned.name = upload.stem
        let finished = aligned
        let body = try await core.text { write in try format.write(finished, to: write) }
        var reply = Reply(contentType: format.contentType, body: body, audioSeconds: aligned.duration)
        if let doubt = aligned.doubt { reply.headers.add(name: "Alignment-Doubt", value: doubt) }
        return .reply(reply)
    }
}

import Foundation
import NIOHTTP1
import W2VBase

extension Route {
    /// All routes.
    static let all = [
        page, pageFile, health, ready, metrics, openAPI, models, model, live, transcribe, openAITranscription, align,
        features,
        units,
    ]

    /// The page; its query is its scripts' business, and links accumulate parameters.
    private static let page = Route(
        method: .GET, path: "/", name: "page", help: "Returns a page to try the server in a browser",
        parameters: ParameterList([], takesAny: true),
        success: [Success(help: "The page", contents: [("text/html; charset=utf-8", Schemas.plain)])], isOpen: true
    ) { _ in .reply(WebPage.document()) }

    private static let pageFile = Route(
        method: .GET, path: WebPage.filesPath, name: "pageFile", help: "Returns the page's style or one of its scripts",
        success: [
            Success(
                help: "The file",
                contents: [
                    ("text/javascript; charset=utf-8", Schemas.plain), ("text/css; charset=utf-8", Schemas.plain),
                ])
        ], isOpen: true
    ) { .reply(try WebPage.file(named: $0.identifier)) }

    private static let health = Route(
        method: .GET, path: "/health", name: "health", help: "Returns the state of the server and its models",
        success: [
            Success(help: "It answers requests", contents: [(Reply.json, Schemas.named("Health"))]),
            Success(
                status: .serviceUnavailable, help: "It is loading its first model, stopping, or cannot store uploads",
                contents: [(Reply.json, Schemas.named("Health"))]),
        ], isOpen: true
    ) { .reply(try await .health($0.core, isWhole: $0.showsKey)) }

    private static let ready = Route(
        method: .GET, path: "/ready", name: "ready", help: "Returns whether the server answers requests",
        success: [
            Success(help: "It does", contents: [(Reply.json, Schemas.named("Readiness"))]),
            Success(
                status: .serviceUnavailable, help: "Not now", contents: [(Reply.json, Schemas.named("Readiness"))]),
        ], isOpen: true
    ) { .reply(try .ready($0.core)) }

    private static let metrics = Route(
        method: .GET, path: "/metrics", name: "metrics", help: "Returns metrics for Prometheus",
        success: [
            Success(
                help: "The metrics", contents: [("text/plain; version=0.0.4; charset=utf-8", Schemas.plain)])
        ]
    ) { .reply(.metrics($0.core)) }

    private static let openAPI = Route(
        method: .GET, path: "/openapi.json", name: "openapi", help: "Returns this description",
        success: [Success(help: "The description", contents: [(Reply.json, ["type": "object"])])], isOpen: true
    ) { .reply(.openAPI($0.core)) }

    /// `GET /v1/models`, as in OpenAI's API; clients use it to test an address.
    ///
    /// Source: https://platform.openai.com/docs/api-reference/models/list
    private static let models = Route(
        method: .GET, path: "/v1/models", name: "listModels", help: "Lists the models",
        success: [Success(help: "The models", contents: [(Reply.json, Schemas.named("ModelList"))])]
    ) { .reply(try .models($0.core)) }

    private static let model = Route(
        method: .GET, path: "/v1/models/{id}", name: "retrieveModel", help: "Describes a model",
        success: [Success(help: "The model", contents: [(Reply.json, Schemas.named("Model"))])]
    ) { .reply(try .model($0.core, named: $0.identifier)) }

    private static let live = Route(
        method: .GET, path: LiveSocket.path, name: "live",
        help: "Opens a WebSocket: audio in, events with text out, while someone speaks",
        parameters: LiveSocket.parameters,
        success: [Success(status: .switchingProtocols, help: "The WebSocket is open")],
        errors: [.upgradeRequired, .tooManyRequests, .serviceUnavailable]
    ) { .webSocket(try LiveSocket.begin($0)) }

    /// The path of translations in OpenAI's API, which this server lacks.
    static let translations = "/v1/audio/translations"
}

extension Reply {
    /// The description of the API.
    static func openAPI(_ core: ServerCore) -> Reply {
        let document = OpenAPIDocument.document(
            of: Route.all, version: core.first.facts.version, needsKey: core.options.keys != nil)
        return Reply(contentType: json, body: Data((document.text + "\n").utf8))
    }
}

extension RequestError {
    static let noTranslations = RequestError(
        status: .notFound, type: "not_found",
        "There is no \(Route.translations): models of this kind write down the language that is spoken",
        "use /v1/audio/transcriptions")
}

import Foundation
import NIOHTTP1
import W2VAudio
import W2VBase

/// The responses that need no model.
extension Reply {
    private struct Health: Encodable {
        var status: String
        var uptimeSeconds: Double
        var waiting: Int
        var inFlight: Int
        var liveInputs: Int
        var sampleRate = AudioFile.modelSampleRate
        var labels: Int?
        var model: String
        var device: String
        var precision: String
        var decoder: String
        var version: String
        var models: [ModelState]
    }

    private struct ModelState: Encodable {
        var id: String
        var state: ModelStore.State
        var bytes: Int
    }

    /// Reports whether the server can recognize: 503 before it has a model, when it cannot store uploads, and when it
    /// is stopping.
    ///
    /// - Parameters:
    ///   - core: The server.
    ///   - isWhole: Whether the models and the counts are reported, and not the status alone.
    static func health(_ core: ServerCore, isWhole: Bool) async throws -> Reply {
        let status = core.status
        let code: HTTPResponseStatus = status == "ok" ? .ok : .serviceUnavailable
        guard isWhole else { return Reply(status: code, contentType: json, body: try encoded(["status": status])) }
        let counts = core.room.current
        var models: [ModelState] = []
        for (index, model) in core.store.models.enumerated() {
            let (state, bytes) = await core.store.state(of: index)
            models.append(ModelState(id: model.name, state: state, bytes: bytes))
        }
        let labels: Int? =
            if case .recognizer(let recognizer) = await core.store.present(0, for: .text) {
                recognizer.symbols.count
            } else { nil }
        let facts = core.first.facts
        let health = Health(
            status: status, uptimeSeconds: core.uptime, waiting: counts.waiting, inFlight: counts.running,
            liveInputs: core.metrics.liveCount, labels: labels,
            model: core.first.name, device: facts.device, precision: facts.precision, decoder: facts.decoder,
            version: facts.version, models: models)
        return Reply(status: code, contentType: json, body: try encoded(health))
    }

    /// Reports whether the server can recognize, in one word, for what sends it requests.
    static func ready(_ core: ServerCore) throws -> Reply {
        let status = core.status
        return Reply(
            status: status == "ok" ? .ok : .serviceUnavailable, contentType: json,
            body: try encoded(["status": status]),
            headers: status == "ok" ? [:] : ["Retry-After": "5"])
    }

    /// `GET /v1/models`, as in OpenAI's API; clients use it to test an address.
    ///
    /// Source: https://platform.openai.com/docs/api-reference/models/list
    static func models(_ core: ServerCore) throws -> Reply {
        Reply(contentType: json, body: try encoded(ModelList(data: core.store.models.map { Model($0, core) })))
    }

    /// `GET /v1/models/{id}`.
    ///
    /// - Throws: `RequestError` for a model that the server does not have.
    static func model(_ core: ServerCore, named name: String) throws -> Reply {
        guard let model = core.store.models.first(where: { $0.name.hasSameCodePoints(as: name) }) else {
            throw RequestError.noModel(name, core.store.models.map(\.name))
        }
        return Reply(contentType: json, body: try encoded(Model(model, core)))
    }

    /// Returns a value as JSON on a line of its own.
    private static func encoded(_ value: some Encodable) throws -> Data { Data((try jsonLine(value) + "\n").utf8) }

    private struct ModelList: Encodable {
        var object = "list"
        var data: [Model]
    }

    private struct Model: Encodable {
        var id: String
        var object = "model"
        /// The start time of the server, since a checkpoint has no date.
        var created: Int
        var ownedBy = "wav2vec2"
        var writesText: Bool
        var units: [UnitSource]

        init(_ model: ServedModel, _ core: ServerCore) {
            id = model.name
            created = core.startTime
            writesText = model.writesText
            units = model.units
        }
    }

    /// The metrics of the server.
    static func metrics(_ core: ServerCore) -> Reply {
        Reply(
            contentType: "text/plain; version=0.0.4; charset=utf-8",
            body: Data(core.metrics.text(core.room.current, uptime: core.uptime).utf8))
    }
}

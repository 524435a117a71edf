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
    }

    /// Reports whether the server can recognize: 503 before it has a model, when it cannot store uploads, and when it
    /// is stopping.
    static func health(_ core: ServerCore) throws -> Reply {
        let status = core.status
        let counts = core.room.current
        let health = Health(
            status: status, uptimeSeconds: core.uptime, waiting: counts.waiting, inFlight: counts.running,
            liveInputs: core.metrics.liveCount, labels: try? core.model().recognizer.symbols.count,
            model: core.facts.name, device: core.facts.device, precision: core.facts.precision,
            decoder: core.facts.decoder, version: core.facts.version)
        return Reply(
            status: status == "ok" ? .ok : .serviceUnavailable, contentType: json,
            body: Data((try jsonLine(health) + "\n").utf8))
    }

    /// Reports whether the server can recognize, in one word, for what sends it requests.
    static func ready(_ core: ServerCore) throws -> Reply {
        let status = core.status
        return Reply(
            status: status == "ok" ? .ok : .serviceUnavailable, contentType: json,
            body: Data((try jsonLine(["status": status]) + "\n").utf8),
            headers: status == "ok" ? [:] : ["Retry-After": "5"])
    }

    /// `GET /v1/models`, as in OpenAI's API; clients use it to test an address.
    ///
    /// Source: https://platform.openai.com/docs/api-reference/models/list
    static func models(_ core: ServerCore) throws -> Reply {
        Reply(contentType: json, body: Data((try jsonLine(ModelList(data: [Model(core)])) + "\n").utf8))
    }

    /// `GET /v1/models/{id}`.
    ///
    /// - Throws: `RequestError` for a model other than the server's.
    static func model(_ core: ServerCore, named name: String) throws -> Reply {
        let model = Model(core)
        guard name == model.id else {
            throw RequestError(
                status: .notFound, type: "model_not_found",
                "There is no model \(name)", "this server's is \(model.id)")
        }
        return Reply(contentType: json, body: Data((try jsonLine(model) + "\n").utf8))
    }

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

        init(_ core: ServerCore) {
            id = core.facts.name
            created = core.startTime
        }
    }

    /// The metrics of the server.
    static func metrics(_ core: ServerCore) -> Reply {
        Reply(
            contentType: "text/plain; version=0.0.4; charset=utf-8",
            body: Data(core.metrics.text(core.room.current, uptime: core.uptime).utf8))
    }
}

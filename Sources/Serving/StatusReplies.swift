import Decoding
import FlyingFox
import Foundation

/// The answers that need no model.
extension Reply {
    private struct Health: Encodable {
        var status: String
        var uptimeSeconds: Double
        var waiting: Int
        var inFlight: Int
        var liveInputs: Int
        var sampleRate = 16_000
        var labels: Int?
        var model: String
        var device: String
        var precision: String
        var decoder: String
        var version: String
    }

    /// The page for people.
    static var page: Reply {
        Reply(
            contentType: "text/html; charset=utf-8", body: Data(PackageResources.index_html),
            headers: [
                HTTPHeader("Content-Security-Policy"):
                    "default-src 'none'; script-src 'unsafe-inline' blob:; worker-src blob:; style-src 'unsafe-inline'; "
                    + "connect-src 'self' ws: wss:; img-src data:; media-src blob:",
                HTTPHeader("X-Content-Type-Options"): "nosniff",
                .cacheControl: "no-cache",
            ])
    }

    /// Whether the server can recognise; 503 before it can, and when it stops.
    static func health(_ core: ServerCore) throws -> Reply {
        let status = core.isStopping ? "stopping" : core.isReady ? "ok" : "loading"
        let counts = core.room.current
        let health = Health(
            status: status, uptimeSeconds: core.uptime, waiting: counts.waiting, inFlight: counts.running,
            liveInputs: core.metrics.liveCount, labels: try? core.model().recognizer.symbols.count,
            model: core.facts.model, device: core.facts.device, precision: core.facts.precision,
            decoder: core.facts.decoder, version: core.facts.version)
        return Reply(
            status: status == "ok" ? .ok : .serviceUnavailable, contentType: json,
            body: Data((try jsonLine(health) + "\n").utf8))
    }

    /// What the server has done.
    static func metrics(_ core: ServerCore) -> Reply {
        Reply(
            contentType: "text/plain; version=0.0.4; charset=utf-8",
            body: Data(core.metrics.text(core.room.current, uptime: core.uptime).utf8))
    }
}

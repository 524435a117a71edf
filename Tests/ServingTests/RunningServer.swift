import Foundation
import Synchronization
import TestSupport
import Testing
import W2VAudio
import W2VBackbone
import W2VInference
import W2VRecognition

@testable import W2VServing

/// A server with a small model in this process.
final class RunningServer: Sendable {
    static let facts = ModelFacts(model: "small", device: "cpu", precision: "fp32", decoder: "greedy", version: "1.2.3")

    let server: Server
    let recognizer: Recognizer
    let port: UInt16
    /// The address that the server told.
    let address: String
    let folder: URL
    private let log: Recorder

    private final class Recorder: Sendable {
        let requests = Mutex<[ServedRequest]>([])
        let troubles = Mutex<[String]>([])
    }

    /// The answered requests.
    var requests: [ServedRequest] { log.requests.withLock { $0 } }

    /// The server's own failures.
    var troubles: [String] { log.troubles.withLock { $0 } }

    /// The seconds of audio recognized so far, as `/metrics` has them.
    var heardSeconds: Double { metric("audio_seconds_total") }

    /// The requests that are not answered yet, as `/metrics` has them.
    var openRequests: Double { metric("requests_open") }

    /// A value of `/metrics`; -1 if there is none.
    private func metric(_ name: String) -> Double {
        let lines = server.core.metrics.text(WaitingRoom.Counts(), uptime: 0).split(separator: "\n")
        let line = lines.first { $0.hasPrefix("wav2vec2_\(name) ") }
        return line?.split(separator: " ").last.flatMap { Double($0) } ?? -1
    }

    /// The files of current uploads.
    var uploads: [String] {
        (try? FileManager.default.subpathsOfDirectory(atPath: folder.path))?.filter { $0.contains("/") } ?? []
    }

    fileprivate init(
        in folder: URL, isReady: Bool, mode: ModelConfiguration.ExtractorMode, windows: WindowOptions,
        batchSeconds: Double, models: [ServedModel]?,
        _ change: (inout ServerOptions) -> Void
    ) async throws {
        self.folder = folder.appendingPathComponent("uploads")
        try FileManager.default.createDirectory(at: self.folder, withIntermediateDirectories: true)
        var options = ServerOptions()
        options.port = 0
        options.temporaryFolder = self.folder
        change(&options)
        let log = Recorder()
        self.log = log
        let report: @Sendable (ServerEvent) -> Void = { event in
            switch event {
            case .served(let request): log.requests.withLock { $0.append(request) }
            case .trouble(let sentence): log.troubles.withLock { $0.append(sentence) }
            case .model: break
            }
        }
        server =
            if let models {
                Server(options, models: models, report: report)
            } else {
                Server(options, facts: Self.facts, report: report)
            }
        recognizer = try await Recognizer(
            model: SmallModels.ctcModel(mode: mode), symbols: SmallModels.symbols, normalizes: mode == .groupNorm,
            batchSeconds: batchSeconds,
            windows: windows)
        address = try await server.start()
        port = try #require(URL(string: address)?.port.flatMap { UInt16(exactly: $0) })
        if models != nil {
            try await server.loadFirstModel()
        } else if isReady {
            await server.serve(recognizer)
        }
    }

    /// Sends a request on a connection of its own and returns the response.
    func send(
        _ method: String = "POST", _ target: String, headers: [String: String] = [:], _ body: Data? = nil
    ) async throws -> TestReply {
        try await onThread { [port] in
            let client = try TestClient(port: port)
            client.send(request(method, target, headers: headers, body))
            return try client.response(toHead: method == "HEAD")
        }
    }

    /// Sends a form.
    func send(
        _ target: String, file: Data, named name: String = "talk.wav", fields: [String: String] = [:]
    ) async throws -> TestReply {
        try await send("POST", target, headers: formHeaders, form(file: file, named: name, fields: fields))
    }
}

/// Calls `body` with a running server, and stops it.
func withServer<Value>(
    isReady: Bool = true, mode: ModelConfiguration.ExtractorMode = .groupNorm, windows: WindowOptions = WindowOptions(),
    batchSeconds: Double = 60, models: [ServedModel]? = nil,
    _ change: (inout ServerOptions) -> Void = { _ in },
    _ body: (RunningServer) async throws -> Value
) async throws -> Value {
    try await withTemporaryFolder { folder in
        let running = try await RunningServer(
            in: folder, isReady: isReady, mode: mode, windows: windows, batchSeconds: batchSeconds, models: models,
            change)
        do {
            let value = try await body(running)
            await running.server.stop(within: .seconds(60))
            #expect(try FileManager.default.contentsOfDirectory(atPath: running.folder.path).isEmpty)
            return value
        } catch {
            await running.server.stop(within: .zero)
            throw error
        }
    }
}

/// A request's bytes.
func request(_ method: String, _ target: String, headers: [String: String] = [:], _ body: Data? = nil) -> Data {
    var head = "\(method) \(target) HTTP/1.1\r\n" + (headers["Host"] == nil ? "Host: 127.0.0.1\r\n" : "")
    if let body, headers["Transfer-Encoding"] == nil { head += "Content-Length: \(body.count)\r\n" }
    for (name, value) in headers { head += "\(name): \(value)\r\n" }
    return Data((head + "\r\n").utf8) + (body ?? Data())
}

let formHeaders = ["Content-Type": "multipart/form-data; boundary=\"a b\""]

/// A form's bytes.
func form(file: Data?, named name: String = "talk.wav", fields: [String: String] = [:]) -> Data {
    var body = Data()
    for (name, value) in fields {
        body += Data("--a b\r\nContent-Disposition: form-data; name=\"\(name)\"\r\n\r\n\(value)\r\n".utf8)
    }
    if let file {
        let disposition = "Content-Disposition: form-data; name=\"file\"; filename=\"\(name)\""
        body += Data("--a b\r\n\(disposition)\r\nContent-Type: audio/wav\r\n\r\n".utf8) + file + Data("\r\n".utf8)
    }
    return body + Data("--a b--\r\n".utf8)
}

/// A recording's bytes.
func wave(_ count: Int, seed: UInt64) throws -> Data {
    try wave(tonesInNoise(count, seed: seed))
}

/// The bytes of a recording of these samples.
func wave(_ samples: [Float], as format: AudioFileFormat = .wav16) throws -> Data {
    let folder = try TemporaryFolder()
    defer { withExtendedLifetime(folder) {} }
    let file = folder.file("recording.wav")
    try AudioFile.write(samples, to: file, format: format)
    return try Data(contentsOf: file)
}

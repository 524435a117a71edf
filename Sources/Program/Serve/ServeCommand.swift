import ArgumentParser
import Foundation
import Logging
import ServiceLifecycle
import Synchronization
import W2VBase
import W2VRecognition
import W2VServing

/// `wav2vec2 serve`: recognition over HTTP.
struct ServeCommand: AsyncParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve speech recognition over HTTP.",
        discussion: """
            POST /v1/transcribe takes a recording and answers with the output of 'wav2vec2 transcribe'. POST \
            /v1/audio/transcriptions does the same with OpenAI's API. POST /v1/align, /v1/features and /v1/units answer \
            with the output of those commands. The WebSocket /v1/live transcribes speech while it is spoken. GET / is a \
            page to try the server in a browser; GET /health and GET /metrics are for operators, and GET /openapi.json \
            describes everything for programs.

            With several models, requests choose one by its name; the first is loaded at the start, the others at their \
            first use. A pre-trained model has features and units, a fine-tuned one also writes text.

            Requests that arrive while the model is busy are recognized together in one batch; results do not depend \
            on it. Once the model is loaded, the server prints its address to standard error, and then a line for each \
            request. With --json, these are objects on standard output.

            On Ctrl-C or SIGTERM, the server finishes requests in flight, for at most 30 s; a second signal stops it \
            immediately.

            The server listens on this machine only, unless --host says otherwise. Before others can reach it, give it \
            a certificate (--tls-certificate and --tls-key) and a file of keys of which each request must show one \
            (--api-key-file). Requests from pages of other origins, or to a host name that is not the server's, are \
            refused; --allow-origin and --allow-host permit them.

            Examples:
              wav2vec2 serve --checkpoint best
              curl -F file=@interview.mp3 http://127.0.0.1:8080/v1/transcribe?format=srt
              wav2vec2 serve --checkpoint best --host 0.0.0.0 --port 80 --lm words.arpa
              wav2vec2 serve --checkpoint en=best --checkpoint base=pretrained/best
            """)

    @OptionGroup var models: ServedModelOptions

    @Option(help: "Address or host name to listen on; 0.0.0.0 is all networks.")
    var host = ServerOptions().host

    @Option(help: "Port to listen on; 0 chooses a free one.")
    var port = Int(ServerOptions().port)

    @Option(help: "Largest upload in MB.")
    var maxUploadMb = ServerOptions().maximumUploadBytes >> 20

    @Option(help: "Longest recording in seconds.")
    var maxAudioSeconds = ServerOptions().maximumAudioSeconds

    @Option(help: "Most requests waiting for the model, and most live inputs open at once.")
    var maxWaiting = ServerOptions().maximumWaiting

    @Option(help: "Most connections; more have to wait until others end.")
    var maxConnections = ServerOptions().maximumConnections

    @Option(
        help: ArgumentHelp(
            "File of API keys, one on each line, of which each request must show one.", valueName: "file"))
    var apiKeyFile: String?

    @Option(
        help: ArgumentHelp(
            "File of the server's certificate and those of its issuers, in PEM, for https; needs --tls-key.",
            valueName: "file"))
    var tlsCertificate: String?

    @Option(help: ArgumentHelp("File of the certificate's private key, in PEM.", valueName: "file"))
    var tlsKey: String?

    @Option(
        help: ArgumentHelp(
            "Origin whose pages may use the server, such as https://app.example.org, or * for any; repeatable.",
            valueName: "origin"))
    var allowOrigin: [String] = []

    @Option(
        help: ArgumentHelp(
            "Host name that requests may use for the server, as behind a reverse proxy; repeatable.",
            valueName: "name"))
    var allowHost: [String] = []

    @Flag(help: "Print JSON objects to standard output, one per line: when the server is ready, and for each request.")
    var json = false

    @OptionGroup(title: "Decoding") var decoding: DecodingOptions

    @OptionGroup(title: "Text") var text: TextFormOptions

    @OptionGroup var compute: ComputeOptions

    @OptionGroup var logging: LogOptions

    private struct Ready: Encodable {
        var event = "ready"
        var url: String
        var facts: ModelFacts
        var models: [String]

        func encode(to encoder: any Encoder) throws {
            try facts.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(event, forKey: .event)
            try container.encode(url, forKey: .url)
            try container.encode(models, forKey: .models)
        }

        private enum CodingKeys: String, CodingKey { case event, url, models }
    }

    private struct Request: Encodable {
        var event = "request"
        var request: ServedRequest

        func encode(to encoder: any Encoder) throws {
            try request.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(event, forKey: .event)
        }

        private enum CodingKeys: String, CodingKey { case event }
    }

    func validate() throws {
        guard UInt16(exactly: port) != nil else {
            throw ValidationError("--port is \(port); it must be from 0 to 65535.")
        }
        guard (1...1 << 20).contains(maxUploadMb) else {
            throw ValidationError("--max-upload-mb is \(maxUploadMb); it must be from 1 to 1048576.")
        }
        if let origin = allowOrigin.first(where: { !Self.isOrigin($0) }) {
            throw ValidationError(
                "--allow-origin is \(origin); it must be scheme, name and port of a page, such as https://app.example.org, "
                    + "null, or *.")
        }
        if let name = allowHost.first(where: { $0.isEmpty || $0.contains("/") || $0.contains(":") }) {
            throw ValidationError(
                "--allow-host is \(name); it must be a name without a port, such as speech.example.org.")
        }
        guard maxAudioSeconds > 0 else { throw ValidationError("--max-audio-seconds must be more than 0.") }
        guard maxWaiting >= 1 else { throw ValidationError("--max-waiting is \(maxWaiting); it must be at least 1.") }
        guard maxConnections >= 1 else {
            throw ValidationError("--max-connections is \(maxConnections); it must be at least 1.")
        }
        guard (tlsCertificate == nil) == (tlsKey == nil) else {
            throw ValidationError("--tls-certificate and --tls-key belong together; give both, or none.")
        }
    }

    /// Whether a text is an origin in the form that browsers send: without a path or a final slash.
    private static func isOrigin(_ text: String) -> Bool {
        if text == "*" || text == "null" { return true }
        guard let separator = text.range(of: "://"), separator.lowerBound > text.startIndex else { return false }
        let rest = text[separator.upperBound...]
        return !rest.isEmpty && !rest.contains("/")
    }

    func run() async throws {
        try compute.apply()
        var options = ServerOptions()
        options.host = host
        options.port = UInt16(port)
        options.maximumUploadBytes = maxUploadMb << 20
        options.maximumAudioSeconds = maxAudioSeconds
        options.maximumWaiting = maxWaiting
        options.maximumConnections = maxConnections
        if let tlsCertificate, let tlsKey {
            options.certificate = ServerCertificate(
                certificate: URL(fileURLWithPath: tlsCertificate), key: URL(fileURLWithPath: tlsKey))
        }
        options.keys = try apiKeyFile.map { try APIKeys(file: URL(fileURLWithPath: $0)) }
        options.allowedOrigins = allowOrigin
        options.allowedHosts = allowHost
        options.maximumModelBytes = self.models.maxModelMemoryMb.map { $0 << 20 }
        let models = try self.models.models(device: compute.device, decoding: decoding).map { [text] in
            $0.writing(in: text.form)
        }
        let (facts, isSingle) = (models[0].facts, models.count == 1)
        let server = Server(options, models: models) { [json] event in
            // The line with the address tells that a single model was loaded.
            if case .model = event, isSingle { return }
            Self.log.add { Self.show(event, asJSON: json) }
        }
        let url: String
        do {
            url = try await server.start()
        } catch let error as ServerError where error.kind == .usage {
            throw ValidationError(error.description)
        }
        let loading = ModelLoading { [json] in
            try await server.loadFirstModel()
            let ready = Ready(url: url, facts: facts, models: models.map(\.name))
            Self.log.add { Self.show(ready, asJSON: json) }
        }
        let services = ServiceGroup(services: [server, loading], logger: Self.quietLogger)
        // Installed before the model is loaded, which takes a while.
        let signals = Self.endOnSignals(server, services)
        do {
            try await services.run()
        } catch {
            await server.stop(within: .zero)
            Self.log.finish(within: 1)
            throw error
        }
        Self.end(server, after: signals.received ?? SIGTERM)
    }

    /// Loads the model while the server already answers.
    private struct ModelLoading: Service {
        var load: @Sendable () async throws -> Void

        func run() async throws {
            let (results, loaded) = AsyncStream<Result<Void, any Error>>.makeStream()
            // A model that is being loaded when the server is to stop is not waited for.
            Task {
                do {
                    try await load()
                    loaded.yield(.success(()))
                } catch { loaded.yield(.failure(error)) }
            }
            for await result in results.cancelOnGracefulShutdown() {
                try result.get()
                break
            }
            try await gracefulShutdown()
        }
    }

    /// The services' own messages are of no interest: errors are thrown too.
    private static let quietLogger = Logger(label: "services", factory: { _ in SwiftLogNoOpLogHandler() })

    /// Ends the program at once.
    private static func end(_ server: Server, after signal: Int32) -> Never {
        server.removeUploads()
        log.finish(within: 1)
        // A thread may be computing: an orderly exit would destroy LibTorch's tables while it reads them.
        _exit(ErrorKind.interrupted(signal: signal).exitCode)
    }

    /// Ends the program after a signal: the first lets it complete requests in flight, for 30 s; a second ends it at
    /// once.
    private static func endOnSignals(_ server: Server, _ services: ServiceGroup) -> StopSignal {
        StopSignal(
            { number in
                DispatchQueue(label: "limit").asyncAfter(deadline: .now() + 30) { end(server, after: number) }
                Task { await services.triggerGracefulShutdown() }
                log.add {
                    Console.log.notice(
                        "serve: finishing requests in flight; a second signal stops the server immediately")
                }
            }, again: { end(server, after: $0) })
    }

    /// A slow reader of the log must not hold up requests, nor signals.
    private static let log = PatientLog {
        Console.log.warning("serve: dropped \($0) log lines, because the log was not read in time")
    }

    private static func show(_ ready: Ready, asJSON: Bool) {
        let facts = ready.facts
        Console.log.info(
            """
            serve: \(ready.url), model \(facts.model), device \(facts.device), precision \(facts.precision), \
            \(facts.decoder)
            """, metadata: ["url": "\(ready.url)"])
        if asJSON { write(ready) }
    }

    private static func show(_ event: ServerEvent, asJSON: Bool) {
        switch event {
        case .trouble(let sentence): Console.log.error("\(sentence)")
        case .model(.loaded(let name, let seconds)):
            Console.log.info(
                "serve: loaded \(name) in \(decimal(seconds, 2)) s",
                metadata: ["model": "\(name)", "seconds": .stringConvertible(seconds)])
        case .model(.dropped(let name)):
            Console.log.info("serve: dropped \(name), since others need its memory", metadata: ["model": "\(name)"])
        case .served(let request):
            Console.log.info(
                """
                \(request.method) \(request.path) \(request.status) \
                \(decimal(request.audioSeconds, 2)) s of audio in \(decimal(request.seconds, 3)) s, \
                request \(request.identifier) from \(request.client.isEmpty ? "an unknown client" : request.client)
                """,
                metadata: [
                    "method": "\(request.method)", "path": "\(request.path)",
                    "status": .stringConvertible(request.status),
                    "audio_seconds": .stringConvertible(request.audioSeconds),
                    "seconds": .stringConvertible(request.seconds),
                    "request": "\(request.identifier)", "client": "\(request.client)",
                ])
            if asJSON { write(Request(request: request)) }
        }
    }

    private static func write(_ value: some Encodable) {
        // A full log must not affect clients.
        do { try Console.output(jsonLine(value)) } catch { Console.log.error("\(error)") }
    }
}

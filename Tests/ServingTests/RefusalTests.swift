import Foundation
import TestSupport
import Testing

@testable import W2VServing

/// A bad request gets a status and a sentence, and leaves nothing behind.
@Suite struct RefusalTests {
    @Test func statusesSayWhatIsWrong() async throws {
        try await withServer { running in
            func expect(
                _ status: Int, _ type: String, _ method: String = "POST", _ target: String = "/v1/transcribe",
                headers: [String: String] = [:], body: Data? = nil
            ) async throws {
                let reply = try await running.send(method, target, headers: headers, body)
                #expect(reply.status == status && reply.error == type, "\(method) \(target): \(reply.text)")
                #expect(reply.headers["content-type"] == "application/json")
                // Clients of OpenAI's API in languages with strict decoding need all four.
                let error = try #require(reply.json()["error"] as? [String: Any])
                #expect(error["param"] is NSNull || error["param"] is String)
                #expect(error["code"] as? String == type && error["message"] is String)
                #expect(!reply.text.contains(running.folder.path), "\(reply.text)")
            }
            let audio = try wave(16_000, seed: 1)
            try await expect(404, "not_found", "GET", "/v2")
            try await expect(404, "not_found", "POST", "/v2", body: audio)
            try await expect(405, "method_not_allowed", "GET")
            try await expect(405, "method_not_allowed", "DELETE", "/health")
            try await expect(411, "length_required")
            try await expect(400, "bad_request", "POST", "/v1/transcribe?format=doc", body: audio)
            try await expect(
                400, "bad_request", headers: formHeaders, body: form(file: nil, fields: ["file_name": "x"]))
            try await expect(400, "bad_request", headers: formHeaders, body: form(file: audio).dropLast(8))
            try await expect(
                400, "bad_request", headers: ["Content-Type": "multipart/form-data"], body: form(file: audio))
            let long = String(repeating: "x", count: 70_000)
            try await expect(
                400, "bad_request", headers: formHeaders, body: form(file: audio, fields: ["prompt": long]))
            try await expect(415, "unsupported_media_type", headers: ["Content-Encoding": "gzip"], body: audio)
            try await expect(415, "unsupported_media_type", "POST", "/v1/audio/transcriptions", body: audio)
            try await expect(422, "unreadable_audio", body: Data())
            try await expect(422, "unreadable_audio", body: Data("this is no audio".utf8))
            try await expect(422, "unreadable_audio", body: audio.dropLast(100))
            try await expect(422, "audio_too_short", body: wave(300, seed: 1))
            try await expect(426, "upgrade_required", "GET", "/v1/live")
            try await expect(400, "bad_request", "GET", "/v1/live", headers: ["Upgrade": "websocket"])
            let missing = try await running.send("GET", "/v2").json()["error"] as? [String: Any]
            #expect((missing?["routes"] as? [String])?.contains("POST /v1/transcribe") == true)
            #expect(try await running.send("DELETE", "/health").headers["allow"] == "GET")
            #expect(running.uploads.isEmpty)
            // The message has the form's file name, not that of the temporary file.
            let named = try await running.send("/v1/transcribe", file: Data("no".utf8), named: "../my talk.g722x")
            #expect(named.text.contains("my talk.g722x: ") && !named.text.contains("../"), "\(named.text)")
        }
    }

    /// Names take memory too, and so does every field.
    @Test(arguments: [("user", 20_000), ("user[" + String(repeating: "x", count: 4_000) + "]", 300)])
    func manyFieldsAreRefused(name: String, count: Int) async throws {
        try await withServer { running in
            let part = Data("--a b\r\nContent-Disposition: form-data; name=\"\(name)\"\r\n\r\n\r\n".utf8)
            let fields = (0..<count).reduce(into: Data()) { bytes, _ in bytes += part }
            let body = try fields + form(file: wave(16_000, seed: 1))
            let reply = try await running.send("POST", "/v1/audio/transcriptions", headers: formHeaders, body)
            #expect(reply.status == 400 && reply.text.contains("have more than 1 MB"), "\(reply.text)")
            #expect(running.uploads.isEmpty)
        }
    }

    /// The longest text that the description allows is accepted, whatever its letters.
    @Test func theLongestTextFitsIntoAForm() async throws {
        try await withServer { running in
            for route in Route.all {
                for parameter in route.parameters.all {
                    guard case .text(let longest) = parameter.kind else { continue }
                    #expect(4 * longest <= 1 << 20, "\(route.path) \(parameter.name)")
                }
            }
            let text = String(repeating: "😀", count: 250_000)
            let reply = try await running.send("/v1/align", file: wave(16_000, seed: 1), fields: ["text": text])
            #expect(reply.status == 422 && reply.error == "unusable_text", "\(reply.text.prefix(500))")
        }
    }

    /// What went wrong inside is for the operator: it may name folders of this machine.
    @Test func failuresInsideAreNotTold() {
        let error = RequestError(CocoaError(.fileReadNoPermission, userInfo: [NSFilePathErrorKey: "/srv/secret"]))
        #expect(error.status == .internalServerError && error.type == "internal")
        #expect(error.description == "The server failed to answer the request; the server's log has the reason")
        #expect(error.hidden?.isEmpty == false)
    }

    @Test func uploadsBeyondTheLimitAreRefused() async throws {
        try await withServer {
            $0.maximumUploadBytes = 1 << 20
        } _: { running in
            let large = Data(count: 4 << 20)
            let reply = try await running.send("POST", "/v1/transcribe", large)
            #expect(reply.status == 413 && reply.error == "upload_too_large")
            // A declared length is checked before the body, which then need not be sent.
            try await onThread { [port = running.port] in
                let client = try TestClient(port: port)
                client.send(
                    "POST /v1/transcribe HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9999999999\r\nExpect: 100-continue\r\n\r\n"
                )
                let reply = try client.response(withContinue: true)
                #expect(reply.status == 413 && reply.headers["connection"] == "close")
                #expect(client.isClosed())
            }
            // Without a declared length, the bytes are counted.
            try await onThread { [port = running.port] in
                let client = try TestClient(port: port)
                client.send("POST /v1/transcribe HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n")
                for _ in 0..<24 {
                    client.send("10000\r\n")
                    client.send(Data(count: 65_536))
                    client.send("\r\n")
                }
                #expect(try client.response().status == 413)
            }
            #expect(try await running.send("/v1/transcribe", file: large).status == 413)
            #expect(running.uploads.isEmpty)
        }
    }

    @Test func audioBeyondTheLimitIsRefused() async throws {
        try await withServer {
            $0.maximumAudioSeconds = 1
        } _: { running in
            let reply = try await running.send("POST", "/v1/transcribe", wave(16_001, seed: 1))
            #expect(reply.status == 413 && reply.error == "audio_too_long")
            #expect(try await running.send("POST", "/v1/transcribe", wave(16_000, seed: 1)).status == 200)
        }
    }

    @Test(arguments: [1e30 as Float, -1e25, 3e38])
    func samplesBeyondAllScalesAreTheUploadsFault(sample: Float) async throws {
        try await withServer(mode: .layerNorm) { running in
            var samples = tonesInNoise(16_000, seed: 1)
            samples[8_000] = sample
            let audio = try wave(samples, as: .wavFloat)
            for file in [audio, try wave(samples + tonesInNoise(16_000 * 60, seed: 2), as: .wavFloat)] {
                let reply = try await running.send("/v1/transcribe", file: file, named: "loud.wav")
                #expect(reply.status == 422 && reply.text.contains("loud.wav"), "\(reply.text)")
            }
            #expect(try await running.send("POST", "/v1/transcribe", wave(16_000, seed: 1)).status == 200)
        }
    }

    @Test func tooManyThatWaitAreRefused() async throws {
        try await withServer {
            $0.maximumWaiting = 2
        } _: { running in
            let audio = try wave(16_000, seed: 1)
            let places = try (0..<2).map { _ in try running.server.core.room.enter() }
            let reply = try await running.send("POST", "/v1/transcribe", audio)
            #expect(reply.status == 429 && reply.error == "too_many_requests" && reply.headers["retry-after"] == "5")
            // Requests that the model works on are not waiting.
            places[0].begin()
            #expect(try await running.send("POST", "/v1/transcribe", audio).status == 200)
            places[0].leave()
            places[1].leave()
            places[1].leave()
            #expect(running.server.core.room.current == WaitingRoom.Counts())
        }
    }

    @Test func nothingIsRecognizedBeforeThereIsAModel() async throws {
        try await withServer(isReady: false) { running in
            let reply = try await running.send("POST", "/v1/transcribe", wave(16_000, seed: 1))
            #expect(reply.status == 503 && reply.error == "loading" && reply.headers["retry-after"] != nil)
            let health = try await running.send("GET", "/health")
            #expect(try health.status == 503 && health.json()["status"] as? String == "loading")
            await running.server.serve(running.recognizer)
            #expect(try await running.send("POST", "/v1/transcribe", wave(16_000, seed: 1)).status == 200)
            #expect(try await running.send("GET", "/health").status == 200)
        }
    }

    @Test func hostsAndPortsThatCannotBeUsedAreNamed() async throws {
        func failure(_ change: (inout ServerOptions) -> Void) async -> ServerError? {
            var options = ServerOptions()
            change(&options)
            let server = Server(options, facts: RunningServer.facts)
            do {
                _ = try await server.start()
                return nil
            } catch { return error as? ServerError }
        }
        try await withServer { running in
            let port = running.port
            #expect(await failure { $0.port = port } == .addressInUse(host: "127.0.0.1", port: port))
        }
        for host in ["nowhere.invalid", "192.0.2.1"] {
            guard case .badHost(host, _)? = await failure({ ($0.host, $0.port) = (host, 0) }) else {
                Issue.record("\(host) was accepted")
                continue
            }
        }
        let gone = await failure { options in
            options.port = 0
            options.temporaryFolder = URL(fileURLWithPath: "/dev/null/none")
        }
        guard case .noFolder? = gone else {
            Issue.record("\(String(describing: gone))")
            return
        }
    }
}

@Suite struct MultipartTests {
    @Test(arguments: [1, 2, 3, 7, 64, 100_000])
    func piecesOfAnySizeGiveTheSame(size: Int) throws {
        let content = Data("\r\n--a\r\n--a c\r\n\r\n--a b".utf8.dropLast()) + Data((0..<300).map { UInt8($0 % 256) })
        let body =
            Data("a preamble\r\n".utf8) + form(file: content, named: "x \\\"y\\\".wav", fields: ["k": ""])
            + Data("rest".utf8)
        var parser = try Multipart(contentType: formHeaders["Content-Type"]!)
        var parts: [(name: String, filename: String?, data: Data)] = []
        for start in stride(from: 0, to: body.count, by: size) {
            try parser.append(body[start..<min(start + size, body.count)]) { event in
                switch event {
                case .part(let name, let filename): parts.append((name, filename, Data()))
                case .data(let bytes): parts[parts.count - 1].data += bytes
                }
            }
        }
        #expect(parser.isComplete && parts.map(\.name) == ["k", "file"])
        #expect(parts.map(\.filename) == [nil, "x \"y\".wav"])
        #expect(parts.map(\.data) == [Data(), content])
    }

    @Test func namesAreHarmless() {
        #expect(Upload.safeName("../../etc/pass\u{0}wd\n") == "passwd")
        #expect(Upload.safeName("C:\\talks\\my talk.wav") == "my talk.wav")
        for name in [nil, "", "..", "a/", " ", "a/.."] { #expect(["audio", "a"].contains(Upload.safeName(name))) }
    }
}

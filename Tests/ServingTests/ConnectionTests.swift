import Foundation
import TestSupport
import Testing
import W2VInference

@testable import W2VServing

/// Clients that are slow, disconnect, or send several requests, and servers that stop.
@Suite struct ConnectionTests {
    @Test func aConnectionServesOneRequestAfterAnother() async throws {
        try await withServer { running in
            let audio = try wave(16_000, seed: 1)
            try await onThread { [port = running.port] in
                let client = try TestClient(port: port)
                client.send(request("POST", "/v1/transcribe", audio))
                let first = try client.response()
                let careful = request("POST", "/v1/transcribe", headers: ["Expect": "100-continue"], audio)
                client.send(careful.dropLast(audio.count))
                #expect(try client.response(withContinue: true).status == 100)
                client.send(audio)
                #expect(try client.response().body == first.body)
                client.send(request("GET", "/health") + request("GET", "/metrics"))
                #expect(try client.response().status == 200)
                #expect(try client.response().text.contains("wav2vec2_requests_total"))
                // The body of a refused request is never parsed as the next request.
                let trap = Data(String(repeating: "GET /health HTTP/1.1\r\n\r\n", count: 1000).utf8)
                client.send(request("POST", "/nowhere", trap))
                #expect(try client.response().status == 404)
                #expect(client.isClosed())
            }
        }
    }

    @Test func clientsThatStopSendingAreDropped() async throws {
        try await withServer {
            $0.stallSeconds = 1
        } _: { running in
            try await onThread { [port = running.port] in
                let (idle, stalled) = try (TestClient(port: port), TestClient(port: port))
                idle.send("GET / HT")
                stalled.send("POST /v1/transcribe HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\nRIFF")
                let reply = try stalled.response()
                #expect(reply.status == 408 && reply.error == "timeout")
                #expect(stalled.isClosed() && idle.isClosed())
            }
            #expect(running.uploads.isEmpty)
        }
    }

    @Test func uploadsOfClientsThatVanishAreDeleted() async throws {
        try await withServer { running in
            try await onThread { [port = running.port] in
                for _ in 0..<3 {
                    let client = try TestClient(port: port)
                    client.send("POST /v1/transcribe HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n")
                    client.send(Data(count: 50_000))
                }
            }
            try await eventually { running.requests.filter { $0.status == 499 }.count == 3 }
            try await eventually { running.uploads.isEmpty }
            #expect(try await running.send("POST", "/v1/transcribe", wave(16_000, seed: 1)).status == 200)
        }
    }

    @Test func nobodyWorksForClientsThatHaveGone() async throws {
        try await withServer(windows: WindowOptions(seconds: 2, overlap: 0), batchSeconds: 1) { running in
            let audio = try wave(16_000 * 240, seed: 1)
            try await onThread { [port = running.port] in
                let client = try TestClient(port: port)
                client.send(request("POST", "/v1/transcribe", audio))
                try wait(for: "the model") { running.server.core.room.current.running == 1 }
            }
            try await eventually { running.requests.contains { $0.status == 499 } }
            try await eventually { running.uploads.isEmpty }
            #expect(running.server.core.room.current == WaitingRoom.Counts())
        }
    }

    @Test func stoppingFinishesWhatIsInFlight() async throws {
        try await withServer { running in
            let audio = try wave(30_000, seed: 1)
            let expected = try await running.send("POST", "/v1/transcribe", audio)
            let (port, server) = (running.port, running.server)
            let reply = try await onThread {
                let client = try TestClient(port: port)
                let idle = try TestClient(port: port)
                idle.send(request("GET", "/health"))
                _ = try idle.response()
                let bytes = request("POST", "/v1/transcribe", audio)
                client.send(bytes.prefix(20_000))
                while !server.core.metrics.text(WaitingRoom.Counts(), uptime: 0).contains("requests_open 1\n") {
                    Thread.sleep(forTimeInterval: 0.005)
                }
                Task { await server.stop(within: .seconds(60)) }
                // An idle connection ends at once, and new ones are refused.
                #expect(idle.isClosed())
                var isRefused = false
                for _ in 0..<4000 where !isRefused {
                    isRefused = (try? TestClient(port: port)) == nil
                    Thread.sleep(forTimeInterval: 0.005)
                }
                #expect(isRefused)
                client.send(bytes.dropFirst(20_000))
                let reply = try client.response()
                #expect(client.isClosed())
                return reply
            }
            #expect(reply.status == 200 && reply.body == expected.body)
        }
    }

    @Test func whatTheServerGivesUpIsItsOwnDoing() async throws {
        try await withServer(windows: WindowOptions(seconds: 2, overlap: 0), batchSeconds: 1) { running in
            let audio = try wave(16_000 * 240, seed: 1)
            let server = running.server
            async let reply = onThread { [port = running.port] in
                let client = try TestClient(port: port)
                client.send(request("POST", "/v1/transcribe", audio))
                return try client.response()
            }
            try await eventually { server.core.room.current.running == 1 }
            await server.stop(within: .zero)
            let answer = try await reply
            #expect(answer.status == 503 && answer.error == "stopping", "\(answer.text)")
        }
    }

    @Test func stoppingDoesNotWaitForEver() async throws {
        try await withServer { running in
            let server = running.server
            let client = try TestClient(port: running.port)
            client.send("POST /v1/transcribe HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\nRIFF")
            try await eventually {
                server.core.metrics.text(WaitingRoom.Counts(), uptime: 0).contains("requests_open 1\n")
            }
            // The rest of the upload never comes.
            await server.stop(within: .milliseconds(200))
        }
    }
}

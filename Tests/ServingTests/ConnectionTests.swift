import Foundation
import NIOCore
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
                client.send(request("POST", "/nowhere", trap) + request("GET", "/metrics"))
                #expect(try client.response().status == 404)
                // Either the whole body was skipped, or the connection ends.
                if let next = try? client.response() { #expect(next.text.contains("wav2vec2_requests_total")) }
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
                #expect(stalled.isClosed())
                #expect(try idle.response().status == 408)
                #expect(idle.isClosed())
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
                while running.openRequests != 1 { Thread.sleep(forTimeInterval: 0.005) }
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
            try await eventually { running.openRequests == 1 }
            // The rest of the upload never comes.
            await server.stop(within: .milliseconds(200))
        }
    }

    @Test func itMayBeStoppedTwiceAtOnce() async throws {
        try await withServer { running in
            let server = running.server
            let client = try TestClient(port: running.port)
            client.send("POST /v1/transcribe HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\nRIFF")
            try await eventually { running.openRequests == 1 }
            let (ends, end) = AsyncStream<Void>.makeStream()
            for limit in [200, 300] {
                Task {
                    await server.stop(within: .milliseconds(limit))
                    end.yield()
                }
            }
            // If one of them hangs, the test fails after a minute instead of hanging too.
            let late = Task {
                try await Task.sleep(for: .seconds(60))
                end.finish()
            }
            defer { late.cancel() }
            #expect(await ends.prefix(2).reduce(0) { count, _ in count + 1 } == 2)
        }
    }

    @Test func pipelinedRequestsAreAnsweredInTheirOrder() async throws {
        try await withServer { running in
            let audio = try wave(16_000, seed: 1)
            try await onThread { [port = running.port] in
                let client = try TestClient(port: port)
                var bytes = Data()
                for number in 0..<200 {
                    bytes +=
                        number % 50 == 0 ? request("POST", "/v1/transcribe", audio) : request("GET", "/no\(number)")
                }
                client.send(bytes)
                for number in 0..<200 {
                    let reply = try client.response()
                    if number % 50 == 0 {
                        #expect(reply.status == 200)
                    } else {
                        #expect(reply.status == 404 && reply.text.contains("There is no /no\(number);"))
                    }
                }
            }
        }
    }

    @Test func clientsThatCloseTheirSideAreAnswered() async throws {
        try await withServer(windows: WindowOptions(seconds: 2, overlap: 0), batchSeconds: 1) { running in
            // Long enough for the server to look whether the client is still there.
            let audio = try wave(16_000 * 60, seed: 1)
            let expected = try await running.send("POST", "/v1/transcribe", audio)
            try await onThread { [port = running.port] in
                let client = try TestClient(port: port)
                client.send(request("POST", "/v1/transcribe", audio))
                client.endSending()
                let reply = try client.response()
                #expect(reply.status == 200 && reply.body == expected.body)
                #expect(client.isClosed())
                let many = try TestClient(port: port)
                many.send(request("GET", "/health") + request("GET", "/metrics") + request("GET", "/v2"))
                many.endSending()
                #expect(try [200, 200, 404] == (0..<3).map { _ in try many.response().status })
                #expect(many.isClosed())
                // Half an upload is none.
                let half = try TestClient(port: port)
                half.send(request("POST", "/v1/transcribe", audio).prefix(20_000))
                half.endSending()
                #expect(half.isClosed())
            }
            try await eventually { running.requests.last?.status == 499 }
        }
    }

    @Test func bodiesThatDripAreBounded() async throws {
        try await withServer {
            $0.stallSeconds = 1
        } _: { running in
            try await onThread { [port = running.port] in
                let client = try TestClient(port: port)
                client.send("POST /v1/transcribe HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n")
                let dripping = Task.detached { [client = Held(client)] in
                    while !Task.isCancelled {
                        client.value.send("a")
                        try await Task.sleep(for: .milliseconds(50))
                    }
                }
                defer { dripping.cancel() }
                #expect(try client.response().status == 408)
            }
            try await eventually { running.uploads.isEmpty }
        }
    }

    @Test func idleConnectionsAreClosedSilently() async throws {
        try await withServer {
            $0.stallSeconds = 1
        } _: { running in
            try await onThread { [port = running.port] in
                let (silent, idle) = try (TestClient(port: port), TestClient(port: port))
                idle.send(request("GET", "/health"))
                #expect(try idle.response().status == 200)
                #expect(silent.isClosed() && idle.isClosed())
            }
        }
    }

    @Test func clientsThatAskMaySendAnySize() async throws {
        try await withServer { running in
            let audio = try wave(1_000, seed: 1)
            try await onThread { [port = running.port] in
                for size in [1, 100, audio.count] {
                    let client = try TestClient(port: port)
                    let head = request(
                        "POST", "/v1/transcribe", headers: ["Expect": "100-continue"], audio.prefix(size))
                    client.send(head.dropLast(size))
                    #expect(try client.response(withContinue: true).status == 100)
                    client.send(audio.prefix(size))
                    #expect(try client.response(withContinue: true).status == (size == audio.count ? 200 : 422))
                }
                // Nobody asks for a body that is not wanted.
                let refused = try TestClient(port: port)
                refused.send(
                    "POST /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n")
                #expect(try refused.response(withContinue: true).status == 404)
            }
        }
    }

    @Test func connectionsBeyondTheLimitWait() async throws {
        try await withServer {
            $0.maximumConnections = 2
        } _: { running in
            let audio = try wave(16_000, seed: 1)
            try await onThread { [port = running.port] in
                var busy: TestClient? = try TestClient(port: port)
                let other = try TestClient(port: port)
                let bytes = request("POST", "/v1/transcribe", audio)
                busy?.send(bytes.prefix(10_000))
                other.send(bytes.prefix(10_000))
                try wait(for: "both uploads") { running.uploads.count == 2 }
                let late = try TestClient(port: port)
                late.send(request("GET", "/health"))
                Thread.sleep(forTimeInterval: 0.3)
                #expect(!running.requests.contains { $0.path == "/health" })
                // What is in flight goes on.
                other.send(bytes.dropFirst(10_000))
                #expect(try other.response().status == 200)
                busy = nil
                #expect(try late.response().status == 200)
            }
        }
    }

    @Test func idleConnectionsMakeRoom() async throws {
        try await withServer {
            $0.maximumConnections = 3
            $0.stallSeconds = 3_000
        } _: { running in
            try await onThread { [port = running.port] in
                let idle = try (0..<3).map { _ in try TestClient(port: port) }
                for client in idle { client.send(request("GET", "/health")) }
                for client in idle { _ = try client.response() }
                let late = try TestClient(port: port)
                late.send(request("GET", "/health"))
                #expect(try late.response().status == 200)
            }
        }
    }

    @Test func requestsHaveIdentifiers() async throws {
        try await withServer { running in
            let given = try await running.send("GET", "/health", headers: ["X-Request-ID": "abc-1.2_3"])
            #expect(given.headers["x-request-id"] == "abc-1.2_3")
            for bad in ["a b", "a\"b", String(repeating: "a", count: 200), "ä"] {
                let made = try await running.send("GET", "/v2", headers: ["X-Request-ID": bad]).headers["x-request-id"]
                #expect(made?.count == 16 && made != bad)
            }
            let first = running.requests[0]
            #expect(first.identifier == "abc-1.2_3" && first.client == "127.0.0.1")
            #expect(first.time.contains(#/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/#), "\(first.time)")
            #expect(Set(running.requests.map(\.identifier)).count == running.requests.count)
        }
    }

    /// A body waits in the client while the server is busy with what it has.
    @Test func bodiesAreReadAsTheyAreWanted() async throws {
        let body = RequestBody(announced: nil, hasLength: true, limit: 1 << 30) {}
        for _ in 0..<3 {
            #expect(body.hasRoom)
            body.deliver(.init(repeating: 1, count: 100_000))
        }
        #expect(!body.hasRoom && body.received == 300_000)
        #expect(try await body.next()?.count == 100_000)
        #expect(body.hasRoom)
        body.fail(RequestError.timeout)
        #expect(try await body.next()?.count == 100_000)
        #expect(try await body.next()?.count == 100_000)
        await #expect(throws: RequestError.self) { try await body.next() }
    }

    @Test func readyIsForLoadBalancers() async throws {
        try await withServer(isReady: false) { running in
            let loading = try await running.send("GET", "/ready")
            #expect(try loading.status == 503 && loading.json()["status"] as? String == "loading")
            await running.server.serve(running.recognizer)
            let ready = try await running.send("GET", "/ready")
            #expect(try ready.status == 200 && ready.json()["status"] as? String == "ok")
        }
    }
}

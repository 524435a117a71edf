import Foundation
import TestSupport
import Testing

@testable import W2VServing

/// Requests whose head is too large, malformed, ambiguous or late.
@Suite struct HeadTests {
    /// Sends text on a connection of its own, and returns the response; the server has to close the connection.
    private func refusal(of text: String, by running: RunningServer) async throws -> TestReply {
        try await onThread { [port = running.port] in
            let client = try TestClient(port: port)
            client.send(text)
            let reply = try client.response()
            #expect(reply.headers["connection"] == "close" && client.isClosed(), "\(text.prefix(80))")
            return reply
        }
    }

    @Test(arguments: [
        "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + String(repeating: "a", count: 20_000) + "\r\n\r\n",
        "GET /?" + String(repeating: "a", count: 20_000) + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + String(repeating: "X: a\r\n", count: 101) + "\r\n",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX:" + String(repeating: " ", count: 100_000) + "a\r\n\r\n",
        // Without an end, and as much as the server's system takes.
        "GET / HTTP/1.1\r\nX: " + String(repeating: "a", count: 8 << 20),
        String(repeating: "\r\n", count: 100_000),
    ])
    func largeHeadsAreRefused(text: String) async throws {
        try await withServer { running in
            let reply = try await refusal(of: text, by: running)
            #expect(reply.status == 431 && reply.error == "headers_too_large", "\(reply.text)")
            #expect(try await running.send("GET", "/health").status == 200)
            #expect(running.requests.contains { $0.status == 431 })
        }
    }

    @Test func headsWithinTheLimitsAreRead() async throws {
        try await withServer { running in
            let fields = Dictionary(
                uniqueKeysWithValues: (0..<90).map { ("X-\($0)", String(repeating: "a", count: 150)) })
            #expect(try await running.send("GET", "/health", headers: fields).status == 200)
            // One after another in one write, each with its own limit.
            try await onThread { [port = running.port] in
                let client = try TestClient(port: port)
                let one = request("GET", "/health", headers: ["X": String(repeating: "a", count: 12_000)])
                client.send((0..<20).reduce(into: Data()) { bytes, _ in bytes += one })
                for _ in 0..<20 { #expect(try client.response().status == 200) }
            }
        }
    }

    @Test(arguments: [
        ("GET /health HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n", 505),
        ("GET /health HTTP/2.0\r\nHost: 127.0.0.1\r\n\r\n", 505),
        ("GET /health\r\n\r\n", 505),
        ("GET /health HTTP/1.1\r\n\r\n", 400),
        ("GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: localhost\r\n\r\n", 400),
        ("GET /health HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n", 400),
        ("GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n folded\r\n\r\n", 400),
        ("GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n: x\r\n\r\n", 400),
        ("GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\u{0}b\r\n\r\n", 400),
        ("G@T /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
        ("\u{16}\u{3}\u{1}\u{0}\u{1}", 400),
        ("POST /v1/transcribe HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: +4\r\n\r\nabcd", 400),
        ("POST /v1/transcribe HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -4\r\n\r\nabcd", 400),
        ("POST /v1/transcribe HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999999999999\r\n\r\nabcd", 400),
        ("POST /v1/transcribe HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd", 400),
        ("POST /v1/transcribe HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4, 5\r\n\r\nabcd", 400),
        (
            "POST /v1/transcribe HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400
        ),
        ("POST /v1/transcribe HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST /v1/transcribe HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: xchunked\r\n\r\n", 400),
        ("POST /v1/transcribe HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabcd\r\n", 400),
        (
            "POST /v1/transcribe HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcdefgh\r\n",
            400
        ),
        ("POST /v1/transcribe HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nabcd\r\n", 400),
    ])
    func framingThatCanBeReadInTwoWaysIsRefused(text: String, status: Int) async throws {
        try await withServer { running in
            let reply = try await refusal(of: text, by: running)
            #expect(reply.status == status && reply.error != nil, "\(text): \(reply.text)")
            #expect(running.uploads.isEmpty)
            #expect(try await running.send("GET", "/health").status == 200)
        }
    }

    @Test func malformedRequestsDoNotSpoilThoseBeforeThem() async throws {
        try await withServer { running in
            let audio = try wave(16_000, seed: 1)
            try await onThread { [port = running.port] in
                let client = try TestClient(port: port)
                client.send(request("POST", "/v1/transcribe", audio) + Data("G@T / HTTP/1.1\r\n\r\n".utf8))
                #expect(try client.response().status == 200)
                #expect(try client.response().status == 400)
                #expect(client.isClosed())
            }
        }
    }

    @Test func headsThatDripHaveTheSameTime() async throws {
        try await withServer {
            $0.stallSeconds = 1
        } _: { running in
            try await onThread { [port = running.port] in
                let client = try TestClient(port: port)
                client.send(request("GET", "/health"))
                #expect(try client.response().status == 200)
                // A byte every 50 ms never stalls.
                client.send("GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
                let dripping = Task.detached { [client = Held(client)] in
                    while !Task.isCancelled {
                        client.value.send("a")
                        try await Task.sleep(for: .milliseconds(50))
                    }
                }
                defer { dripping.cancel() }
                let reply = try client.response()
                #expect(reply.status == 408 && reply.error == "timeout", "\(reply.text)")
            }
        }
    }

    @Test func oldClientsAreAnswered() async throws {
        try await withServer { running in
            try await onThread { [port = running.port] in
                let closing = try TestClient(port: port)
                closing.send("GET /health HTTP/1.0\r\n\r\n")
                let reply = try closing.response()
                #expect(reply.status == 200 && reply.headers["connection"] == "close" && closing.isClosed())
                let kept = try TestClient(port: port)
                for _ in 0..<2 {
                    kept.send("GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                    #expect(try kept.response().headers["connection"] == "keep-alive")
                }
                let last = try TestClient(port: port)
                last.send(request("GET", "/health", headers: ["Connection": "close"]))
                #expect(try last.response().headers["connection"] == "close" && last.isClosed())
            }
        }
    }
}

/// A client that two threads use.
///
/// `@unchecked Sendable` is safe: one thread only sends, the other only receives, and the two share no mutable state.
struct Held: @unchecked Sendable {
    let value: TestClient

    init(_ value: TestClient) { self.value = value }
}

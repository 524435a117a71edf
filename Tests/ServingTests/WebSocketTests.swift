import Foundation
import TestSupport
import Testing

@testable import W2VServing

/// Frames that are against RFC 6455, and clients that do not read.
@Suite struct WebSocketTests {
    /// The code and message with which the server ends a WebSocket.
    private func ending(
        _ running: RunningServer, _ send: @escaping @Sendable (TestClient) -> Void
    ) async throws -> (code: Int, message: String) {
        try await onThread { [port = running.port] in
            let client = try TestClient(port: port)
            #expect(try client.openWebSocket("/v1/live").status == 101)
            send(client)
            let (texts, code) = try client.messages()
            #expect(client.isClosed())
            let event = try JSONSerialization.jsonObject(with: Data((texts.last ?? "{}").utf8)) as? [String: Any]
            return (code, event?["message"] as? String ?? "")
        }
    }

    @Test func framesAgainstTheProtocolEndTheWebSocket() async throws {
        try await withServer { running in
            let cases: [(Int, String, @Sendable (TestClient) -> Void)] = [
                (1002, "not masked", { $0.sendFrame(2, Data(count: 4), isMasked: false) }),
                (1002, "reserved bit", { $0.sendFrame(0x22, Data(count: 4)) }),
                (1002, "control frame", { $0.sendFrame(9, Data("x".utf8), isLast: false) }),
                (1002, "control frame", { $0.sendFrame(8, Data(count: 200)) }),
                (
                    1002, "inside another",
                    { client in
                        client.sendFrame(2, Data(count: 4), isLast: false)
                        client.sendFrame(2, Data(count: 4))
                    }
                ),
                (1002, "unknown opcode", { $0.sendFrame(0xB, Data(count: 4)) }),
                (1002, "no valid code", { $0.sendFrame(8, Data([3])) }),
                (1002, "no valid code", { $0.sendFrame(8, Data([3, 237])) }),
                (1007, "UTF-8", { $0.sendFrame(8, Data([3, 232, 0xFF])) }),
                (1007, "UTF-8", { $0.sendFrame(1, Data([0xC3, 0x28])) }),
                // Announced, but never sent: nothing is gathered.
                (1009, "4 MB", { $0.sendFrame(2, Data(), announced: 1 << 40) }),
                (1009, "4 MB", { $0.sendFrame(2, Data(), announced: Int.max) }),
                (
                    1009, "4 MB",
                    { client in
                        client.sendFrame(2, Data(count: 1 << 20), isLast: false)
                        for _ in 0..<4 { client.sendFrame(0, Data(count: 1 << 20), isLast: false) }
                    }
                ),
            ]
            for (number, (code, words, send)) in cases.enumerated() {
                let found = try await ending(running, send)
                #expect(found.code == code && found.message.contains(words), "case \(number): \(found)")
            }
            try await eventually { running.server.core.metrics.liveCount == 0 }
        }
    }

    @Test func pingsAreAnsweredWhileAMessageIsInPieces() async throws {
        try await withServer { running in
            try await onThread { [port = running.port] in
                let client = try TestClient(port: port)
                try client.openWebSocket("/v1/live")
                client.sendFrame(1, Data("e".utf8), isLast: false)
                client.sendFrame(9, Data("hello".utf8))
                client.sendFrame(10, Data())
                client.sendFrame(0, Data(), isLast: false)
                client.sendFrame(0, Data("nd".utf8))
                let pong = try client.frame()
                #expect(pong.opcode == 10 && pong.payload == Data("hello".utf8))
                #expect(try client.messages().code == 1000)
            }
        }
    }

    /// Empty messages take room as well, or a client could send more of them than memory holds.
    @Test func emptyMessagesFillTheQueue() async {
        let socket = WebSocket()
        for _ in 0..<5_000 { socket.deliver(.binary(Data())) }
        #expect(!socket.hasRoom)
        for _ in 0..<5_000 { #expect(await socket.next() == .message(.binary(Data()))) }
        #expect(socket.hasRoom)
    }

    @Test func clientsThatDoNotReadAreClosed() async throws {
        try await withServer {
            $0.stallSeconds = 1
        } _: { running in
            try await onThread { [port = running.port] in
                let client = try TestClient(port: port)
                try client.openWebSocket("/v1/live")
                // As many pings as the systems in between take; each is masked by zeros.
                let ping = Data([0x89, 0x80 | 125, 0, 0, 0, 0]) + Data(count: 125)
                let many = (0..<1_000).reduce(into: Data()) { bytes, _ in bytes += ping }
                for _ in 0..<200 where running.requests.isEmpty { client.send(many) }
            }
            try await eventually { running.requests.contains { $0.status == 101 } }
            #expect(running.server.core.metrics.liveCount == 0)
        }
    }

    @Test func aMinuteWithoutInputEndsIt() async throws {
        try await withServer {
            $0.stallSeconds = 1
        } _: { running in
            let found = try await ending(running) { _ in }
            #expect(found.code == 1008 && found.message.contains("too long"))
        }
    }

    /// Pings and empty messages do not count as input.
    @Test func pingsAloneKeepNothingOpen() async throws {
        try await withServer {
            $0.stallSeconds = 1
        } _: { running in
            try await onThread { [port = running.port] in
                let client = try TestClient(port: port)
                try client.openWebSocket("/v1/live")
                let pinging = Task.detached { [client = Held(client)] in
                    while !Task.isCancelled {
                        client.value.sendFrame(9, Data("x".utf8))
                        client.value.sendFrame(2, Data())
                        try await Task.sleep(for: .milliseconds(50))
                    }
                }
                defer { pinging.cancel() }
                let answer = try client.messages()
                #expect(answer.code == 1008 && answer.texts.last?.contains("too long") == true, "\(answer)")
            }
        }
    }

    @Test(arguments: [
        ["Sec-WebSocket-Version": "8"], ["Sec-WebSocket-Key": "short"], ["Connection": "close"],
    ])
    func requestsThatOpenNoWebSocketAreRefused(change: [String: String]) async throws {
        try await withServer { running in
            let headers = [
                "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
                "Sec-WebSocket-Version": "13",
            ].merging(change) { $1 }
            let reply = try await running.send("GET", "/v1/live", headers: headers)
            #expect(reply.status == 400 && reply.error == "bad_request", "\(reply.text)")
            #expect(running.server.core.metrics.liveCount == 0)
        }
    }

    @Test func bytesThatFollowTheRequestAreRead() async throws {
        try await withServer { running in
            try await onThread { [port = running.port] in
                let client = try TestClient(port: port)
                let head = """
                    GET /v1/live HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n
                    """
                // More audio than a head may have, and the text "end", masked by zeros.
                let audio = Data([0x82, 0xFF, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0]) + Data(count: 0x30000)
                client.send(Data(head.utf8) + audio + Data([0x81, 0x83, 0, 0, 0, 0]) + Data("end".utf8))
                #expect(try client.response().status == 101)
                #expect(try client.messages().code == 1000)
            }
            try await eventually { running.requests.last?.audioSeconds == Double(0x18000) / 16_000 }
        }
    }
}

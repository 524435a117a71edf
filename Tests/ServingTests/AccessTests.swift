import Foundation
import NIOHTTP1
import TestSupport
import Testing

@testable import W2VServing

/// Access to a server through a browser.
@Suite struct AccessTests {
    private func outcome(
        _ headers: HTTPHeaders, isLocal: Bool = true, isEncrypted: Bool = false,
        _ change: (inout ServerOptions) -> Void = { _ in }
    ) -> String {
        var options = ServerOptions()
        change(&options)
        do {
            let rules = AccessRules(options, isLocal: isLocal)
            return try rules.check(headers, host: nil, isEncrypted: isEncrypted).map { "cross-origin \($0)" }
                ?? "allowed"
        } catch { return (error as? RequestError)?.type ?? "\(error)" }
    }

    @Test(arguments: [
        ("127.0.0.1:8080", true), ("localhost", true), ("LOCALHOST:99", true), ("localhost.", true),
        ("[::1]:8080", true),
        ("[::1]", true), ("192.168.1.7:8080", true), ("app.localhost:3000", true), ("", true), ("evil.example", false),
        ("evil.example:8080", false), ("127.0.0.1.evil.example", false), ("localhost.evil.example", false),
        ("evil.example:127.0.0.1", false), ("x", false), ("speech.example.org:443", false),
    ])
    func namesThatAreNotTheServersAreRefused(host: String, isAllowed: Bool) {
        #expect(outcome(["Host": host]) == (isAllowed ? "allowed" : "forbidden_host"))
        // Clients on other machines reach a server by names that it does not know.
        #expect(outcome(["Host": host], isLocal: false) == "allowed")
    }

    @Test func allowedNamesAreTheServers() {
        let allow: (inout ServerOptions) -> Void = { $0.allowedHosts = ["Speech.example.org"] }
        #expect(outcome(["Host": "speech.example.org:443"], allow) == "allowed")
        #expect(outcome(["Host": "other.example.org"], allow) == "forbidden_host")
        #expect(outcome(["Host": "other.example.org"], isLocal: false, allow) == "forbidden_host")
        #expect(outcome(["Host": "mybox:80"]) { $0.host = "mybox" } == "allowed")
        #expect(outcome([:]) == "allowed")
    }

    @Test(arguments: [
        ("http://127.0.0.1:8080", "127.0.0.1:8080", "allowed"), ("http://localhost", "localhost:80", "allowed"),
        ("https://speech.example.org", "speech.example.org", "allowed"), ("http://[::1]:81", "[::1]:81", "allowed"),
        ("https://speech.example.org:8443", "speech.example.org:8443", "allowed"),
        ("http://localhost:3000", "localhost:8080", "forbidden_origin"),
        ("http://localhost:8080", "127.0.0.1:8080", "forbidden_origin"),
        ("http://evil.example", "127.0.0.1:8080", "forbidden_origin"), ("null", "127.0.0.1:8080", "forbidden_origin"),
        ("", "127.0.0.1:8080", "forbidden_origin"), ("file://", "127.0.0.1:8080", "forbidden_origin"),
    ])
    func pagesOfOtherOriginsAreRefused(origin: String, host: String, expected: String) {
        let headers: HTTPHeaders = ["Host": host, "Origin": origin]
        let allow: (inout ServerOptions) -> Void = { $0.allowedHosts = ["speech.example.org"] }
        #expect(outcome(headers, allow) == expected)
        #expect(outcome(headers, isLocal: false) == expected)
    }

    @Test func allowedOriginsAreAnswered() {
        let headers: HTTPHeaders = ["Host": "localhost", "Origin": "http://App.example:3000"]
        #expect(outcome(headers) == "forbidden_origin")
        #expect(
            outcome(headers) { $0.allowedOrigins = ["http://app.example:3000"] }
                == "cross-origin http://App.example:3000")
        #expect(outcome(headers) { $0.allowedOrigins = ["*"] } == "cross-origin http://App.example:3000")
        #expect(outcome(headers) { $0.allowedOrigins = ["https://app.example:3000"] } == "forbidden_origin")
    }

    @Test func foreignPagesAreRefusedOnEveryRoute() async throws {
        try await withServer { running in
            let audio = try wave(16_000, seed: 1)
            let foreign = ["Origin": "http://evil.example"]
            for (method, target, body) in [
                ("GET", "/health", nil), ("GET", "/", nil), ("OPTIONS", "/v1/transcribe", nil),
                ("POST", "/v1/transcribe", audio as Data?), ("POST", "/nowhere", audio),
            ] {
                let reply = try await running.send(method, target, headers: foreign, body)
                #expect(reply.status == 403 && reply.error == "forbidden_origin", "\(target): \(reply.text)")
                #expect(reply.headers["access-control-allow-origin"] == nil)
            }
            try await onThread { [port = running.port] in
                let page = try TestClient(port: port)
                #expect(try page.openWebSocket("/v1/live", headers: ["Origin": "http://evil.example"]).status == 403)
                let rebound = try TestClient(port: port)
                rebound.send("GET /health HTTP/1.1\r\nHost: evil.example:\(port)\r\n\r\n")
                #expect(try rebound.response().error == "forbidden_host")
                let proxied = try TestClient(port: port)
                proxied.send("GET http://evil.example/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                #expect(try proxied.response().error == "forbidden_host")
                // The server's own page.
                let own = try TestClient(port: port)
                let headers = ["Origin": "http://127.0.0.1:\(port)"]
                #expect(try own.openWebSocket("/v1/live", host: "127.0.0.1:\(port)", headers: headers).status == 101)
            }
            #expect(running.uploads.isEmpty)
        }
    }

    @Test func allowedPagesMayReadAnswers() async throws {
        try await withServer {
            $0.allowedOrigins = ["https://app.example"]
        } _: { running in
            let headers = ["Origin": "https://app.example"]
            let reply = try await running.send("POST", "/v1/transcribe", headers: headers, wave(16_000, seed: 1))
            #expect(reply.status == 200 && reply.headers["access-control-allow-origin"] == "https://app.example")
            #expect(reply.headers["vary"] == "Origin")
            let asked = try await running.send(
                "OPTIONS", "/v1/audio/transcriptions",
                headers: headers.merging([
                    "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization",
                ]) { $1 })
            #expect(asked.status == 200 && asked.headers["access-control-allow-headers"] == "authorization")
            #expect(asked.headers["access-control-allow-methods"] == "GET, POST")
            // The page may read errors too.
            let error = try await running.send("GET", "/nowhere", headers: headers)
            #expect(error.status == 404 && error.headers["access-control-allow-origin"] == "https://app.example")
        }
    }
}

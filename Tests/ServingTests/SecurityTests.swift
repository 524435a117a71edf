import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import TestSupport
import Testing

@testable import W2VServing

/// API keys and encryption.
@Suite struct SecurityTests {
    private let key = "sk-0123456789abcdef"

    private func keys(_ text: String, rights: Int = 0o600) throws -> APIKeys {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let file = try folder.write(text, to: "keys")
        try FileManager.default.setAttributes([.posixPermissions: rights], ofItemAtPath: file.path)
        return try APIKeys(file: file)
    }

    @Test func keysAreReadFromLines() throws {
        let keys = try keys("# Two keys\n\n  \(key)  \nother-key-of-someone\n")
        #expect(keys.contains(key) && keys.contains("other-key-of-someone"))
        for wrong in ["", "sk", key + "x", String(key.dropLast()), key.uppercased(), "# Two keys"] {
            #expect(!keys.contains(wrong))
        }
    }

    @Test(arguments: [
        ("", 0o600, "it has no keys"), ("# none\n", 0o600, "it has no keys"),
        ("short\n", 0o600, "line 1 has fewer than 16"),
        ("sk-0123456789abcdef\nsk-0123456789 abcdef\n", 0o600, "line 2 has a space"),
        ("sk-0123456789abcdeé\n", 0o600, "line 1 has a space or a character"),
        ("sk-0123456789abcdef\n", 0o666, "every user of this machine may change it"),
    ])
    func filesOfKeysThatProtectNothingAreRefused(text: String, rights: Int, reason: String) throws {
        do {
            _ = try keys(text, rights: rights)
            Issue.record("\(text) was accepted")
        } catch ServerError.badKeys(_, let found) { #expect(found.contains(reason), "\(found)") }
        #expect(throws: ServerError.self) { try APIKeys(file: URL(fileURLWithPath: "/nowhere/keys")) }
    }

    /// In a volume with a secret of Kubernetes, the file is a symbolic link, whose own rights are always 0777.
    @Test func theRightsAreThoseOfTheFileBehindALink() throws {
        try withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("file")
            let link = folder.appendingPathComponent("link")
            try Data("\(key)\n".utf8).write(to: file)
            try FileManager.default.createSymbolicLink(at: link, withDestinationURL: file)
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file.path)
            #expect(try APIKeys(file: link).contains(key))
            try FileManager.default.setAttributes([.posixPermissions: 0o666], ofItemAtPath: file.path)
            #expect(throws: ServerError.self) { try APIKeys(file: link) }
        }
    }

    /// As a shell's `<(…)` gives them.
    @Test func keysAreReadFromAPipe() throws {
        let pipe = Pipe()
        try pipe.fileHandleForWriting.write(contentsOf: Data("\(key)\n".utf8))
        try pipe.fileHandleForWriting.close()
        let file = URL(fileURLWithPath: "/proc/self/fd/\(pipe.fileHandleForReading.fileDescriptor)")
        #expect(try APIKeys(file: file).contains(key))
    }

    @Test func requestsShowAKey() async throws {
        let keys = try keys(key)
        try await withServer {
            $0.keys = keys
            $0.allowedOrigins = ["https://app.example"]
        } _: { running in
            let audio = try wave(16_000, seed: 1)
            for target in ["/", "/health", "/ready", "/openapi.json"] {
                #expect(try await running.send("GET", target).status == 200)
            }
            for (method, target) in [
                ("GET", "/metrics"), ("GET", "/v1/models"), ("GET", "/nowhere"), ("POST", "/v1/transcribe"),
                ("POST", "/v1/audio/transcriptions"), ("GET", "/v1/live"),
            ] {
                for headers in [
                    [:], ["Authorization": "Bearer wrong"], ["Authorization": key], ["Authorization": "Basic \(key)"],
                ] {
                    let reply = try await running.send(method, target, headers: headers, method == "POST" ? audio : nil)
                    #expect(reply.status == 401 && reply.error == "invalid_api_key", "\(target): \(reply.text)")
                    #expect(reply.headers["www-authenticate"] == "Bearer" && !reply.text.contains(key))
                }
            }
            let header = ["Authorization": "Bearer \(key)"]
            // Without a key, nothing about the models is revealed.
            #expect(try await Set(running.send("GET", "/health").json().keys) == ["status"])
            #expect(try await running.send("GET", "/health", headers: header).json()["model"] as? String == "small")
            #expect(try await running.send("POST", "/v1/transcribe", headers: header, audio).status == 200)
            #expect(
                try await running.send("GET", "/metrics", headers: ["authorization": "bearer \(key)"]).status == 200)
            // Browsers ask without a key whether they may send one.
            let asked = try await running.send(
                "OPTIONS", "/v1/transcribe",
                headers: ["Origin": "https://app.example", "Access-Control-Request-Headers": "authorization"])
            #expect(asked.status == 200)
            try await onThread { [port = running.port, key] in
                func open(_ protocols: String) throws -> TestReply {
                    try TestClient(port: port).openWebSocket(
                        "/v1/live", headers: ["Sec-WebSocket-Protocol": protocols])
                }
                let chosen = try open("realtime, openai-insecure-api-key.\(key)")
                #expect(chosen.status == 101 && chosen.headers["sec-websocket-protocol"] == "realtime")
                #expect(try open("openai-insecure-api-key.\(key)").status == 101)
                #expect(try open("realtime, openai-insecure-api-key.wrong").status == 401)
                #expect(try open("realtime").status == 401)
                let bearer = try TestClient(port: port)
                #expect(try bearer.openWebSocket("/v1/live", headers: ["Authorization": "Bearer \(key)"]).status == 101)
            }
            #expect(running.uploads.isEmpty)
        }
    }

    // MARK: Encryption

    private static let files = Repository.fixtures.appendingPathComponent("tls")

    private func certificate(_ certificate: String = "cert.pem", _ key: String = "key.pem") -> ServerCertificate {
        ServerCertificate(
            certificate: Self.files.appendingPathComponent(certificate), key: Self.files.appendingPathComponent(key))
    }

    /// Gathers what a server sends until it closes.
    private final class Gatherer: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private var text = ""
        private let done: EventLoopPromise<String>

        init(_ done: EventLoopPromise<String>) { self.done = done }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            text += String(buffer: unwrapInboundIn(data))
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            done.fail(error)
            context.close(promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) { done.succeed(text) }
    }

    private func exchange(
        _ bytes: Data, port: UInt16, from oldest: TLSVersion = .tlsv12, to newest: TLSVersion = .tlsv13
    ) async throws -> String {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = .file(Self.files.appendingPathComponent("cert.pem").path)
        configuration.minimumTLSVersion = oldest
        configuration.maximumTLSVersion = newest
        let context = try NIOSSLContext(configuration: configuration)
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let done = loop.makePromise(of: String.self)
        let channel = try await ClientBootstrap(group: loop).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandlers([
                    NIOSSLClientHandler(context: context, serverHostname: "localhost"), Gatherer(done),
                ])
            }
        }.connect(host: "127.0.0.1", port: Int(port)).get()
        channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
        return try await done.futureResult.get()
    }

    @Test func requestsAreEncrypted() async throws {
        try await withServer {
            $0.certificate = certificate()
        } _: { running in
            #expect(running.address.hasPrefix("https://127.0.0.1:"))
            let audio = try wave(160_000, seed: 1)
            let own = "https://127.0.0.1:\(running.port)"
            for version in [TLSVersion.tlsv12, .tlsv13] {
                let reply = try await exchange(
                    request(
                        "POST", "/v1/transcribe",
                        headers: ["Connection": "close", "Origin": own, "Host": "127.0.0.1:\(running.port)"], audio),
                    port: running.port, from: version, to: version)
                #expect(reply.hasPrefix("HTTP/1.1 200 OK\r\n") && reply.contains("\"text\""), "\(reply)")
            }
            // Its own page is not the one of the same name without encryption.
            let foreign = try await exchange(
                request(
                    "GET", "/health", headers: ["Connection": "close", "Origin": "http://127.0.0.1:\(running.port)"]),
                port: running.port)
            #expect(foreign.hasPrefix("HTTP/1.1 403 "), "\(foreign)")
            await #expect(throws: (any Error).self) {
                try await exchange(Data(), port: running.port, from: .tlsv1, to: .tlsv11)
            }
            // Without encryption nothing is answered, and the server goes on.
            try await onThread { [port = running.port] in
                let plain = try TestClient(port: port)
                plain.send(request("GET", "/health"))
                #expect(throws: (any Error).self) { try plain.response() }
            }
            let after = try await exchange(
                request("GET", "/health", headers: ["Connection": "close"]), port: running.port)
            #expect(after.hasPrefix("HTTP/1.1 200 "))
        }
    }

    @Test(arguments: [
        ("none.pem", "key.pem", "none.pem"), ("cert.pem", "none.pem", "none.pem"), ("key.pem", "key.pem", "key.pem"),
        ("cert.pem", "cert.pem", "cert.pem"), ("cert.pem", "other.pem", "other.pem"),
        ("cert.pem", "locked.pem", "locked.pem"),
    ])
    func certificatesThatCannotBeUsedAreNamed(certificate: String, key: String, blamed: String) async throws {
        var options = ServerOptions()
        options.port = 0
        options.certificate = self.certificate(certificate, key)
        let server = Server(options, facts: RunningServer.facts)
        do {
            _ = try await server.start()
            Issue.record("\(certificate) and \(key) were accepted")
            await server.stop(within: .zero)
        } catch ServerError.badCertificate(let path, _) {
            #expect(path == Self.files.appendingPathComponent(blamed).path)
        }
    }
}

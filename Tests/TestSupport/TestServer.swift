import Foundation
import Synchronization

/// A request as received by the server.
public struct TestRequest: Sendable {
    /// The path; for a request to a proxy, the whole address.
    public var target: String
    /// The headers by name in lower case.
    public var headers: [String: String]

    /// The first byte that is requested.
    public var rangeStart: Int? {
        headers["range"].flatMap { $0.split(separator: "=").last }.flatMap { $0.split(separator: "-").first }
            .flatMap { Int($0) }
    }
}

/// A server's response.
public struct TestResponse: Sendable {
    /// The status.
    public var status = 200
    /// The headers in addition to the length.
    public var headers: [String: String] = [:]
    /// The body.
    public var body = Data()
    /// The number of bytes of the body after which the server hangs up.
    public var closesAfter: Int?
    /// Whether the server then stalls instead of hanging up, until it is stopped.
    public var stalls = false
    /// Whether the length is left out.
    public var hidesLength = false

    /// Makes a response.
    public init(_ status: Int = 200, headers: [String: String] = [:], body: Data = Data()) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// Makes the response for a file, or the requested part of it.
    ///
    /// - Parameters:
    ///   - content: The whole file.
    ///   - request: The request.
    ///   - tag: The file's ETag.
    /// - Returns: 200 with the whole, 206 with the rest, or 416.
    public static func file(_ content: Data, _ request: TestRequest, tag: String = "\"1\"") -> TestResponse {
        guard let start = request.rangeStart, request.headers["if-range"].map({ $0 == tag }) ?? true else {
            return TestResponse(200, headers: ["ETag": tag], body: content)
        }
        guard start < content.count else {
            return TestResponse(416, headers: ["Content-Range": "bytes */\(content.count)"])
        }
        let range = "bytes \(start)-\(content.count - 1)/\(content.count)"
        return TestResponse(
            206, headers: ["ETag": tag, "Content-Range": range], body: content.dropFirst(start))
    }
}

/// A small HTTP server in this process, for tests of downloads.
public final class TestServer: Sendable {
    private let listener: Int32
    private let state = Mutex((requests: [TestRequest](), isEnding: false))
    private let answer: @Sendable (TestRequest, Int) -> TestResponse

    /// A proxy in this machine's environment cannot reach our servers.
    private static let withoutProxy = setenv("no_proxy", "127.0.0.1", 1)

    /// `http://127.0.0.1:PORT`.
    public let address: String

    /// The requests so far.
    public var requests: [TestRequest] { state.withLock { $0.requests } }

    /// Starts a server on a free port.
    ///
    /// - Parameter answer: Returns the response to a request; the number counts the requests from 0.
    /// - Throws: `POSIXError`.
    public init(_ answer: @escaping @Sendable (_ request: TestRequest, _ number: Int) -> TestResponse) throws {
        self.answer = answer
        _ = Self.withoutProxy
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(descriptor, generic, length) == 0 && listen(descriptor, 16) == 0
                    && getsockname(descriptor, generic, &length) == 0
            }
        }
        guard isListening else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
        listener = descriptor
        address = "http://127.0.0.1:\(UInt16(bigEndian: name.sin_port))"
        Thread { [self] in serve() }.start()
    }

    /// Starts a server of files by path, with range requests.
    ///
    /// - Parameter files: The files by path.
    /// - Throws: `POSIXError`.
    public convenience init(files: [String: Data]) throws {
        try self.init { request, _ in
            files[request.target].map { TestResponse.file($0, request) } ?? TestResponse(404)
        }
    }

    /// Stops the server, including stalled connections.
    public func stop() {
        state.withLock { $0.isEnding = true }
        shutdown(listener, Int32(SHUT_RDWR))
    }

    private func serve() {
        while true {
            let connection = accept(listener, nil, nil)
            guard connection >= 0 else {
                if errno == EINTR { continue }
                close(listener)
                return
            }
            Thread { [self] in
                handle(connection)
                close(connection)
            }.start()
        }
    }

    private func handle(_ connection: Int32) {
        guard let request = read(connection) else { return }
        let number = state.withLock { state in
            state.requests.append(request)
            return state.requests.count - 1
        }
        let response = answer(request, number)
        var head = "HTTP/1.1 \(response.status) Status\r\nConnection: close\r\n"
        if !response.hidesLength { head += "Content-Length: \(response.body.count)\r\n" }
        for (name, value) in response.headers { head += "\(name): \(value)\r\n" }
        let body = response.body.prefix(response.closesAfter ?? Int.max)
        guard send(Data((head + "\r\n").utf8), connection), send(Data(body), connection) else { return }
        while response.stalls && !state.withLock({ $0.isEnding }) { Thread.sleep(forTimeInterval: 0.01) }
        // Unread or unsent bytes would turn the end into a reset.
        shutdown(connection, Int32(SHUT_WR))
    }

    private func read(_ connection: Int32) -> TestRequest? {
        var bytes = Data()
        var buffer = [UInt8](repeating: 0, count: 4096)
        while bytes.range(of: Data("\r\n\r\n".utf8)) == nil {
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { return nil }
            bytes.append(contentsOf: buffer.prefix(count))
        }
        let lines = String(decoding: bytes, as: UTF8.self).components(separatedBy: "\r\n")
        let words = lines[0].split(separator: " ")
        guard words.count >= 2 else { return nil }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(
                in: .whitespaces)
        }
        return TestRequest(target: String(words[1]), headers: headers)
    }

    private func send(_ data: Data, _ connection: Int32) -> Bool {
        data.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) -> Bool in
            var rest = bytes[...]
            while !rest.isEmpty {
                let part = UnsafeRawBufferPointer(rebasing: rest)
                let count = Foundation.send(connection, part.baseAddress, part.count, Int32(MSG_NOSIGNAL))
                guard count > 0 else { return false }
                rest = rest.dropFirst(count)
            }
            return true
        }
    }
}

import Foundation

/// A server's response.
public struct TestReply: Sendable {
    /// The status.
    public var status: Int
    /// The headers by name in lower case.
    public var headers: [String: String]
    /// The body.
    public var body: Data
    /// The pieces in which a body of unknown length came.
    public var chunks: [Data] = []

    /// The body as text.
    public var text: String { String(decoding: body, as: UTF8.self) }

    /// The body's JSON object.
    public func json() throws -> [String: Any] { try JSONSerialization.jsonObject(with: body) as? [String: Any] ?? [:] }

    /// The type of the error, if its message is a sentence.
    public var error: String? {
        guard let error = try? json()["error"] as? [String: Any], let type = error["type"] as? String,
            (error["message"] as? String)?.hasSuffix(".") == false
        else { return nil }
        return type
    }
}

/// The connection ended too early.
public struct ConnectionEnded: Error {}

/// A connection to a server in this process; its calls block, and belong on a separate thread: `onThread`.
public final class TestClient {
    private let descriptor: Int32
    private var buffer = Data()

    /// Connects to a port of this machine.
    public init(port: UInt16) throws {
        signal(SIGPIPE, SIG_IGN)
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var limit = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let status = withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else {
            Foundation.close(descriptor)
            throw ConnectionEnded()
        }
    }

    deinit { Foundation.close(descriptor) }

    /// Sends text.
    public func send(_ text: String) { send(Data(text.utf8)) }

    /// Sends as much of the data as the server accepts.
    public func send(_ data: Data) {
        data.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let part = UnsafeRawBufferPointer(rebasing: rest)
                let count = Foundation.send(descriptor, part.baseAddress, part.count, Int32(MSG_NOSIGNAL))
                guard count > 0 else { return }
                rest = rest.dropFirst(count)
            }
        }
    }

    /// Closes this side of the connection, and still reads.
    public func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Whether the server has closed the connection and everything was read.
    public func isClosed() -> Bool { buffer.isEmpty && (try? fill()) == nil }

    /// Reads this many bytes.
    public func read(_ count: Int) throws -> Data {
        while buffer.count < count { try fill() }
        defer { buffer = Data(buffer.dropFirst(count)) }
        return Data(buffer.prefix(count))
    }

    /// Reads a response; responses with status 100 are skipped unless requested.
    public func response(withContinue: Bool = false, toHead: Bool = false) throws -> TestReply {
        while buffer.range(of: Data("\r\n\r\n".utf8)) == nil { try fill() }
        let end = buffer.range(of: Data("\r\n\r\n".utf8))?.upperBound ?? 0
        let lines = String(decoding: try read(end), as: UTF8.self).components(separatedBy: "\r\n")
        let status = lines[0].split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        if status == 100, !withContinue { return try response() }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] =
                line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
        }
        if headers["transfer-encoding"] == "chunked", !toHead {
            let chunks = try chunks()
            return TestReply(status: status, headers: headers, body: Data(chunks.joined()), chunks: chunks)
        }
        let length = toHead ? 0 : headers["content-length"].flatMap { Int($0) } ?? 0
        return TestReply(status: status, headers: headers, body: try read(length))
    }

    /// Reads a body in chunks.
    private func chunks() throws -> [Data] {
        var chunks: [Data] = []
        while true {
            while buffer.range(of: Data("\r\n".utf8)) == nil { try fill() }
            let end = buffer.range(of: Data("\r\n".utf8))?.upperBound ?? 0
            let size = String(decoding: try read(end).dropLast(2), as: UTF8.self)
            guard let count = Int(size, radix: 16) else { throw ConnectionEnded() }
            let chunk = try read(count)
            _ = try read(2)
            if count == 0 { return chunks }
            chunks.append(chunk)
        }
    }

    private func fill() throws {
        var block = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &block, block.count, 0)
        guard count > 0 else { throw ConnectionEnded() }
        buffer.append(contentsOf: block.prefix(count))
    }
}

/// WebSockets.
extension TestClient {
    /// Opens a WebSocket; returns the server's response.
    @discardableResult
    public func openWebSocket(
        _ target: String, host: String = "127.0.0.1", headers: [String: String] = [:]
    ) throws -> TestReply {
        let more = headers.map { "\($0): \($1)\r\n" }.joined()
        send(
            "GET \(target) HTTP/1.1\r\nHost: \(host)\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
                + "\(more)Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
        return try response()
    }

    /// Sends a masked frame.
    ///
    /// - Parameters:
    ///   - opcode: The frame's kind and reserved bits.
    ///   - payload: The content.
    ///   - isLast: Whether the message ends with the frame.
    ///   - announced: The length that the frame announces, if it is not that of the content.
    ///   - isMasked: Whether the content is masked, as it must be.
    public func sendFrame(
        _ opcode: UInt8, _ payload: Data, isLast: Bool = true, announced: Int? = nil, isMasked: Bool = true
    ) {
        // A mask of zeros is a mask too, and large contents take no time.
        let mask: [UInt8] = isMasked && payload.count < 65_536 ? [7, 11, 13, 17] : [0, 0, 0, 0]
        var frame = Data([opcode | (isLast ? 0x80 : 0)])
        let count = announced ?? payload.count
        let flag: UInt8 = isMasked ? 0x80 : 0
        if count < 126 {
            frame.append(flag | UInt8(count))
        } else {
            frame.append(flag | 127)
            for shift in stride(from: 56, through: 0, by: -8) { frame.append(UInt8(count >> shift & 255)) }
        }
        if isMasked { frame.append(contentsOf: mask) }
        frame.append(
            mask[0] == 0 ? payload : Data(payload.enumerated().map { $1 ^ mask[$0 % 4] }))
        send(frame)
    }

    /// Reads the next frame.
    public func frame() throws -> (opcode: UInt8, payload: Data) {
        let head = try read(2)
        var length = Int(head[1] & 127)
        if length == 126 { length = try read(2).reduce(0) { $0 << 8 | Int($1) } }
        if length == 127 { length = try read(8).reduce(0) { $0 << 8 | Int($1) } }
        return (head[0] & 15, try read(length))
    }

    /// Reads text messages until the server closes, and returns them with its code.
    public func messages() throws -> (texts: [String], code: Int) {
        let answer = try messagesAndReason()
        return (answer.texts, answer.code)
    }

    /// Reads text messages until the server closes, and returns them with its code and reason.
    public func messagesAndReason() throws -> (texts: [String], code: Int, reason: String) {
        var texts: [String] = []
        while true {
            let (opcode, payload) = try frame()
            switch opcode {
            case 1: texts.append(String(decoding: payload, as: UTF8.self))
            case 8:
                sendFrame(8, payload.prefix(2))
                let code = payload.prefix(2).reduce(0) { $0 << 8 | Int($1) }
                return (texts, code, String(decoding: payload.dropFirst(2), as: UTF8.self))
            default: break
            }
        }
    }
}

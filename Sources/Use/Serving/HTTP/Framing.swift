import NIOHTTP1

extension RequestError {
    /// An error for a request that two servers in a row could parse differently, the basis of request smuggling; nil if
    /// there is nothing wrong with it.
    ///
    /// Source: RFC 9112, sections 3.2 and 6.
    init?(framing head: HTTPRequestHead) {
        let hosts = head.headers["Host"]
        guard head.isHTTP10 || hosts.count == 1 else {
            self = .bad(
                hosts.isEmpty ? "The request has no Host header" : "The request has \(hosts.count) Host headers",
                "send one")
            return
        }
        let lengths = head.headers["Content-Length"]
        if let length = lengths.first(where: { !$0.utf8.allSatisfy { (48...57).contains($0) } || Int($0) == nil }) {
            self = .bad("The Content-Length \"\(length.prefix(40))\" is not a number of digits only")
            return
        }
        let codings = head.headers["Transfer-Encoding"]
        guard lengths.count <= 1, lengths.isEmpty || codings.isEmpty else {
            self = .bad("The request declares its length more than once", "send one Content-Length, or chunks")
            return
        }
        guard codings.isEmpty || codings.count == 1 && codings[0].lowercased() == "chunked" && !head.isHTTP10
        else {
            self = .bad(
                "The Transfer-Encoding \"\(codings.joined(separator: ", ").prefix(40))\" is not supported",
                "send the body in chunks (chunked, in HTTP/1.1) or with a Content-Length")
            return
        }
        return nil
    }

    /// An error for bytes that are not a valid request.
    ///
    /// - Parameters:
    ///   - error: The parser's error.
    ///   - limits: The limits of a head.
    init(malformed error: any Error, _ limits: ConnectionLimits) {
        switch error {
        case is HeadGate.HeadTooLarge, HTTPParserError.headerOverflow:
            self.init(
                status: .requestHeaderFieldsTooLarge, type: "headers_too_large",
                "The request's head has more than \(limits.headBytes >> 10) KB or \(limits.headFields) fields",
                "send fewer or shorter headers")
        case HTTPParserError.invalidVersion:
            self.init(
                status: .httpVersionNotSupported, type: "bad_version",
                "The request is not in HTTP/1.0 or HTTP/1.1", "send it in one of them")
        case HTTPParserError.invalidChunkSize: self = .bad("The size of a chunk is malformed", nil)
        case HTTPParserError.invalidContentLength, HTTPParserError.unexpectedContentLength:
            self = .bad("The request's Content-Length is malformed, or its length is declared twice")
        case HTTPParserError.invalidMethod: self = .bad("The request's method is unknown")
        case HTTPParserError.invalidURL: self = .bad("The request's target is malformed")
        case HTTPParserError.invalidHeaderToken: self = .bad("A header of the request is malformed")
        default: self = .bad("The request is malformed")
        }
    }

    /// The same error for a body, once its head has been accepted.
    var inBody: RequestError {
        guard status == .badRequest else { return self }
        return .bad("The body cannot be read (its chunks are malformed)", "send it with a Content-Length")
    }
}

extension HTTPRequestHead {
    /// Whether the client speaks HTTP/1.0, which knows no chunks and no `100 Continue`.
    var isHTTP10: Bool { version.minor == 0 }

    /// Whether another protocol is to follow, so that the decoder parses no further request.
    var asksForUpgrade: Bool { method == .CONNECT || headers.contains(name: "upgrade") }
}

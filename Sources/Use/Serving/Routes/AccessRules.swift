import Foundation
import NIOHTTP1
import W2VBase

/// The rules of access through a browser.
///
/// A page of any site can make its reader's browser send requests to 127.0.0.1. Browsers name the page's origin in such
/// requests, and a foreign origin is refused. By DNS rebinding a page can point its own name at the server's address,
/// so that its origin is no longer foreign. A server for this machine only therefore refuses names other than its own.
struct AccessRules: Sendable {
    private let origins: Set<String>
    private let hosts: Set<String>
    private let checksHost: Bool

    /// Makes rules.
    ///
    /// - Parameters:
    ///   - options: The origins and names that are also allowed.
    ///   - isLocal: Whether the server listens on a loopback address.
    init(_ options: ServerOptions, isLocal: Bool) {
        origins = Set(options.allowedOrigins.map { $0.lowercased() })
        hosts = Set((["localhost", options.host] + options.allowedHosts).map(Self.normalized))
        checksHost = isLocal || !options.allowedHosts.isEmpty
    }

    /// Checks a request.
    ///
    /// - Parameters:
    ///   - headers: The request's headers.
    ///   - host: The host in the request's target, if it has one.
    ///   - isEncrypted: Whether the request came over an encrypted connection, so that the server's own page is https.
    /// - Returns: The foreign origin that is allowed to read the response; nil for a request that is not from a foreign
    ///   page.
    /// - Throws: `RequestError`.
    func check(_ headers: HTTPHeaders, host: String?, isEncrypted: Bool = false) throws -> String? {
        let host = host ?? headers.first(name: "Host")
        if checksHost, let host, !isOwn(host) {
            throw RequestError(
                status: .forbidden, type: "forbidden_host",
                "This server is not called \"\(host.prefix(80))\"", "use its address, or \(Phrase.allowHost)"
            )
        }
        guard let origin = headers.first(name: "Origin") else { return nil }
        if let host, Self.isSame(origin, host), !isEncrypted || origin.lowercased().hasPrefix("https:") { return nil }
        if origins.contains("*") || origins.contains(origin.lowercased()) { return origin }
        throw RequestError(
            status: .forbidden, type: "forbidden_origin",
            "Pages of \"\(origin.prefix(80))\" may not use this server", "\(Phrase.allowOrigin)")
    }

    /// Returns the headers of a response that a foreign page may read.
    ///
    /// Source: the Fetch standard, https://fetch.spec.whatwg.org/#http-cors-protocol
    static func headers(for origin: String) -> HTTPHeaders {
        [
            "Access-Control-Allow-Origin": origin, "Vary": "Origin",
            "Access-Control-Expose-Headers":
                "Retry-After, Alignment-Doubt, \(Reply.ignoredParameters), \(RequestIdentifier.header)",
        ]
    }

    /// Returns the response to a browser that asks whether a foreign page may send a request.
    static func preflight(_ headers: HTTPHeaders) -> Reply {
        var reply = Reply(contentType: Reply.text, body: Data())
        reply.headers.add(name: "Access-Control-Allow-Methods", value: "GET, POST")
        reply.headers.add(
            name: "Access-Control-Allow-Headers", value: headers.first(name: "Access-Control-Request-Headers") ?? "*")
        reply.headers.add(name: "Access-Control-Allow-Private-Network", value: "true")
        reply.headers.add(name: "Access-Control-Max-Age", value: "600")
        return reply
    }

    private func isOwn(_ host: String) -> Bool {
        let name = Self.normalized(Self.split(host).name)
        return name.isEmpty || Self.isAddress(name) || name.hasSuffix(".localhost") || hosts.contains(name)
    }

    /// Whether an origin has the name and port of the requested host.
    private static func isSame(_ origin: String, _ host: String) -> Bool {
        guard let separator = origin.range(of: "://") else { return false }
        let usualPort = ["http": "80", "https": "443"][origin[..<separator.lowerBound].lowercased()]
        let (page, own) = (split(String(origin[separator.upperBound...])), split(host))
        guard let port = page.port ?? usualPort else { return false }
        return normalized(page.name) == normalized(own.name) && port == own.port ?? usualPort
    }

    /// Splits `name:port`, where the name may be an IPv6 address in brackets.
    private static func split(_ host: String) -> (name: String, port: String?) {
        guard let colon = host.lastIndex(of: ":"), !host.hasSuffix("]"),
            host[..<colon].hasSuffix("]") || !host[..<colon].contains(":")
        else { return (host, nil) }
        return (String(host[..<colon]), String(host[host.index(after: colon)...]))
    }

    private static func normalized(_ host: String) -> String {
        let name = host.trimmingCharacters(in: CharacterSet(charactersIn: "[]")).lowercased()
        return name.hasSuffix(".") ? String(name.dropLast()) : name
    }

    private static func isAddress(_ name: String) -> Bool {
        var address = in6_addr()
        let plain = name.prefix { $0 != "%" }
        return inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, String(plain), &address) == 1
    }
}

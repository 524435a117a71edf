import FlyingFox
import Foundation

/// The target of a request: a path and parameters.
///
/// Source: RFC 9112, section 3.2: a path, or a whole address as a proxy sends it. `//v1/live` is a path, not a host.
struct RequestTarget: Sendable {
    /// The path, percent-decoded, with runs of slashes merged and `.` and `..` resolved.
    let path: String
    /// The query's names and values, percent-decoded, in their order.
    let query: [(name: String, value: String)]
    /// The host of an absolute address, which takes precedence over the `Host` header.
    let host: String?

    /// Parses a request's target.
    init(_ target: HTTPRequest.Target) {
        var raw = Substring(target.path(percentEncoded: true))
        var host: String?
        for scheme in ["http://", "https://"] where raw.lowercased().hasPrefix(scheme) {
            let rest = raw.dropFirst(scheme.count)
            host = String(rest.prefix { $0 != "/" })
            raw = rest.dropFirst(host?.count ?? 0)
        }
        self.host = host
        var parts: [Substring] = []
        let decoded = Self.decoded(raw)
        for part in decoded.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        let isFolder = decoded.hasSuffix("/") && !parts.isEmpty
        path = "/" + parts.joined(separator: "/") + (isFolder ? "/" : "")
        query = target.query(percentEncoded: true).split(separator: "&").map { item in
            let sign = item.firstIndex(of: "=") ?? item.endIndex
            return (Self.decoded(item[..<sign]), Self.decoded(item[sign...].dropFirst()))
        }
    }

    private static func decoded(_ text: Substring) -> String { text.removingPercentEncoding ?? String(text) }
}

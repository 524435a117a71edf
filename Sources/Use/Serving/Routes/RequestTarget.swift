import Foundation

/// The target of a request: a path and parameters.
///
/// Source: RFC 9112, section 3.2: a path, or a whole address as a proxy sends it. `//v1/live` is a path, not a host.
struct RequestTarget: Sendable {
    /// The path, percent-decoded, with runs of slashes merged and `.` and `..` resolved.
    let path: String
    /// The query's names and values in their order, percent-decoded, with spaces for plus signs.
    let query: [(name: String, value: String)]
    /// The host of an absolute address, which takes precedence over the `Host` header.
    let host: String?

    /// Parses a request's target.
    init(_ target: String) {
        let parts = target.prefix { $0 != "#" }.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var raw = parts.first ?? ""
        var host: String?
        for scheme in ["http://", "https://"] where raw.lowercased().hasPrefix(scheme) {
            let rest = raw.dropFirst(scheme.count)
            host = String(rest.prefix { $0 != "/" })
            raw = rest.dropFirst(host?.count ?? 0)
        }
        self.host = host
        var names: [Substring] = []
        let decoded = Self.decoded(raw)
        for part in decoded.split(separator: "/") where part != "." {
            if part == ".." { _ = names.popLast() } else { names.append(part) }
        }
        let isFolder = decoded.hasSuffix("/") && !names.isEmpty
        path = "/" + names.joined(separator: "/") + (isFolder ? "/" : "")
        query = (parts.count > 1 ? parts[1] : "").split(separator: "&").map { item in
            let sign = item.firstIndex(of: "=") ?? item.endIndex
            return (Self.spaced(item[..<sign]), Self.spaced(item[sign...].dropFirst()))
        }
    }

    /// Decodes a part of the query, where forms and many HTTP libraries write a space as a plus sign.
    ///
    /// Source: the URL standard, section 5.1.
    private static func spaced(_ text: Substring) -> String { decoded(Substring(text.replacing("+", with: " "))) }

    private static func decoded(_ text: Substring) -> String { text.removingPercentEncoding ?? String(text) }
}

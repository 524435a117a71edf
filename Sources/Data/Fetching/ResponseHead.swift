import Foundation

/// A response's status and headers; of a chain of redirects, the last response's.
struct ResponseHead: Equatable {
    private(set) var status = 0
    /// By name in lower case.
    private var fields: [String: String] = [:]

    /// Reads a line of a head; a status line begins another response.
    mutating func read(_ line: String) {
        let line = line.trimmingCharacters(in: .whitespacesAndNewlines)
        if line.hasPrefix("HTTP/") {
            self = ResponseHead()
            status = line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
            return
        }
        guard let colon = line.firstIndex(of: ":") else { return }
        fields[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
    }

    subscript(name: String) -> String? { fields[name] }

    /// What tells this version of the file from others: a strong ETag, or the time of its last change.
    var validator: String? {
        if let tag = fields["etag"], tag.hasPrefix("\"") { return tag }
        return fields["last-modified"]
    }

    /// The part that the body is: where it starts, and how long the whole file is.
    var contentRange: (start: Int, total: Int?)? {
        guard let text = fields["content-range"], text.hasPrefix("bytes ") else { return nil }
        let halves = text.dropFirst(6).split(separator: "/")
        guard halves.count == 2, let start = halves[0].split(separator: "-").first.flatMap({ Int($0) }) else {
            return nil
        }
        return (start, Int(halves[1]))
    }

    /// The body's length; nil where it is not told, or is that of a compressed form.
    var contentLength: Int? {
        fields["content-encoding"].map { $0 != "identity" } == true ? nil : fields["content-length"].flatMap { Int($0) }
    }

    /// How many seconds the server asks to wait.
    var retryAfter: Double? { fields["retry-after"].flatMap { Double($0) }.map { min(max($0, 0), 300) } }
}

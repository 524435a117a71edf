import Foundation

/// The status and headers of a response; after redirects, of the last response.
struct ResponseHead: Equatable {
    private(set) var status = 0
    /// The headers by name in lower case.
    private var fields: [String: String] = [:]

    /// Reads a line of a head; a status line starts another response.
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

    /// The validator that distinguishes versions of the file: a strong ETag, or the time of the last change.
    var validator: String? {
        if let tag = fields["etag"], tag.hasPrefix("\"") { return tag }
        return fields["last-modified"]
    }

    /// The range of the body: its start, and the length of the whole file.
    var contentRange: (start: Int, total: Int?)? {
        guard let text = fields["content-range"], text.hasPrefix("bytes ") else { return nil }
        let halves = text.dropFirst(6).split(separator: "/")
        guard halves.count == 2, let start = halves[0].split(separator: "-").first.flatMap({ Int($0) }) else {
            return nil
        }
        return (start, Int(halves[1]))
    }

    /// The body's length; nil if it is missing, or is that of a compressed form.
    var contentLength: Int? {
        fields["content-encoding"].map { $0 != "identity" } == true ? nil : fields["content-length"].flatMap { Int($0) }
    }

    /// The number of seconds that the server asks to wait.
    var retryAfter: Double? { fields["retry-after"].flatMap { Double($0) }.map { min(max($0, 0), 300) } }
}

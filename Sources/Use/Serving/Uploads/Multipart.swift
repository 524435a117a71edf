import Foundation

/// Parses `multipart/form-data` as it arrives; buffers no more than a line and a header.
///
/// Source: RFC 7578 and RFC 2046, section 5.1.
struct Multipart {
    /// The next item of the body.
    enum Event: Equatable {
        /// The start of a part.
        case part(name: String, filename: String?)
        /// Bytes of the current part.
        case data(Data)
    }

    private enum State { case boundary, afterBoundary, header, data, end }

    private static let lineEnd = Data("\r\n".utf8)
    private static let longestHeader = 16_384
    private let delimiter: Data
    private var state = State.boundary
    /// Starts with a line end, since the first boundary needs none before it.
    private var buffer = lineEnd

    /// Starts parsing.
    ///
    /// - Parameter contentType: The request's content type.
    /// - Throws: `RequestError` when it names no boundary.
    init(contentType: String) throws {
        let (_, parameters) = Self.parameters(contentType)
        guard let boundary = parameters["boundary"], !boundary.isEmpty, boundary.utf8.count <= 200 else {
            throw RequestError.bad("The multipart body's Content-Type names no boundary", "let the HTTP client set it")
        }
        delimiter = Data("\r\n--\(boundary)".utf8)
    }

    /// Whether the final boundary has arrived.
    var isComplete: Bool { state == .end }

    /// Parses the next bytes.
    ///
    /// - Parameters:
    ///   - bytes: The bytes.
    ///   - body: Called with each event.
    /// - Throws: `RequestError` for an invalid multipart body; an error of `body`.
    mutating func append(_ bytes: Data, _ body: (Event) throws -> Void) throws {
        buffer.append(bytes)
        while try advance(body) {}
    }

    /// Takes the next step, if enough bytes have arrived for it.
    private mutating func advance(_ body: (Event) throws -> Void) throws -> Bool {
        switch state {
        case .boundary, .data:
            if let found = buffer.range(of: delimiter) {
                if state == .data, found.lowerBound > buffer.startIndex {
                    try body(.data(buffer[..<found.lowerBound]))
                }
                buffer = Data(buffer[found.upperBound...])
                state = .afterBoundary
                return true
            }
            // The end of the buffer may be the start of a boundary.
            let count = buffer.count - delimiter.count + 1
            guard count > 0 else { return false }
            if state == .data { try body(.data(buffer.prefix(count))) }
            buffer = Data(buffer.dropFirst(count))
            return false
        case .afterBoundary:
            guard buffer.count >= 2 else { return false }
            if buffer.starts(with: Data("--".utf8)) {
                state = .end
                return true
            }
            guard let end = buffer.range(of: Self.lineEnd) else { return try waitForHeader() }
            // The line end stays, since the empty line of a part without headers follows directly.
            buffer = Data(buffer[end.lowerBound...])
            state = .header
            return true
        case .header:
            guard let end = buffer.range(of: Data("\r\n\r\n".utf8)) else { return try waitForHeader() }
            try body(Self.part(String(decoding: buffer[..<end.lowerBound], as: UTF8.self)))
            buffer = Data(buffer[end.upperBound...])
            state = .data
            return true
        case .end:
            buffer.removeAll()
            return false
        }
    }

    private func waitForHeader() throws -> Bool {
        guard buffer.count <= Self.longestHeader else {
            throw RequestError.bad("A part of the multipart body has a header of more than 16 KB")
        }
        return false
    }

    private static func part(_ header: String) -> Event {
        var name = ""
        var filename: String?
        for line in header.split(whereSeparator: \.isNewline) {
            guard let colon = line.firstIndex(of: ":"),
                line[..<colon].trimmingCharacters(in: .whitespaces).lowercased() == "content-disposition"
            else { continue }
            let (_, parameters) = parameters(String(line[line.index(after: colon)...]))
            name = parameters["name"] ?? ""
            filename = parameters["filename"]
        }
        return .part(name: name, filename: filename)
    }

    /// Parses a header into its value in lower case and its parameters by name.
    static func parameters(_ header: String) -> (value: String, [String: String]) {
        var fields: [String] = [""]
        var isQuoted = false
        var isEscaped = false
        for letter in header {
            switch letter {
            case _ where isEscaped:
                fields[fields.count - 1].append(letter)
                isEscaped = false
            case "\\" where isQuoted: isEscaped = true
            case "\"": isQuoted.toggle()
            case ";" where !isQuoted: fields.append("")
            default: fields[fields.count - 1].append(letter)
            }
        }
        var parameters: [String: String] = [:]
        for field in fields.dropFirst() {
            guard let sign = field.firstIndex(of: "=") else { continue }
            let key = field[..<sign].trimmingCharacters(in: .whitespaces).lowercased()
            parameters[key] = field[field.index(after: sign)...].trimmingCharacters(in: .whitespaces)
        }
        return (fields[0].trimmingCharacters(in: .whitespaces).lowercased(), parameters)
    }
}

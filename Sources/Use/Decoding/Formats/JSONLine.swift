import Foundation

/// An encodable value as one line of JSON with sorted keys in snake case.
package func jsonLine(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}

/// What stands behind a key of a JSON object that is written piece by piece.
package enum JSONMember {
    /// A value that is small.
    case value(any Encodable)
    /// A list that may be long.
    case list([TimedText])
}

/// One JSON object in a line, as `jsonLine` would give it, but long lists are never encoded as a whole: an encoder takes
/// ten times the memory of what it encodes.
///
/// - Parameters:
///   - members: What stands behind each key; the keys are in snake case.
///   - body: Gets the line in pieces.
/// - Throws: What `body` throws.
package func writeJSONLine(_ members: [String: JSONMember], to body: (String) throws -> Void) throws {
    var separator = "{"
    for (key, member) in members.sorted(by: { $0.key < $1.key }) {
        try body("\(separator)\"\(key)\":")
        separator = ","
        switch member {
        case .value(let value): try body(jsonLine(value))
        case .list(let texts):
            try body("[")
            for start in stride(from: 0, to: texts.count, by: 100) {
                let encoded = try jsonLine(Array(texts[start..<min(start + 100, texts.count)]))
                try body((start == 0 ? "" : ",") + encoded.dropFirst().dropLast())
            }
            try body("]")
        }
    }
    try body("}\n")
}

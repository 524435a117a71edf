import Foundation

/// Encodes a value as one line of JSON with sorted keys in snake case.
///
/// - Parameter value: The value.
/// - Returns: The line, without its end.
/// - Throws: An error of the value, or of the encoder for NaN and infinite numbers.
public func jsonLine(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}

/// The value of a JSON object's member that is written piece by piece.
public struct JSONMember {
    fileprivate let write: ((String) throws -> Void) throws -> Void

    /// Makes a small value.
    public static func value(_ value: some Encodable) -> JSONMember {
        JSONMember { body in try body(jsonLine(value)) }
    }

    /// Makes a list that may be long.
    public static func list(_ items: [some Encodable]) -> JSONMember {
        JSONMember { body in
            try body("[")
            for start in stride(from: 0, to: items.count, by: 100) {
                let encoded = try jsonLine(Array(items[start..<min(start + 100, items.count)]))
                try body((start == 0 ? "" : ",") + encoded.dropFirst().dropLast())
            }
            try body("]")
        }
    }
}

/// Writes one JSON object as a line, like `jsonLine`, but without encoding long lists as a whole: an encoder takes ten
/// times the memory of what it encodes.
///
/// - Parameters:
///   - members: The value of each key; the keys are in snake case.
///   - body: Receives the line in pieces.
/// - Throws: What `body` throws.
public func writeJSONLine(_ members: [String: JSONMember], to body: (String) throws -> Void) throws {
    var separator = "{"
    for (key, member) in members.sorted(by: { $0.key < $1.key }) {
        try body("\(separator)\"\(key)\":")
        separator = ","
        try member.write(body)
    }
    try body("}\n")
}

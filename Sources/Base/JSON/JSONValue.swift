import Foundation

/// A JSON value whose layout is not known beforehand.
public enum JSONValue: Sendable, Equatable {
    /// No value.
    case null
    /// A truth value.
    case bool(Bool)
    /// A number without point and exponent that an `Int` holds.
    case integer(Int)
    /// Any other number.
    case number(Double)
    /// A text.
    case string(String)
    /// A list.
    indirect case array([JSONValue])
    /// Members with keys.
    indirect case object(JSONObject)

    /// Takes over what an encodable value becomes in JSON, its keys in snake case as in ``jsonLine(_:)``.
    ///
    /// - Parameter value: The value.
    /// - Throws: What the value throws, and the encoder for numbers that JSON does not have.
    public init(encoding value: some Encodable) throws {
        self = try JSONParser.value(Data(jsonLine(value).utf8))
    }

    /// The object's member, if this is an object that has it.
    public subscript(key: String) -> JSONValue? { object?[key] }

    /// The members, if this is an object.
    public var object: JSONObject? {
        guard case .object(let value) = self else { return nil }
        return value
    }

    /// The text, if this is one.
    public var string: String? {
        guard case .string(let value) = self else { return nil }
        return value
    }

    /// The number, if this is a whole one.
    public var integer: Int? {
        guard case .integer(let value) = self else { return nil }
        return value
    }

    /// The number, if this is one.
    public var double: Double? {
        switch self {
        case .number(let value): return value
        case .integer(let value): return Double(value)
        default: return nil
        }
    }

    /// The truth value, if this is one.
    public var bool: Bool? {
        guard case .bool(let value) = self else { return nil }
        return value
    }

    /// The list, if this is one.
    public var array: [JSONValue]? {
        guard case .array(let value) = self else { return nil }
        return value
    }

    // MARK: Text

    /// The value as text, its members sorted and indented.
    ///
    /// A number that is not an integer keeps its point, which typed readers such as Transformers' insist on.
    public var text: String { text(indent: "") }

    /// The value on one line without spaces, its members sorted.
    public var line: String {
        switch self {
        case .array(let items): return "[" + items.map(\.line).joined(separator: ",") + "]"
        case .object(let members):
            return "{" + members.sorted.map { "\($0.key.jsonQuoted):\($0.value.line)" }.joined(separator: ",") + "}"
        default: return text
        }
    }

    /// The value on one line for an error message, at most 80 characters of it.
    public var excerpt: String {
        let line = inline
        return line.count <= 80 ? line : line.prefix(80) + "…"
    }

    private var inline: String {
        switch self {
        // No more of a long list is needed than an excerpt shows.
        case .array(let items): return "[" + items.prefix(41).map(\.inline).joined(separator: ", ") + "]"
        case .object(let members):
            let shown = members.prefix(41).map { "\($0.printable.jsonQuoted): \($1.inline)" }
            return "{" + shown.joined(separator: ", ") + "}"
        case .string(let value): return value.printable.jsonQuoted
        default: return text
        }
    }

    private func text(indent: String) -> String {
        let inner = indent + "  "
        func block(_ open: String, _ close: String, _ items: [String]) -> String {
            items.isEmpty
                ? open + close : "\(open)\n\(items.map { inner + $0 }.joined(separator: ",\n"))\n\(indent)\(close)"
        }
        switch self {
        case .null: return "null"
        case .bool(let value): return value ? "true" : "false"
        case .integer(let value): return String(value)
        case .number(let value): return value.isFinite ? String(value) : "null"
        case .string(let value): return value.jsonQuoted
        case .array(let items): return block("[", "]", items.map { $0.text(indent: inner) })
        case .object(let members):
            return block(
                "{", "}", members.sorted.map { "\($0.key.jsonQuoted): \($0.value.text(indent: inner))" })
        }
    }
}

extension StringProtocol {
    /// The text as JSON writes it, with its quotation marks.
    public var jsonQuoted: String {
        var result = "\""
        for scalar in unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\u{8}": result += "\\b"
            case "\u{C}": result += "\\f"
            case "\u{0}"..<" ":
                let code = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - code.count) + code
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

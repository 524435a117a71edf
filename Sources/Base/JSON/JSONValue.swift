import Foundation

/// A JSON value of any type.
public enum JSONValue: Sendable, Equatable {
    /// The value `null`.
    case null
    /// A Boolean.
    case bool(Bool)
    /// A number without decimal point and exponent that fits an `Int`.
    case integer(Int)
    /// Any other number.
    case number(Double)
    /// A string.
    case string(String)
    /// An array.
    indirect case array([JSONValue])
    /// An object.
    indirect case object(JSONObject)

    /// Makes the value that an encodable value becomes in JSON, with keys in snake case as in ``jsonLine(_:)``.
    ///
    /// - Throws: An error of the value, or of the encoder for NaN and infinite numbers.
    public init(encoding value: some Encodable) throws {
        self = try JSONParser.value(Data(jsonLine(value).utf8))
    }

    /// The member of an object that has this key, otherwise nil.
    public subscript(key: String) -> JSONValue? { object?[key] }

    /// The object, if this is one.
    public var object: JSONObject? {
        guard case .object(let value) = self else { return nil }
        return value
    }

    /// The string, if this is one.
    public var string: String? {
        guard case .string(let value) = self else { return nil }
        return value
    }

    /// The number, if this is an integer.
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

    /// The Boolean, if this is one.
    public var bool: Bool? {
        guard case .bool(let value) = self else { return nil }
        return value
    }

    /// The array, if this is one.
    public var array: [JSONValue]? {
        guard case .array(let value) = self else { return nil }
        return value
    }

    // MARK: Text

    /// The value as text, its members sorted and indented.
    ///
    /// A number that is not an integer keeps its decimal point, which typed readers such as Transformers' require.
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

    /// The value on one line for an error message, at most 80 characters.
    public var excerpt: String {
        let line = inline
        return line.count <= 80 ? line : line.prefix(80) + "…"
    }

    private var inline: String {
        switch self {
        // An excerpt shows only the beginning of a long list.
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
    /// The text as a JSON string, with its quotation marks.
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

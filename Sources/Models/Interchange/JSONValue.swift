import Foundation
import W2VBase

/// A JSON value whose layout is not known beforehand.
enum JSONValue: Sendable, Equatable, Encodable {
    case null
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case string(String)
    indirect case array([JSONValue])
    indirect case object(JSONObject)

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .integer(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .array(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        }
    }

    /// The object's member, if this is an object that has it.
    subscript(key: String) -> JSONValue? { object?[key] }

    var object: JSONObject? {
        guard case .object(let value) = self else { return nil }
        return value
    }

    var string: String? {
        guard case .string(let value) = self else { return nil }
        return value
    }

    var integer: Int? {
        guard case .integer(let value) = self else { return nil }
        return value
    }

    var double: Double? {
        switch self {
        case .number(let value): return value
        case .integer(let value): return Double(value)
        default: return nil
        }
    }

    var bool: Bool? {
        guard case .bool(let value) = self else { return nil }
        return value
    }

    var array: [JSONValue]? {
        guard case .array(let value) = self else { return nil }
        return value
    }

    // MARK: Text

    /// The value as text, its members sorted and indented.
    ///
    /// A number that is no integer keeps its point, which typed readers such as Transformers' insist on.
    var text: String { text(indent: "") }

    /// The value on one line; only for objects whose keys are ours.
    var line: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }

    /// The value on one line for an error message, at most 80 characters of it.
    var excerpt: String {
        let line = inline
        return line.count <= 80 ? line : line.prefix(80) + "…"
    }

    private var inline: String {
        switch self {
        // No more of a long list is needed than an excerpt shows.
        case .array(let items): return "[" + items.prefix(41).map(\.inline).joined(separator: ", ") + "]"
        case .object(let members):
            let shown = members.prefix(41).map { "\(Self.quoted($0.printable)): \($1.inline)" }
            return "{" + shown.joined(separator: ", ") + "}"
        case .string(let value): return Self.quoted(value.printable)
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
        case .string(let value): return Self.quoted(value)
        case .array(let items): return block("[", "]", items.map { $0.text(indent: inner) })
        case .object(let members):
            let sorted = members.sorted { ExactText($0.key) < ExactText($1.key) }
            return block("{", "}", sorted.map { "\(Self.quoted($0.key)): \($0.value.text(indent: inner))" })
        }
    }

    private static func quoted(_ text: String) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        // Any string can be encoded.
        return (try? encoder.encode(text)).map { String(decoding: $0, as: UTF8.self) } ?? "\"\""
    }
}

/// The members of a JSON object in the file's order, told apart by the code points of their keys.
///
/// A Swift dictionary by `String` would take K and the Kelvin sign for one key.
struct JSONObject: Sendable, Equatable, Encodable, Sequence, ExpressibleByDictionaryLiteral {
    /// The keys, in the file's order.
    private(set) var keys: [String] = []
    private var values: [ExactText: JSONValue] = [:]

    init() {}

    init(dictionaryLiteral members: (String, JSONValue)...) {
        for (key, value) in members { self[key] = value }
    }

    /// The members of a dictionary, in the order of their keys.
    init(_ members: [String: JSONValue]) {
        for (key, value) in members.sorted(by: { ExactText($0.key) < ExactText($1.key) }) { self[key] = value }
    }

    /// Members as a file lists them; of equal keys the last counts.
    init(inOrder members: [(key: String, value: JSONValue)]) {
        values = Dictionary(members.map { (ExactText($0.key), $0.value) }) { $1 }
        guard values.count < members.count else {
            keys = members.map(\.key)
            return
        }
        var seen: Set<ExactText> = []
        keys = members.map(\.key).reversed().filter { seen.insert(ExactText($0)).inserted }.reversed()
    }

    /// Whether there are no members.
    var isEmpty: Bool { keys.isEmpty }

    /// A member's value; a key that is set again moves to the end, as its last place in a file is the one that counts.
    subscript(key: String) -> JSONValue? {
        get { values[ExactText(key)] }
        set {
            let exact = ExactText(key)
            if values[exact] != nil { keys.removeAll { $0.hasSameCodePoints(as: key) } }
            values[exact] = newValue
            if newValue != nil { keys.append(key) }
        }
    }

    func makeIterator() -> AnyIterator<(key: String, value: JSONValue)> {
        var rest = keys.makeIterator()
        return AnyIterator { rest.next().map { ($0, values[ExactText($0)] ?? .null) } }
    }

    static func == (left: JSONObject, right: JSONObject) -> Bool { left.values == right.values }

    /// Only objects whose keys are ours are written by an encoder; those with keys of others go through ``JSONValue/text``.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(Dictionary(map { ($0.key, $0.value) }) { $1 })
    }
}

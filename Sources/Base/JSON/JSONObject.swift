/// The members of a JSON object in the file's order, distinguished by the code points of their keys.
///
/// A Swift dictionary by `String` would treat K and the Kelvin sign as the same key.
public struct JSONObject: Sendable, Equatable, Sequence, ExpressibleByDictionaryLiteral {
    /// The keys, in the file's order.
    public private(set) var keys: [String] = []
    private var values: [ExactText: JSONValue] = [:]

    /// Makes an object without members.
    public init() {}

    /// Makes an object of members in the order of the literal.
    public init(dictionaryLiteral members: (String, JSONValue)...) {
        for (key, value) in members { self[key] = value }
    }

    /// Makes an object from a dictionary's members, in the order of their keys.
    public init(_ members: [String: JSONValue]) {
        for (key, value) in members.sorted(by: { ExactText($0.key) < ExactText($1.key) }) { self[key] = value }
    }

    /// Makes an object from members as a file lists them; of equal keys the last one counts.
    public init(inOrder members: [(key: String, value: JSONValue)]) {
        values = Dictionary(members.map { (ExactText($0.key), $0.value) }) { $1 }
        guard values.count < members.count else {
            keys = members.map(\.key)
            return
        }
        var seen: Set<ExactText> = []
        keys = members.map(\.key).reversed().filter { seen.insert(ExactText($0)).inserted }.reversed()
    }

    /// Whether there are no members.
    public var isEmpty: Bool { keys.isEmpty }

    /// A member's value; a key that is set again moves to the end, because its last place in a file counts.
    public subscript(key: String) -> JSONValue? {
        get { values[ExactText(key)] }
        set {
            let exact = ExactText(key)
            if values[exact] != nil { keys.removeAll { $0.hasSameCodePoints(as: key) } }
            values[exact] = newValue
            if newValue != nil { keys.append(key) }
        }
    }

    /// The members in the order of their keys' code points.
    public var sorted: [(key: String, value: JSONValue)] {
        sorted { ExactText($0.key) < ExactText($1.key) }
    }

    /// Iterates over the members in the file's order.
    public func makeIterator() -> AnyIterator<(key: String, value: JSONValue)> {
        var rest = keys.makeIterator()
        return AnyIterator { rest.next().map { ($0, values[ExactText($0)] ?? .null) } }
    }

    /// Returns whether both have the same members, in any order.
    public static func == (left: JSONObject, right: JSONObject) -> Bool { left.values == right.values }
}

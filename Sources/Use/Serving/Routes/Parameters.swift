import W2VBase

/// The parameters of a request: those of the query and the form's fields.
///
/// Each parameter may be in either place. Unknown names are refused: a misspelled `format` would otherwise select the
/// default format.
struct Parameters: Sendable {
    /// The parameter names that a route accepts.
    struct Names: Sendable {
        /// The names that have an effect.
        var used: [String]
        /// Those of `used` that are lists, with or without brackets.
        var lists: [String] = []
        /// Names from other servers' interfaces: accepted so that their clients work, and reported as ignored.
        var ignored: [String] = []
        /// Whether any name is accepted, for a page that reads its own query.
        var takesAny = false

        /// No names.
        static let none = Names(used: [])

        /// Whether a name is accepted, with or without the brackets of lists and objects.
        func knows(_ name: String) -> Bool {
            takesAny || used.contains(name) || (lists + ignored).contains(Parameters.stem(name))
        }

        /// Refuses an unknown name.
        ///
        /// - Parameters:
        ///   - name: The name, with the brackets of lists and objects (`include[]`, `chunking_strategy[type]`).
        ///   - path: The route.
        /// - Throws: `RequestError` that suggests the nearest name.
        func check(_ name: String, for path: String) throws {
            guard !knows(name) else { return }
            let shown = "\"\(name.prefix(80))\""
            guard !used.isEmpty else {
                throw RequestError.bad("\(path) has no parameters, and \(shown) was given", "leave it out")
            }
            let nearest = Self.nearest(to: name, among: used).map { "the nearest is \"\($0)\", and all are " }
            throw RequestError.bad(
                "\(path) has no parameter \(shown)",
                "\(nearest ?? "it has ")\((used + ignored).joined(separator: ", "))"
            )
        }

        /// Returns the name that was probably meant, or nil if no name is similar.
        private static func nearest(to name: String, among names: [String]) -> String? {
            let letters = name.lowercased().prefix(80)
            guard !letters.isEmpty else { return nil }
            func distance(_ other: String) -> Int {
                // A name that contains the other one, such as rate and sample_rate, is nearer than any edit.
                if name.lowercased().contains(other) || name.count > 2 && other.contains(name.lowercased()) { return 0 }
                // fromat means response_format, not stream.
                let parts = other.split(separator: "_").map(String.init) + [other]
                return parts.map { $0.editDistance(to: letters) }.min() ?? 0
            }
            let nearest = names.min { distance($0) < distance($1) }
            return nearest.flatMap { 2 * distance($0) <= max(letters.count, $0.count) ? $0 : nil }
        }
    }

    private var values: [(name: String, value: String)] = []
    private let names: Names

    /// Checks and stores parameters.
    ///
    /// - Parameters:
    ///   - values: Names and values.
    ///   - names: The names that the route accepts.
    ///   - path: The route.
    /// - Throws: `RequestError` for an unknown name.
    init(_ values: [(name: String, value: String)], known names: Names, for path: String) throws {
        self.names = names
        for (name, value) in values {
            try names.check(name, for: path)
            self.values.append((name, value))
        }
    }

    /// The value of a parameter; nil if it is absent.
    ///
    /// - Throws: `RequestError` if it occurs twice.
    subscript(name: String) -> String? {
        get throws {
            let found = values.filter { $0.name == name }
            guard found.count <= 1 else {
                throw RequestError.bad("The parameter \(name) is given \(found.count) times", "give it once")
            }
            return found.first?.value
        }
    }

    /// Returns all values of a list parameter, `name[]` or `name`.
    func list(_ name: String) -> [String] { values.filter { Self.stem($0.name) == name }.map(\.value) }

    /// The given names that have no effect, sorted.
    ///
    /// An empty value requests nothing.
    var ignored: [String] {
        let given = values.filter { !$0.value.isEmpty }.map { Self.stem($0.name) }
        return Set(given).intersection(names.ignored).sorted()
    }

    /// Returns the name without the brackets of a list or an object.
    private static func stem(_ name: String) -> String { String(name.prefix { $0 != "[" }) }
}

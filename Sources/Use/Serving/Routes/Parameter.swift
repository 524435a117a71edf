import W2VBase

/// The declaration of a parameter of a route: the source of its checks, of the errors about it, and of its description
/// in `/openapi.json`.
struct Parameter: Sendable {
    /// The values that a parameter takes.
    enum Kind: Sendable {
        /// Any text of at most this many characters.
        case text(longest: Int = 200)
        /// `true` or `false`, in the spellings of clients in several languages.
        case flag
        /// A whole number.
        case integer(ClosedRange<Int>)
        /// A number.
        case number(ClosedRange<Double>)
        /// One of several words.
        case choice([String])
        /// Anything: the parameter has no effect.
        case ignored
    }

    var name: String
    var kind: Kind
    /// What it does, in a sentence without its full stop.
    var help: String
    /// The value that applies where none is given.
    var usual: String?
    /// Whether it may be given several times, with or without brackets behind its name.
    var isList = false
    var isRequired = false
    /// The regular expression of the texts that the route accepts, for `/openapi.json`.
    var pattern: String?

    /// Whether it has no effect: the parameters of other servers' interfaces, accepted so that their clients work.
    var isIgnored: Bool { if case .ignored = kind { true } else { false } }

    /// Whether this is the parameter that a client means by a name.
    func isNamed(_ name: String) -> Bool {
        self.name == name || (isList || isIgnored) && self.name == Parameters.stem(name)
    }

    /// Checks a value.
    ///
    /// - Parameter value: The value, not empty.
    /// - Throws: `RequestError` that names the parameter.
    func check(_ value: String) throws(RequestError) {
        let shown = "\"\(value.prefix(40))\""
        switch kind {
        case .ignored: break
        case .text(let longest):
            guard value.count > longest else { return }
            throw bad("\(name) has \(value.count) characters", "it may have \(longest)")
        case .flag:
            if Self.flag(value) == nil { throw bad("\(name) is \(shown)", "it must be true or false") }
        case .integer(let range):
            guard Int(value).map({ range.contains($0) }) != true else { return }
            throw bad(
                "\(name) is \(shown)", "it must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        case .number(let range):
            guard Double(value).map({ range.contains($0) }) != true else { return }
            throw bad("\(name) is \(shown)", "it must be a number from \(range.lowerBound) to \(range.upperBound)")
        case .choice(let values):
            if values.contains(value) { return }
            throw bad("There is no \(name) \(shown)", "choose one of \(values.joined(separator: ", "))")
        }
    }

    /// Returns an error about this parameter.
    private func bad(_ problem: String, _ advice: Advice) -> RequestError {
        RequestError.bad(problem, advice, parameter: name)
    }

    /// The meaning of a flag's value; nil for other texts.
    static func flag(_ value: String) -> Bool? {
        switch value.lowercased() {
        case "true", "1", "yes", "on": true
        case "false", "0", "no", "off": false
        default: nil
        }
    }
}

/// The parameters of a route.
struct ParameterList: Sendable {
    var all: [Parameter]
    /// Whether any name is accepted, for a page that reads its own query.
    var takesAny = false

    /// No parameters.
    static let none = ParameterList([])

    init(_ all: [Parameter], takesAny: Bool = false) {
        self.all = all
        self.takesAny = takesAny
    }

    /// Returns the parameter with a name.
    subscript(name: String) -> Parameter? { all.first { $0.isNamed(name) } }

    /// Whether a name is accepted, with or without the brackets of lists and objects.
    func knows(_ name: String) -> Bool { takesAny || self[name] != nil }

    /// Refuses an unknown name.
    ///
    /// - Parameters:
    ///   - name: The name, with the brackets of lists and objects (`include[]`, `chunking_strategy[type]`).
    ///   - path: The route.
    /// - Throws: `RequestError` that suggests the nearest name.
    func check(_ name: String, for path: String) throws {
        guard !knows(name) else { return }
        let shown = "\"\(name.prefix(80))\""
        let parameter = String(name.prefix(80))
        guard !all.isEmpty else {
            throw RequestError.bad(
                "\(path) has no parameters, and \(shown) was given", "leave it out", parameter: parameter)
        }
        let (used, ignored) = (all.filter { !$0.isIgnored }.map(\.name), all.filter(\.isIgnored).map(\.name))
        let nearest = Self.nearest(to: name, among: used).map { "the nearest is \"\($0)\", and all are " }
        throw RequestError.bad(
            "\(path) has no parameter \(shown)",
            "\(nearest ?? "it has ")\((used + ignored).joined(separator: ", "))", parameter: parameter)
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

/// The parameters of a request: those of the query and the form's fields, checked against their declarations.
///
/// Each parameter may be in either place. Unknown names are refused: a misspelled `format` would otherwise select the
/// default format. An empty value is the same as none.
struct Parameters: Sendable {
    private var values: [(parameter: Parameter, value: String)] = []
    private let known: ParameterList

    /// Checks and stores parameters.
    ///
    /// - Parameters:
    ///   - values: Names and values.
    ///   - known: The parameters that the route accepts.
    ///   - path: The route.
    /// - Throws: `RequestError` for an unknown name, an invalid value, and a parameter that is given twice.
    init(_ values: [(name: String, value: String)], known: ParameterList, for path: String) throws {
        self.known = known
        for (name, value) in values {
            try known.check(name, for: path)
            guard let parameter = known[name] else { continue }
            if !value.isEmpty { try parameter.check(value) }
            self.values.append((parameter, value))
        }
        for parameter in known.all where !parameter.isList && !parameter.isIgnored {
            let count = self.values.count { $0.parameter.name == parameter.name }
            guard count <= 1 else {
                throw RequestError.bad(
                    "The parameter \(parameter.name) is given \(count) times", "give it once",
                    parameter: parameter.name)
            }
        }
    }

    /// Checks that the parameters that a request needs are there.
    ///
    /// - Throws: `RequestError`.
    func requireAll(for path: String) throws {
        for parameter in known.all where parameter.isRequired && self[parameter.name] == nil {
            throw RequestError.bad(
                "\(path) needs the parameter \(parameter.name): \(parameter.help)", parameter: parameter.name)
        }
    }

    /// The value of a parameter, or its usual one; nil if there is neither.
    subscript(name: String) -> String? {
        let given = values.first { $0.parameter.name == name }?.value
        return given.flatMap { $0.isEmpty ? nil : $0 } ?? known[name]?.usual
    }

    /// Whether a parameter has a value.
    func has(_ name: String) -> Bool { values.contains { $0.parameter.name == name && !$0.value.isEmpty } }

    /// The value of a flag.
    func flag(_ name: String) -> Bool { self[name].flatMap(Parameter.flag) ?? false }

    /// The value of a whole number.
    func integer(_ name: String) -> Int? { self[name].flatMap { Int($0) } }

    /// The value of a choice.
    func choice<Choice: RawRepresentable>(_ name: String, of _: Choice.Type) -> Choice?
    where Choice.RawValue == String {
        self[name].flatMap { Choice(rawValue: $0) }
    }

    /// Returns all values of a list parameter, `name[]` or `name`.
    func list(_ name: String) -> [String] {
        values.filter { $0.parameter.name == name && !$0.value.isEmpty }.map(\.value)
    }

    /// The given names that have no effect, sorted.
    var ignored: [String] {
        Set(values.filter { $0.parameter.isIgnored && !$0.value.isEmpty }.map(\.parameter.name)).sorted()
    }

    /// Returns the name without the brackets of a list or an object.
    static func stem(_ name: String) -> String { String(name.prefix { $0 != "[" }) }
}

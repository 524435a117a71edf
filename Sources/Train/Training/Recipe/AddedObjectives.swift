import Foundation
import W2VBackbone
import W2VObjectives

/// The objectives of a run in addition to its leading one, with the values of their sections.
public struct AddedObjectives: Sendable, Equatable {
    /// Their names, in the listed order.
    public var list: NameList = []
    /// The values of each objective's section by key; absent ones have their defaults.
    var sections: [String: [String: String]] = [:]

    /// Makes an empty list of objectives.
    public init() {}

    /// Their names.
    public var names: [String] { list.names }

    /// Checks names and values.
    ///
    /// - Throws: ``/W2VBackbone/ConfigurationError`` for a name that is not registered or is listed twice, a value out
    ///   of bounds, or a metric that two objectives report.
    func validate() throws {
        guard !names.isEmpty else { return }
        var metrics = Set((ContrastiveMetrics.all + CTCMetrics.all).map(\.name)).union(TrainRecord.fieldNames)
            .union(ValidRecord.fieldNames)
        let sections = Set(Recipe().values.keys.map { String($0.prefix { $0 != "." }) })
        for (index, name) in names.enumerated() {
            guard let objective = ObjectiveRegistry.find(name) else {
                let known = ObjectiveRegistry.all.map(\.name)
                throw ConfigurationError(
                    "objectives has '\(name)', and this program has "
                        + (known.isEmpty ? "no objective registered" : "only \(known.joined(separator: ", "))"))
            }
            guard !names[..<index].contains(name) else {
                throw ConfigurationError("objectives has '\(name)' twice")
            }
            let isSnakeCase = name.unicodeScalars.allSatisfy {
                ("a"..."z").contains($0) || ("0"..."9").contains($0) || $0 == "_"
            }
            guard isSnakeCase, !sections.contains(name) else {
                throw ConfigurationError(
                    "an objective cannot be called '\(name)': it is "
                        + (isSnakeCase ? "a section of every recipe" : "not in snake case"), "rename its type's name")
            }
            try objective.validate(self.sections[name] ?? [:])
            for metric in objective.metrics where !metrics.insert(metric.name).inserted {
                throw ConfigurationError(
                    "objective \(name) reports '\(metric.name)', which the log has already",
                    "give the metric another name"
                )
            }
        }
    }

    /// Makes the objectives.
    ///
    /// - Parameter context: The architecture and the initializer.
    /// - Returns: The objectives, in their order.
    /// - Throws: ``/W2VBackbone/ConfigurationError``, `TorchError.operation`.
    func make(_ context: ObjectiveContext) throws -> [any Objective] {
        try names.map { name in
            guard let objective = ObjectiveRegistry.find(name) else {
                throw ConfigurationError("objective \(name) is not registered")
            }
            return try objective.make(sections[name] ?? [:], context)
        }
    }

    /// Returns the keys of objectives' sections.
    ///
    /// - Parameter objectives: The objectives.
    /// - Returns: The keys, each prefixed by its objective's name and a dot.
    static func settings(of objectives: [RegisteredObjective]) -> [Setting<AddedObjectives>] {
        objectives.flatMap { objective in
            objective.settings.map { $0.lifted(objective.name, \AddedObjectives[section: objective.name]) }
        }
    }

    private subscript(section name: String) -> [String: String] {
        get { sections[name] ?? [:] }
        set { sections[name] = newValue }
    }
}

/// Names in their listed order.
public struct NameList: SettingValue, Equatable, ExpressibleByArrayLiteral {
    /// The names.
    public var names: [String]

    /// Makes a list.
    public init(arrayLiteral names: String...) { self.names = names }

    /// Parses names separated by commas, with or without brackets.
    public init(settingText: String) throws {
        var text = settingText[...]
        if text.hasPrefix("["), text.hasSuffix("]") { text = text.dropFirst().dropLast() }
        names = text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
    }

    /// The value as text that parses back to it.
    public var settingText: String { "[" + names.joined(separator: ", ") + "]" }

    /// The expected form, for error messages.
    public static var settingType: String { "a list of names such as [one, another]" }
}

import W2VBackbone
import W2VObjectives

/// The settings of a task: a section of `config.json`.
public struct TaskSection: Sendable {
    /// The section's name.
    public let name: String
    /// The settings by their keys within the section.
    let settings: [Setting<ModelDescription>]
    /// The settings by their full keys, such as `ctc.zero_infinity`.
    let qualified: [Setting<ModelDescription>]

    /// Makes a section of an objective's configuration.
    public init<Configuration: ObjectiveConfiguration>(
        _ name: String, _ path: any WritableKeyPath<ModelDescription, Configuration> & Sendable
    ) {
        self.name = name
        settings = Configuration.settings.map { $0.lifted("", path) }
        qualified = Configuration.settings.map { $0.lifted(name, path) }
    }
}

/// The configurations of objectives by type; one that was not set has its defaults.
struct TaskConfigurations: Sendable, Equatable {
    private var values: [ObjectIdentifier: any ObjectiveConfiguration] = [:]

    subscript<Configuration: ObjectiveConfiguration>(_ type: Configuration.Type) -> Configuration {
        get { values[ObjectIdentifier(type)] as? Configuration ?? Configuration() }
        set { values[ObjectIdentifier(type)] = newValue }
    }

    static func == (first: TaskConfigurations, second: TaskConfigurations) -> Bool {
        func areEqual<Configuration: ObjectiveConfiguration>(_ value: Configuration) -> Bool {
            first[Configuration.self] == second[Configuration.self]
        }
        return first.values.merging(second.values) { value, _ in value }.values.allSatisfy { areEqual($0) }
    }
}

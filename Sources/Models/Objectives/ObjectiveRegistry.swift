import Synchronization
import W2VBackbone
import W2VTorch

/// The objectives that a program's runs can use beside their leading one, by name.
///
/// A program registers its own before it reads recipes:
///
///     ObjectiveRegistry.register(LoudnessRegression.self)
///
/// A recipe then names it in `objectives`, and configures it in a section of its name.
public enum ObjectiveRegistry {
    private static let entries = Mutex<[RegisteredObjective]>([])

    /// Registers an objective; it replaces one of the same name.
    public static func register<Registered: Objective>(_ objective: Registered.Type) {
        let entry = RegisteredObjective(objective)
        entries.withLock { entries in
            entries.removeAll { $0.name == entry.name }
            entries.append(entry)
        }
    }

    /// All registered objectives, in order.
    package static var all: [RegisteredObjective] { entries.withLock { $0 } }

    /// Returns an objective by its name.
    package static func find(_ name: String) -> RegisteredObjective? { all.first { $0.name == name } }
}

/// An objective that a recipe can name.
package struct RegisteredObjective: Sendable {
    /// The values of a section by key; absent keys have their defaults.
    package typealias Values = [String: String]

    /// The name of the objective and its section.
    package let name: String
    /// The section's keys.
    package let settings: [Setting<Values>]
    /// The metrics that it reports.
    package let metrics: [Metric]
    private let check: @Sendable (Values) throws -> Void
    private let makeObjective: @Sendable (Values, ObjectiveContext) throws -> any Objective

    fileprivate init<Registered: Objective>(_ objective: Registered.Type) {
        @Sendable func configuration(_ values: Values) throws -> Registered.Configuration {
            var configuration = Registered.Configuration()
            for setting in Registered.Configuration.settings {
                if let text = values[setting.name] { try setting.set(text, in: &configuration) }
            }
            return configuration
        }
        name = Registered.name
        metrics = Registered.metrics
        settings = Registered.Configuration.settings.map { setting in
            Setting(
                name: setting.name, help: setting.help, type: setting.type, scope: .run,
                get: { $0[setting.name] ?? setting.text(Registered.Configuration()) },
                put: { values, text in
                    var configuration = try configuration(values)
                    try setting.read(text, into: &configuration)
                    values[setting.name] = setting.text(configuration)
                })
        }
        check = { values in
            let configuration = try configuration(values)
            for setting in Registered.Configuration.settings {
                do {
                    try setting.check(configuration)
                } catch let error as ConfigurationError {
                    throw error.at("\(Registered.name).")
                }
            }
            try configuration.validate()
        }
        makeObjective = { try Registered(configuration($0), $1) }
    }

    /// Checks a section's values.
    ///
    /// - Throws: `ConfigurationError` naming the key.
    package func validate(_ values: Values) throws { try check(values) }

    /// Makes the objective.
    package func make(_ values: Values, _ context: ObjectiveContext) throws -> any Objective {
        try makeObjective(values, context)
    }
}

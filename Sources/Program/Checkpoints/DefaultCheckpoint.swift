import ArgumentParser
import Foundation

/// The model that is used where no `--checkpoint` is given: that of the environment.
enum DefaultCheckpoint {
    /// The environment variable.
    static let variable = "WAV2VEC2_CHECKPOINT"

    /// The variable's value; nil if it is unset or empty.
    static var name: String? {
        ProcessInfo.processInfo.environment[variable].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Returns the model of an option, or else that of the environment.
    ///
    /// - Parameter given: The option's value, if any.
    /// - Throws: `ValidationError` if there is neither.
    static func require(_ given: String?) throws -> String {
        guard let model = given ?? name else {
            throw ValidationError(
                "Give a model: --checkpoint with a path or a name on the hub, or the variable \(variable).")
        }
        return model
    }
}

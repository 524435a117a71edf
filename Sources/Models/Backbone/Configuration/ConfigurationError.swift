import W2VBase

/// A configuration value that cannot be read or does not make sense.
public struct ConfigurationError: ExplainedError, Equatable {
    /// What was found and what is expected.
    public let problem: String
    /// What to do.
    public let advice: Advice?

    /// A text that is not a value of a setting's type; the setting, which knows its key and type, says so.
    public static let malformed = ConfigurationError("the value cannot be read")

    /// Makes the error.
    public init(_ problem: String, _ advice: Advice? = nil) {
        self.problem = problem
        self.advice = advice
    }

    /// Input: a recipe, a checkpoint's configuration.
    public var kind: ErrorKind { .input }

    /// Problem and advice.
    public var explanation: Explanation { Explanation(problem, advice) }

    /// Returns the error with a place or a key before its problem.
    public func at(_ place: String) -> ConfigurationError { ConfigurationError(place + problem, advice) }
}

import W2VBase

/// A configuration value that cannot be read or is invalid.
public struct ConfigurationError: ExplainedError, Equatable {
    /// The value that was found and the expected one.
    public let problem: String
    /// The advice.
    public let advice: Advice?

    /// A text that is not a value of a setting's type; the setting, which knows its key and type, reports it.
    public static let malformed = ConfigurationError("the value cannot be read")

    /// Makes the error.
    public init(_ problem: String, _ advice: Advice? = nil) {
        self.problem = problem
        self.advice = advice
    }

    /// Input: a recipe, a checkpoint's configuration.
    public var kind: ErrorKind { .input }

    /// The problem and the advice.
    public var explanation: Explanation { Explanation(problem, advice) }

    /// Returns the error with a place or a key before its problem.
    public func at(_ place: String) -> ConfigurationError { ConfigurationError(place + problem, advice) }
}

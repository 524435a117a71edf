import Foundation

/// What an error is about, from which a program's exit code follows.
public enum ErrorKind: Sendable, Hashable {
    /// Something was asked for that cannot be done as asked.
    case usage
    /// A file, a recording or a model that was given cannot be used.
    case input
    /// The work failed, and what was given may be in order: a full disk, a device, another process.
    case failure
    /// A signal asked to stop.
    case interrupted(signal: Int32)
}

/// What an error says, in clauses without a full stop.
public struct Explanation: Sendable {
    /// What is wrong: the file, the line or the recording, what was expected and what was found.
    public let problem: String
    /// What to do; nil where the problem says enough.
    public let advice: Advice?
    /// The error behind this one.
    public let cause: (any Error)?

    /// Makes an explanation.
    public init(_ problem: String, _ advice: Advice? = nil, cause: (any Error)? = nil) {
        self.problem = problem
        self.advice = advice
        self.cause = cause
    }
}

/// An error that says what is wrong and what to do about it.
///
/// Its `description` follows one rule: the problem, a colon and the cause, a semicolon and the advice.
public protocol ExplainedError: LocalizedError, CustomStringConvertible, Sendable {
    /// What the error is about.
    var kind: ErrorKind { get }
    /// Problem, advice and cause.
    var explanation: Explanation { get }
}

extension ExplainedError {
    /// What is wrong.
    public var problem: String { explanation.problem }

    /// What to do; nil where the problem says enough.
    public var advice: Advice? { explanation.advice }

    /// The error behind this one.
    public var cause: (any Error)? { explanation.cause }

    /// Problem, cause and advice in one sentence, on one line that a terminal shows as it is.
    public var description: String {
        let explanation = explanation
        return (Self.statement(explanation) + (explanation.advice.map { "; \($0)" } ?? "")).printable
    }

    /// The problem and its cause.
    public var errorDescription: String? { Self.statement(explanation).printable }

    /// The advice.
    public var recoverySuggestion: String? { advice?.description.printable }

    private static func statement(_ explanation: Explanation) -> String {
        explanation.problem + (explanation.cause.map { ": \($0)" } ?? "")
    }
}

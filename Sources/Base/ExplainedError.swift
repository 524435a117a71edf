import Foundation

/// The kind of an error, which determines a program's exit code.
public enum ErrorKind: Sendable, Hashable {
    /// The request itself cannot be fulfilled.
    case usage
    /// A given file, recording or model cannot be used.
    case input
    /// The work failed, possibly with valid input: a full disk, a device, another process.
    case failure
    /// A signal asked to stop.
    case interrupted(signal: Int32)
}

/// The contents of an error message, in clauses without a period.
public struct Explanation: Sendable {
    /// The problem: the file, line or recording, what was expected and what was found.
    public let problem: String
    /// The advice; nil if the problem says enough.
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

/// An error that explains the problem and what to do about it.
///
/// Its `description` follows one rule: the problem, a colon and the cause, a semicolon and the advice.
public protocol ExplainedError: LocalizedError, CustomStringConvertible, Sendable {
    /// The kind of the error.
    var kind: ErrorKind { get }
    /// The problem, the advice and the cause.
    var explanation: Explanation { get }
}

extension ExplainedError {
    /// The problem.
    public var problem: String { explanation.problem }

    /// The advice; nil if the problem says enough.
    public var advice: Advice? { explanation.advice }

    /// The error behind this one.
    public var cause: (any Error)? { explanation.cause }

    /// Problem, cause and advice in one sentence, on one line that is safe for a terminal.
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

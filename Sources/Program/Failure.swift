import ArgumentParser
import Foundation
import W2VBase

/// Returns the exit code for a command's error; nil for an error of the argument parser.
func failureCode(_ error: any Error) -> Int32? {
    if let error = error as? any ExplainedError { return error.kind.exitCode }
    return error is CancellationError || error is CocoaError ? EXIT_FAILURE : nil
}

extension ErrorKind {
    /// The exit code of a program that ends with an error of this kind.
    var exitCode: Int32 {
        switch self {
        case .usage: EX_USAGE
        case .input: EX_DATAERR
        case .failure: EXIT_FAILURE
        case .interrupted(let signal): 128 + signal
        }
    }
}

extension ExitCode {
    /// Makes the exit code of a program that a signal stopped.
    init(signal: Int32) { self.init(ErrorKind.interrupted(signal: signal).exitCode) }
}

/// An error of a command.
struct CommandError: ExplainedError {
    var kind: ErrorKind
    var explanation: Explanation

    /// Makes an error.
    init(_ kind: ErrorKind, _ problem: String, _ advice: Advice? = nil, cause: (any Error)? = nil) {
        self.kind = kind
        explanation = Explanation(problem, advice, cause: cause)
    }

    /// Makes an error from another one, with a place before its problem.
    init(_ error: some ExplainedError, at place: String, as kind: ErrorKind? = nil) {
        self.init(kind ?? error.kind, place + error.problem, error.advice, cause: error.cause)
    }
}

import Foundation

/// The recordings of a command that could not be used: each is named on standard error, and the exit code remembers them.
struct FailedRecordings {
    /// How many there are.
    private(set) var count = 0
    /// That of bad data, or of failure where this machine is to blame.
    private(set) var code = EXIT_SUCCESS

    /// Names a recording's error.
    ///
    /// - Parameters:
    ///   - error: What is wrong.
    ///   - place: What the line begins with.
    mutating func add(_ error: any Error, at place: String = "") {
        count += 1
        if code != EXIT_FAILURE { code = failureCode(error) ?? EX_DATAERR }
        Console.log.error("\(place)\(error)")
    }
}

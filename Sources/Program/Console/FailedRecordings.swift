import Foundation

/// Counts the recordings that a command could not use, names each on standard error, and determines the exit code.
struct FailedRecordings {
    /// Number of failed recordings.
    private(set) var count = 0
    /// The exit code: bad data's, or failure's if this machine is at fault.
    private(set) var code = EXIT_SUCCESS

    /// Reports a recording's error.
    ///
    /// - Parameters:
    ///   - place: The beginning of the line.
    mutating func add(_ error: any Error, at place: String = "") {
        count += 1
        if code != EXIT_FAILURE { code = failureCode(error) ?? EX_DATAERR }
        Console.log.error("\(place)\(error)")
    }
}

/// Gathers the model's output for one recording, window by window.
public protocol WindowGatherer: Sendable {
    /// The output for one window.
    associatedtype Part: Sendable
    /// The value for the whole recording.
    associatedtype Whole: Sendable

    /// Adds the model's output for the next window.
    ///
    /// - Throws: An error of the recording, whose later windows are then skipped.
    mutating func append(_ part: Part) throws

    /// Ends the recording.
    ///
    /// - Parameter samples: The recording's length in samples at 16 kHz.
    /// - Returns: The gathered value.
    /// - Throws: An error of the recording.
    mutating func finished(samples: Int) throws -> Whole
}

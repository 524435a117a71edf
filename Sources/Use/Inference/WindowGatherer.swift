/// Gathers what a model makes of one recording, window by window.
public protocol WindowGatherer: Sendable {
    /// What a pass makes of a window.
    associatedtype Part: Sendable
    /// What is made of all of them.
    associatedtype Whole: Sendable

    /// Takes what the model made of the next window.
    ///
    /// - Throws: What is wrong with the recording; its later windows are left out then.
    mutating func append(_ part: Part) throws

    /// Ends the recording.
    ///
    /// - Parameter samples: Its length at 16 kHz.
    /// - Returns: What was gathered.
    /// - Throws: What is wrong with the recording.
    mutating func finished(samples: Int) throws -> Whole
}

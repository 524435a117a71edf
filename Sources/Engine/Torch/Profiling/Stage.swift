extension Profile {
    /// A part of a program's work, by which a ``Profile`` sorts time.
    public struct Stage: Hashable, Sendable {
        /// What tables call it.
        public let name: String

        /// A stage of this name.
        public init(_ name: String) { self.name = name }

        /// Everything that no stage was named for.
        public static let other = Self("other")
    }
}

/// Runs a stage of a program's work; while a ``Profile`` is being recorded its time is counted, and that of the backward
/// pass through whatever it records for differentiation.
///
/// A stage within another counts for itself only. Without a recording the call costs the reading of one flag.
///
/// - Parameters:
///   - stage: What the work belongs to.
///   - body: The work.
/// - Returns: What `body` returns.
public func profiled<Result>(_ stage: Profile.Stage, _ body: () throws -> Result) rethrows -> Result {
    guard Profile.isRecording else { return try body() }
    Profile.enter(stage)
    defer { Profile.leave() }
    return try body()
}

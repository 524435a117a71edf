extension Profile {
    /// A part of a program's work, by which a ``Profile`` sorts time.
    public struct Stage: Hashable, Sendable {
        /// The name shown in tables.
        public let name: String

        /// Makes a stage of this name.
        public init(_ name: String) { self.name = name }

        /// The stage of all work that is not marked otherwise.
        public static let other = Stage("other")
    }
}

/// Runs `body` as a stage: a ``Profile`` being recorded counts its time, and that of its part of the backward pass.
///
/// A nested stage counts for itself only. Without a recording the call costs one read of a flag.
public func profiled<Result>(_ stage: Profile.Stage, _ body: () throws -> Result) rethrows -> Result {
    guard Profile.isRecording else { return try body() }
    Profile.enter(stage)
    defer { Profile.leave() }
    return try body()
}

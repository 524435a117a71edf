import Foundation
import Testing

extension Trait where Self == ConditionTrait {
    /// Marks a test that measures time, and is meaningful only on a machine without other work.
    ///
    /// It runs if `WAV2VEC2_TIMED_TESTS` is 1, as set by `make timed-tests`.
    public static var timed: Self {
        .enabled(
            if: ProcessInfo.processInfo.environment["WAV2VEC2_TIMED_TESTS"] == "1",
            "it measures time: make timed-tests runs it")
    }
}

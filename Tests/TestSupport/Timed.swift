import Foundation
import Testing

extension Trait where Self == ConditionTrait {
    /// A test that measures time, and means something on a machine without other work only.
    ///
    /// It runs where `WAV2VEC2_TIMED_TESTS` is 1, as `make timed-tests` sets it.
    public static var timed: Self {
        .enabled(
            if: ProcessInfo.processInfo.environment["WAV2VEC2_TIMED_TESTS"] == "1",
            "it measures time: make timed-tests runs it")
    }
}

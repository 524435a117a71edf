import Foundation

/// A reproducible source of random choices (SplitMix64).
///
/// Every test has its own seed, so that failures are reproducible. `WAV2VEC2_TEST_SEED=7` changes the choices of all
/// tests.
public struct Choices: RandomNumberGenerator {
    /// A number that is added to every seed.
    public static let offset = ProcessInfo.processInfo.environment["WAV2VEC2_TEST_SEED"].flatMap { UInt64($0) } ?? 0

    private var state: UInt64

    /// Creates a source whose choices are functions of the seed.
    public init(seed: UInt64) { state = seed &+ Self.offset &* 0xD1B5_4A32_D192_ED03 }

    /// Returns the next 64 random bits.
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

import Foundation

/// The purpose of a random stream; streams of different purposes are independent of each other.
///
/// Each library declares its own beside the code that draws: `extension RandomPurpose { static let crop =
/// RandomPurpose(rawValue: 3) }`. The raw values are part of a run's reproducibility: never renumber them. 1 to 14 are
/// taken.
public struct RandomPurpose: RawRepresentable, Hashable, Sendable {
    /// The purpose's number in the stream's counter, below 2⁸.
    public let rawValue: UInt32

    /// Makes a purpose.
    ///
    /// - Parameter rawValue: A number that other purposes do not have, below 2⁸.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Synthetic data for tests and benchmarks.
    public static let synthesis = RandomPurpose(rawValue: 10)
}

/// A stream of random numbers that is a pure function of (seed, purpose, step, index).
///
/// Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): the key is the seed; the counter
/// holds the purpose, the step, the index and the position in the stream. Streams share no state, so a resumed run or
/// another division of the batch among processes draws the same numbers.
public struct RandomStream: RandomNumberGenerator, Sendable {
    private let key: SIMD2<UInt32>
    private var counter: SIMD4<UInt32>
    private var block = SIMD4<UInt32>(repeating: 0)
    private var used = 4

    /// Makes the stream.
    ///
    /// - Parameters:
    ///   - step: The update or epoch number, at most 2³² − 1 (larger numbers wrap).
    ///   - index: The number of the item within the step: a sub-batch, an utterance, a layer; below 2⁵⁶.
    public init(seed: UInt64, purpose: RandomPurpose, step: Int = 0, index: Int = 0) {
        key = SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
        // 24 bits of index and 8 bits of purpose share a word; the first word counts blocks of the stream.
        counter = SIMD4(
            0, UInt32(truncatingIfNeeded: step), UInt32(truncatingIfNeeded: index),
            purpose.rawValue << 24 | UInt32(truncatingIfNeeded: UInt64(bitPattern: Int64(index)) >> 32) & 0xFF_FFFF)
    }

    static func rounds(_ counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
        var state = counter
        var key = key
        for _ in 0..<10 {
            let first = UInt64(0xD251_1F53) * UInt64(state[0])
            let second = UInt64(0xCD9E_8D57) * UInt64(state[2])
            state = SIMD4(
                UInt32(second >> 32) ^ state[1] ^ key[0], UInt32(truncatingIfNeeded: second),
                UInt32(first >> 32) ^ state[3] ^ key[1], UInt32(truncatingIfNeeded: first))
            key = SIMD2(key[0] &+ 0x9E37_79B9, key[1] &+ 0xBB67_AE85)
        }
        return state
    }

    private mutating func nextWord() -> UInt32 {
        if used == 4 {
            block = Self.rounds(counter, key: key)
            counter[0] &+= 1
            used = 0
        }
        defer { used += 1 }
        return block[used]
    }

    /// Returns the next 64 random bits, from two words of the stream, the low one first.
    public mutating func next() -> UInt64 {
        let low = nextWord()
        return UInt64(nextWord()) << 32 | UInt64(low)
    }

    /// Draws a number in [0, 1), in double precision.
    public mutating func uniform() -> Double {
        Double(next() >> 11) * 0x1p-53
    }

    /// Draws an integer in `0..<bound`, each with the same probability.
    ///
    /// - Parameter bound: Number of values; at least 1.
    public mutating func integer(below bound: Int) -> Int {
        precondition(bound > 0, "a random integer needs at least one value to choose from, got \(bound)")
        return Int(next(upperBound: UInt64(bound)))
    }

    /// Draws a standard normal number (Box and Muller 1958).
    public mutating func normal() -> Double {
        let radius = (-2 * log(1 - uniform())).squareRoot()
        return radius * cos(2 * .pi * uniform())
    }

    /// Draws a seed for another library's generator.
    public mutating func seed() -> Int64 {
        Int64(next() >> 1)
    }
}

import W2VBase
import W2VDecoding

/// The bounds between which a rate is likely to lie.
public struct ConfidenceInterval: Sendable, Equatable, Codable {
    /// The lower bound, a fraction.
    public var lower: Double
    /// The upper bound, a fraction.
    public var upper: Double

    /// Makes an interval.
    ///
    /// - Parameters:
    ///   - lower: The lower bound.
    ///   - upper: The upper bound.
    public init(lower: Double, upper: Double) {
        self.lower = lower
        self.upper = upper
    }
}

/// The confidence intervals of an evaluation's rates; nil for a rate that is undefined.
public struct RateIntervals: Sendable, Equatable {
    /// The interval of the word error rate.
    public var wer: ConfidenceInterval?
    /// The interval of the character error rate.
    public var cer: ConfidenceInterval?
    /// The interval of the share of utterances with a word error.
    public var ser: ConfidenceInterval?
}

/// Confidence intervals by resampling utterances.
///
/// A test set is one of many that could have been recorded. Drawing as many utterances from it as it has, with
/// replacement, makes sets like it; the middle 95 % of their rates is the interval (percentile bootstrap). Utterances
/// are drawn whole, since the errors within one depend on each other.
/// Source: Bisani and Ney 2004, "Bootstrap estimates for confidence intervals in ASR performance evaluation".
public struct Bootstrap: Sendable, Equatable {
    /// The number of resampled sets.
    public var sets: Int
    /// The share of sets whose rates lie within the interval.
    public var level: Double
    /// The random seed; the same seed gives the same intervals.
    public var seed: UInt64

    /// Makes a bootstrap.
    ///
    /// - Parameters:
    ///   - sets: The number of resampled sets; 0 for no intervals.
    ///   - level: The share of sets whose rates lie within the interval.
    ///   - seed: The random seed; the same seed gives the same intervals.
    public init(sets: Int = 1000, level: Double = 0.95, seed: UInt64 = 1) {
        self.sets = sets
        self.level = level
        self.seed = seed
    }

    /// Returns the confidence intervals of the utterances' rates.
    ///
    /// - Parameter utterances: The word and character counts of each utterance.
    /// - Returns: The intervals; nil for a rate that is undefined in more than half of the sets, because their
    ///   references are empty.
    public func intervals(_ utterances: [(words: EditCounts, characters: EditCounts)]) -> RateIntervals {
        guard sets > 0, !utterances.isEmpty else { return RateIntervals() }
        var rates: [[Double]] = [[], [], []]
        for set in 0..<sets {
            var stream = RandomStream(seed: seed, purpose: .bootstrap, index: set)
            var (wordErrors, words, characterErrors, characters, wrong) = (0, 0, 0, 0, 0)
            for _ in utterances.indices {
                let drawn = utterances[stream.integer(below: utterances.count)]
                let errors = drawn.words.errors
                wordErrors += errors
                words += drawn.words.referenceLength
                characterErrors += drawn.characters.errors
                characters += drawn.characters.referenceLength
                if errors > 0 { wrong += 1 }
            }
            if words > 0 { rates[0].append(Double(wordErrors) / Double(words)) }
            if characters > 0 { rates[1].append(Double(characterErrors) / Double(characters)) }
            rates[2].append(Double(wrong) / Double(utterances.count))
        }
        return RateIntervals(wer: interval(rates[0]), cer: interval(rates[1]), ser: interval(rates[2]))
    }

    private func interval(_ rates: [Double]) -> ConfidenceInterval? {
        guard rates.count * 2 >= sets else { return nil }
        let sorted = rates.sorted()
        func quantile(_ share: Double) -> Double {
            let place = share * Double(sorted.count - 1)
            let below = Int(place)
            let above = min(below + 1, sorted.count - 1)
            return sorted[below] + (sorted[above] - sorted[below]) * (place - Double(below))
        }
        return ConfidenceInterval(lower: quantile((1 - level) / 2), upper: quantile((1 + level) / 2))
    }
}

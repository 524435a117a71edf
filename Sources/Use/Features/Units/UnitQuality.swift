import Foundation
import W2VBase

/// The match of units with phones: HuBERT's three measures.
///
/// Source: Hsu et al. 2021, "HuBERT: Self-Supervised Speech Representation Learning by Masked Prediction of Hidden Units".
/// All of them are computed from p(y, z), how often phone y and unit z occur in the same frame.
public struct UnitQuality: Sendable, Equatable {
    /// The number of frames of each pair of phone and unit; absent pairs have 0.
    private var joint: [Pair: Int] = [:]
    private var phoneCounts: [ExactText: Int] = [:]
    private var unitCounts: [ExactText: Int] = [:]
    /// The number of frames with a phone and a unit.
    public private(set) var frames = 0

    private struct Pair: Hashable {
        var phone: ExactText
        var unit: ExactText
    }

    /// Starts without counts.
    public init() {}

    /// Counts a frame.
    ///
    /// - Parameters:
    ///   - phone: The phone spoken in the frame.
    ///   - unit: The unit of the frame.
    public mutating func add(phone: String, unit: String) {
        let (phone, unit) = (ExactText(phone), ExactText(unit))
        joint[Pair(phone: phone, unit: unit), default: 0] += 1
        phoneCounts[phone, default: 0] += 1
        unitCounts[unit, default: 0] += 1
        frames += 1
    }

    /// The number of different phones.
    public var phones: Int { phoneCounts.count }
    /// The number of different units.
    public var units: Int { unitCounts.count }

    /// The phone purity, Σ_z max_y p(y, z): how often a unit's most frequent phone is the right one.
    ///
    /// It rises with the number of units.
    public var phonePurity: Double? { share { $0.unit } }

    /// The cluster purity, Σ_y max_z p(y, z): how often a phone's most frequent unit is the frame's.
    ///
    /// It falls with the number of units.
    public var clusterPurity: Double? { share { $0.phone } }

    private func share(_ key: (Pair) -> ExactText) -> Double? {
        guard frames > 0 else { return nil }
        var largest: [ExactText: Int] = [:]
        for (pair, count) in joint { largest[key(pair)] = max(largest[key(pair)] ?? 0, count) }
        return Double(largest.values.reduce(0, +)) / Double(frames)
    }

    /// The entropy of the phones H(y), in bits.
    public var phoneEntropy: Double { entropy(phoneCounts) }
    /// The entropy of the units H(z), in bits.
    public var unitEntropy: Double { entropy(unitCounts) }

    private func entropy(_ counts: [ExactText: Int]) -> Double {
        // Sums in a fixed order, so that equal counts give equal results.
        counts.values.sorted().reduce(0) { sum, count in
            let probability = Double(count) / Double(frames)
            return sum - probability * log2(probability)
        }
    }

    /// The phone-normalized mutual information I(y; z) / H(y): the share of a phone's uncertainty that its unit
    /// removes.
    public var phoneNormalizedMutualInformation: Double? {
        guard frames > 0, phoneEntropy > 0 else { return nil }
        let terms = joint.map { pair, count in
            let both = Double(count) / Double(frames)
            let independent =
                Double(phoneCounts[pair.phone] ?? 0) / Double(frames) * Double(unitCounts[pair.unit] ?? 0)
                / Double(frames)
            return both * log2(both / independent)
        }
        return terms.sorted().reduce(0, +) / phoneEntropy
    }
}

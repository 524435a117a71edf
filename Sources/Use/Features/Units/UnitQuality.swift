import Foundation
import W2VBase

/// How well units go with phones: HuBERT's three figures.
///
/// Source: Hsu et al. 2021, "HuBERT: Self-Supervised Speech Representation Learning by Masked Prediction of Hidden Units".
/// All of them come from how often each phone y and unit z fall on the same frame, p(y, z).
public struct UnitQuality: Sendable, Equatable {
    /// For each phone and unit, on how many frames both are; absent pairs have none.
    private var joint: [Pair: Int] = [:]
    private var phoneCounts: [ExactText: Int] = [:]
    private var unitCounts: [ExactText: Int] = [:]
    /// Frames with a phone and a unit.
    public private(set) var frames = 0

    private struct Pair: Hashable {
        var phone: ExactText
        var unit: ExactText
    }

    /// Nothing counted yet.
    public init() {}

    /// Counts a frame.
    ///
    /// - Parameters:
    ///   - phone: The phone that is spoken.
    ///   - unit: The unit of the frame.
    public mutating func add(phone: String, unit: String) {
        let (phone, unit) = (ExactText(phone), ExactText(unit))
        joint[Pair(phone: phone, unit: unit), default: 0] += 1
        phoneCounts[phone, default: 0] += 1
        unitCounts[unit, default: 0] += 1
        frames += 1
    }

    /// How many different phones there are.
    public var phones: Int { phoneCounts.count }
    /// How many different units there are.
    public var units: Int { unitCounts.count }

    /// How often a unit's most frequent phone is the right one: Σ_z max_y p(y, z).
    ///
    /// More units make it rise.
    public var phonePurity: Double? { share { $0.unit } }

    /// How often a phone's most frequent unit is the one that the frame has: Σ_y max_z p(y, z).
    ///
    /// More units make it fall.
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
        // Sums in a fixed order, so that equal counts give equal figures.
        counts.values.sorted().reduce(0) { sum, count in
            let probability = Double(count) / Double(frames)
            return sum - probability * log2(probability)
        }
    }

    /// Phone-normalized mutual information I(y; z) / H(y): the share of a phone's uncertainty that its unit takes away.
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

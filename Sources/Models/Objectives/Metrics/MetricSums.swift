/// The values of named metrics, combined over batches, processes and updates.
public struct MetricSums: Sendable, Equatable, Codable {
    /// The combined value of one metric.
    private struct Entry: Sendable, Equatable, Codable {
        var reduction: Metric.Reduction
        /// The sum of values, or the chosen one.
        var total = 0.0
        /// The sum of weights.
        var weight = 0.0
        /// The bins of each part of a histogram.
        var bins: [[Int]]?

        /// Merges another's values, which are the newer ones.
        mutating func merge(_ other: Entry) {
            switch reduction {
            case .sum, .mean: total += other.total
            case .minimum: total = min(total, other.total)
            case .maximum: total = max(total, other.total)
            case .latest: total = other.total
            case .histogram: bins = Self.sum(bins, other.bins)
            }
            weight += other.weight
        }

        private static func sum(_ left: [[Int]]?, _ right: [[Int]]?) -> [[Int]]? {
            guard let left, let right else { return left ?? right }
            // A part or a bin that only one of them has keeps its count.
            return (0..<max(left.count, right.count)).map { part in
                let (one, other) = (left.dropFirst(part).first ?? [], right.dropFirst(part).first ?? [])
                return (0..<max(one.count, other.count)).map { bin in
                    (bin < one.count ? one[bin] : 0) + (bin < other.count ? other[bin] : 0)
                }
            }
        }
    }

    private var entries: [String: Entry] = [:]

    /// Makes empty sums.
    public init() {}

    /// The names of the metrics that have values, sorted.
    public var names: [String] { entries.keys.sorted() }

    /// Adds a value.
    ///
    /// - Parameters:
    ///   - total: The value, or the sum of several.
    ///   - weight: The divisor of a mean: the weight of the value, or the sum of the weights of several.
    public mutating func add(_ metric: Metric, _ total: Double, weight: Double = 1) {
        merge(metric.name, Entry(reduction: metric.reduction, total: total, weight: weight))
    }

    /// Adds counts of bins.
    ///
    /// - Parameter bins: The counts of each part, with as many bins each time.
    public mutating func add(_ metric: Metric, bins: [[Int]]) {
        merge(metric.name, Entry(reduction: .histogram, bins: bins))
    }

    private mutating func merge(_ name: String, _ entry: Entry) {
        entries[name, default: Entry(reduction: entry.reduction, total: entry.reduction.start)].merge(entry)
    }

    /// Merges other sums, which are the newer ones.
    public static func += (left: inout MetricSums, right: MetricSums) {
        for (name, entry) in right.entries { left.merge(name, entry) }
    }

    /// Returns a metric's value; `nil` if nothing was added, or a mean has no weight.
    public func value(_ name: String) -> Double? {
        guard let entry = entries[name] else { return nil }
        switch entry.reduction {
        case .mean: return entry.weight > 0 ? entry.total / entry.weight : nil
        case .histogram: return entry.bins.map { Double($0.joined().count { $0 > 0 }) }
        case .sum, .minimum, .maximum, .latest: return entry.total
        }
    }

    /// Returns the bins of each part of a histogram; empty for other metrics.
    public func bins(_ name: String) -> [[Int]] { entries[name]?.bins ?? [] }
}

extension Metric.Reduction {
    /// The neutral element of merging.
    fileprivate var start: Double {
        switch self {
        case .minimum: .infinity
        case .maximum: -.infinity
        case .sum, .mean, .latest, .histogram: 0
        }
    }
}

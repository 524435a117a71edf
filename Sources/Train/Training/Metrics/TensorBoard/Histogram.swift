/// Numbers counted in bins, as event files hold them.
struct Histogram: Equatable {
    /// The least number.
    var minimum: Double
    /// The greatest number.
    var maximum: Double
    /// How many there are.
    var count: Double
    var sum: Double
    var sumOfSquares: Double
    /// The upper end of each bin, ascending.
    var limits: [Double]
    /// How many numbers lie in each bin.
    var counts: [Double]

    /// Counts numbers in bins of equal width.
    ///
    /// - Parameters:
    ///   - numbers: Those that are not finite are left out; `nil` comes back if none remains.
    ///   - bins: How many bins.
    init?(_ numbers: [Double], bins: Int = 30) {
        let finite = numbers.filter(\.isFinite)
        guard let least = finite.min(), let most = finite.max() else { return nil }
        let width = (most - least) / Double(bins)
        minimum = least
        maximum = most
        count = Double(finite.count)
        sum = finite.reduce(0, +)
        sumOfSquares = finite.reduce(0) { $0 + $1 * $1 }
        guard width > 0, width.isFinite else {
            limits = [most]
            counts = [count]
            return
        }
        limits = (1..<bins).map { least + width * Double($0) } + [most]
        counts = [Double](repeating: 0, count: bins)
        for number in finite { counts[min(bins - 1, Int((number - least) / width))] += 1 }
    }

    /// Shows counts that are there already: how often each of some things occurred, the most frequent first.
    ///
    /// - Parameter occurrences: How often each occurred; `nil` comes back if none did.
    init?(ranked occurrences: [Int]) {
        guard occurrences.contains(where: { $0 > 0 }) else { return nil }
        counts = occurrences.sorted(by: >).map(Double.init)
        limits = counts.indices.map { Double($0 + 1) }
        minimum = 0
        maximum = Double(counts.count)
        count = counts.reduce(0, +)
        sum = zip(counts, limits).reduce(0) { $0 + $1.0 * ($1.1 - 0.5) }
        sumOfSquares = zip(counts, limits).reduce(0) { $0 + $1.0 * ($1.1 - 0.5) * ($1.1 - 0.5) }
    }
}

/// Numbers counted in bins, as event files store them.
struct Histogram: Equatable {
    /// The smallest number.
    var minimum: Double
    /// The largest number.
    var maximum: Double
    /// Number of values.
    var count: Double
    var sum: Double
    var sumOfSquares: Double
    /// The upper end of each bin, ascending.
    var limits: [Double]
    /// Number of values in each bin.
    var counts: [Double]

    /// Counts numbers in bins of equal width.
    ///
    /// - Parameters:
    ///   - numbers: The values, of which NaN and infinite ones are ignored; the result is `nil` if none remains.
    ///   - bins: Number of bins.
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

    /// Makes a histogram of existing counts, the most frequent first.
    ///
    /// - Parameter occurrences: The number of occurrences of each item; the result is `nil` if all are 0.
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

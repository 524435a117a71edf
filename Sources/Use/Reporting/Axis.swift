import Foundation

/// An axis: its range of values, its ticks, and the mapping of values to positions.
struct Axis {
    /// The largest magnitude that can be drawn: the distance between two such values is still finite.
    static let largest = 1e300

    let lower: Double
    let upper: Double
    let ticks: [Double]
    let step: Double
    let logarithmic: Bool

    /// Makes an axis around values, extended to round numbers.
    ///
    /// - Parameters:
    ///   - values: Values of at most `largest`, positive ones when logarithmic; without values the axis is from 0 to 1
    ///     (1 to 10).
    ///   - count: The approximate number of ticks.
    ///   - logarithmic: Whether equal ratios take equal space.
    ///   - extended: Whether the axis is extended to the next tick on both sides, or ends with the values.
    init(values: some Sequence<Double>, count: Int, logarithmic: Bool, extended: Bool = true) {
        var low = Double.infinity
        var high = -Double.infinity
        for value in values {
            low = min(low, value)
            high = max(high, value)
        }
        if low > high { (low, high) = logarithmic ? (1, 10) : (0, 1) }
        if high - low <= abs(low) * 1e-9 {
            // A single or nearly constant value: add space on both sides.
            let room = low == 0 ? 1 : abs(low) * 0.1
            (low, high) = logarithmic ? (low / 2, high * 2) : (low - room, high + room)
        }
        self.logarithmic = logarithmic
        if logarithmic, high / low >= 8 {
            let first = Int(floor(log10(low) + 1e-9))
            let last = Int(ceil(log10(high) - 1e-9))
            let decades = last - first
            let multiples: [Double] = decades <= 2 ? [1, 2, 5] : [1]
            let stride = max(1, decades / max(1, count))
            var marks: [Double] = []
            for exponent in Swift.stride(from: first, through: last, by: stride) {
                marks.append(contentsOf: multiples.map { $0 * pow(10, Double(exponent)) })
            }
            lower = extended ? marks.last { $0 <= low * (1 + 1e-9) } ?? low : low
            upper = extended ? marks.first { $0 >= high * (1 - 1e-9) } ?? high : high
            let (bottom, top) = (lower, upper)
            ticks = marks.filter { $0 >= bottom * (1 - 1e-9) && $0 <= top * (1 + 1e-9) }
            step = 0
        } else {
            let distance = Self.niceStep(span: high - low, count: count)
            step = distance
            let bottom = extended ? floor(low / distance + 1e-9) * distance : low
            let top = extended ? ceil(high / distance - 1e-9) * distance : high
            lower = logarithmic && bottom <= 0 ? low : bottom
            upper = top
            let first = Int64(ceil(lower / distance - 1e-9))
            let last = Int64(floor(top / distance + 1e-9))
            ticks = first <= last ? (first...last).map { Double($0) * distance } : [low, high]
        }
    }

    /// Returns the distance between ticks: 1, 2 or 5 times a power of ten.
    static func niceStep(span: Double, count: Int) -> Double {
        let rough = max(span / Double(max(1, count)), .leastNormalMagnitude)
        let power = pow(10, floor(log10(rough)))
        let fraction = rough / power
        return power * (fraction <= 1.0001 ? 1 : fraction <= 2.0001 ? 2 : fraction <= 5.0001 ? 5 : 10)
    }

    /// Returns a value's position: 0 at the lower end, 1 at the upper.
    func position(_ value: Double) -> Double {
        logarithmic
            ? (log(value) - log(lower)) / (log(upper) - log(lower))
            : (value - lower) / (upper - lower)
    }

    /// Returns a tick's label.
    func label(_ tick: Double, format: ValueFormat) -> String {
        // Ticks of a logarithmic axis have no common distance: each is shown with its own leading digit.
        format.tick(tick, step: step > 0 ? step : pow(10, floor(log10(abs(tick)) + 1e-9)))
    }
}

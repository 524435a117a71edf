import Foundation

/// One point of a curve.
public struct ChartPoint: Sendable, Equatable {
    /// The horizontal value, such as the update.
    public var x: Double
    /// The vertical value; one that is not finite leaves a gap.
    public var y: Double

    /// Makes a point.
    public init(x: Double, y: Double) {
        self.x = x
        self.y = y
    }
}

/// One curve of a chart.
public struct ChartSeries: Sendable {
    /// The name in the legend.
    public var name: String
    /// The points in order.
    public var points: [ChartPoint]
    /// The index of the color in the page's palette; the same thing keeps its color in every chart.
    public var color: Int

    /// Makes a curve.
    public init(name: String, points: [ChartPoint], color: Int) {
        self.name = name
        self.points = points
        self.color = color
    }
}

/// A chart of one or more curves over a common horizontal axis.
public struct LineChart: Sendable {
    /// The heading.
    public var title: String
    /// The meaning and unit of the values, under the heading.
    public var subtitle: String
    /// The horizontal axis's name.
    public var horizontalLabel: String
    /// The curves.
    public var series: [ChartSeries]
    /// Whether the vertical axis is logarithmic; nonpositive values are then omitted and counted.
    public var logarithmic: Bool
    /// The format of values.
    public var format: ValueFormat

    private static let width = 520.0
    private static let height = 260.0
    private static let left = 58.0
    private static let right = 14.0
    private static let top = 10.0
    private static let bottom = 40.0

    /// Makes a chart.
    public init(
        title: String, subtitle: String = "", horizontalLabel: String = "update", series: [ChartSeries],
        logarithmic: Bool = false, format: ValueFormat = .number
    ) {
        self.title = title
        self.subtitle = subtitle
        self.horizontalLabel = horizontalLabel
        self.series = series
        self.logarithmic = logarithmic
        self.format = format
    }

    /// Returns the chart as an HTML figure with an inline picture.
    ///
    /// - Returns: The markup; a chart without drawable points says so.
    public func html() -> String {
        let shown = drawable
        let missing = zip(series, shown).reduce(0) { $0 + $1.0.points.count - $1.1.count }
        let legend = series.count < 2 && shown.allSatisfy(\.isEmpty) ? "" : self.legend(shown)
        let smoothed =
            series.contains { Self.window($0) != nil }
            ? "<p class=\"note\">Thin: every value. Bold: a running mean.</p>" : ""
        let note =
            missing == 0
            ? ""
            : "<p class=\"note\">\(missing) \(missing == 1 ? "value is" : "values are") left out: not a finite"
                + "\(logarithmic ? ", positive" : "") number.</p>"
        return """
            <figure class="chart">
            <figcaption>\(Markup.escaped(title))<small>\(Markup.escaped(subtitle))</small></figcaption>
            \(legend)
            <svg viewBox="0 0 520 260" role="img" aria-label="\(Markup.escaped(title))">
            \(drawing)
            </svg>
            \(smoothed)\(note)
            </figure>
            """
    }

    /// The content of the chart's `<svg viewBox="0 0 520 260">`: axes and curves.
    var drawing: String {
        let shown = drawable
        return shown.allSatisfy(\.isEmpty) ? emptyPicture : picture(shown)
    }

    /// The drawable points of each curve.
    var drawable: [[ChartPoint]] { series.map { curve in curve.points.filter(isDrawable) } }

    private func isDrawable(_ point: ChartPoint) -> Bool {
        abs(point.x) <= Axis.largest && abs(point.y) <= Axis.largest
            && (!logarithmic || point.y >= .leastNormalMagnitude)
    }

    private func legend(_ shown: [[ChartPoint]]) -> String {
        let items = zip(series, shown).map { curve, points in
            let last = points.last.map { "<b>\(format.string($0.y))</b>" } ?? "<b>no values</b>"
            return "<span><i class=\"c\(curve.color % Palette.count)\"></i>\(Markup.escaped(curve.name)) \(last)</span>"
        }
        return "<div class=\"legend\">\(items.joined())</div>"
    }

    private var emptyPicture: String {
        "<text class=\"label\" x=\"260\" y=\"130\" text-anchor=\"middle\">no values were recorded</text>"
    }

    private func picture(_ shown: [[ChartPoint]]) -> String {
        let points = shown.joined()
        let horizontal = Self.horizontalAxis(points.map(\.x))
        let vertical = Axis(values: points.lazy.map(\.y), count: 5, logarithmic: logarithmic)
        func x(_ value: Double) -> Double {
            Self.left + horizontal.position(value) * (Self.width - Self.left - Self.right)
        }
        func y(_ value: Double) -> Double {
            Self.height - Self.bottom - vertical.position(value) * (Self.height - Self.top - Self.bottom)
        }
        var parts: [String] = []
        for tick in vertical.ticks {
            let height = Markup.coordinate(y(tick))
            parts.append("<path class=\"grid\" d=\"M\(Int(Self.left)) \(height)H\(Int(Self.width - Self.right))\"/>")
            parts.append(
                "<text class=\"tick\" x=\"\(Int(Self.left - 8))\" y=\"\(height)\" dy=\".32em\" text-anchor=\"end\">"
                    + "\(vertical.label(tick, format: format))</text>")
        }
        let base = Markup.coordinate(Self.height - Self.bottom)
        parts.append("<path class=\"axis\" d=\"M\(Int(Self.left)) \(base)H\(Int(Self.width - Self.right))\"/>")
        for tick in horizontal.ticks {
            let anchor = x(tick) > Self.width - 20 ? "end" : "middle"
            parts.append(
                "<text class=\"tick\" x=\"\(Markup.coordinate(x(tick)))\" y=\"\(Int(Self.height - Self.bottom + 17))\" "
                    + "text-anchor=\"\(anchor)\">\(horizontal.label(tick, format: .number))</text>")
        }
        parts.append(
            "<text class=\"label\" x=\"\(Markup.coordinate((Self.left + Self.width - Self.right) / 2))\" "
                + "y=\"\(Int(Self.height - 6))\" text-anchor=\"middle\">\(Markup.escaped(horizontalLabel))</text>")
        for curve in series {
            parts.append(contentsOf: draw(curve, x: x, y: y))
        }
        return parts.joined(separator: "\n")
    }

    /// Returns an axis that ends with the values, and begins at zero if they begin near it.
    private static func horizontalAxis(_ values: [Double]) -> Axis {
        let low = values.min() ?? 0
        let high = values.max() ?? 0
        let fromZero = low > 0 && low < high * 0.15
        return Axis(values: fromZero ? [0, high] : [low, high], count: 6, logarithmic: false, extended: false)
    }

    private func draw(_ curve: ChartSeries, x: (Double) -> Double, y: (Double) -> Double) -> [String] {
        let color = "c\(curve.color % Palette.count)"
        let runs = curve.points.split { !isDrawable($0) }.map(Array.init)
        let window = Self.window(curve)
        var parts: [String] = []
        for run in runs where run.count > 1 {
            func path(_ points: [ChartPoint]) -> String {
                let steps = Self.thinned(points, to: 600)
                    .map { "\(Markup.coordinate(x($0.x))) \(Markup.coordinate(y($0.y)))" }
                return "M" + steps.joined(separator: "L")
            }
            parts.append("<path class=\"line \(window == nil ? "" : "raw ")\(color)\" d=\"\(path(run))\"/>")
            if let window {
                let smooth = Self.runningMean(run, window: window)
                parts.append("<path class=\"line \(color)\" d=\"\(path(smooth))\"/>")
            }
        }
        // A single point has no line, and the last one is the result.
        var dots = runs.filter { $0.count == 1 }.compactMap(\.first)
        if let last = runs.last, last.count > 1, let point = last.last { dots.append(point) }
        for dot in dots {
            parts.append(
                "<circle class=\"dot \(color)\" cx=\"\(Markup.coordinate(x(dot.x)))\" "
                    + "cy=\"\(Markup.coordinate(y(dot.y)))\" r=\"4\"/>")
        }
        // Invisible discs, wide enough for a pointer, show the values.
        for point in Self.thinned(Array(runs.joined()), to: 60) {
            parts.append(
                "<circle class=\"hit\" cx=\"\(Markup.coordinate(x(point.x)))\" cy=\"\(Markup.coordinate(y(point.y)))\" "
                    + "r=\"7\"><title>\(Markup.escaped(curve.name)): \(format.string(point.y)) at "
                    + "\(Markup.escaped(horizontalLabel)) \(ValueFormat.number.string(point.x))</title></circle>")
        }
        return parts
    }

    /// Returns the number of values of a running mean; nil for a curve short enough to be read as it is.
    private static func window(_ curve: ChartSeries) -> Int? {
        curve.points.count <= 200 ? nil : curve.points.count / 40 | 1
    }

    /// Returns the mean of the values around every point, with fewer of them near the ends.
    static func runningMean(_ points: [ChartPoint], window: Int) -> [ChartPoint] {
        // The outermost points would have hardly any neighbors, and so would be noisy again.
        let margin = min(window / 8, (points.count - 1) / 2)
        return points.indices.dropFirst(margin).dropLast(margin).map { index in
            // The same number on both sides, so that a slope is not distorted at the ends.
            let reach = min(window / 2, index, points.count - 1 - index)
            let values = points[(index - reach)...(index + reach)]
            let mean = values.reduce(0) { $0 + $1.y / Double(values.count) }
            return ChartPoint(x: points[index].x, y: mean)
        }
    }

    /// Thins a long curve, keeping the lowest and the highest point of each stretch so that no peak is lost.
    static func thinned(_ points: [ChartPoint], to count: Int) -> [ChartPoint] {
        guard points.count > count, count >= 4, let first = points.first, let last = points.last else { return points }
        let inner = points.dropFirst().dropLast()
        let stretches = count / 2 - 1
        var kept = [first]
        for stretch in 0..<stretches {
            let start = inner.startIndex + inner.count * stretch / stretches
            let end = inner.startIndex + inner.count * (stretch + 1) / stretches
            let range = inner[start..<end]
            guard let low = range.indices.min(by: { range[$0].y < range[$1].y }),
                let high = range.indices.max(by: { range[$0].y < range[$1].y })
            else { continue }
            kept.append(contentsOf: low == high ? [range[low]] : [range[min(low, high)], range[max(low, high)]])
        }
        return kept + [last]
    }
}

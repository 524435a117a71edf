import Foundation

/// A chart of horizontal bars in groups, such as error rates of two runs.
public struct BarChart: Sendable {
    /// One group: the same figure for every run.
    public struct Group: Sendable {
        /// The figure's name.
        public var name: String
        /// One value per bar, in the order of the chart's names.
        public var values: [Double]

        /// Makes a group.
        public init(name: String, values: [Double]) {
            self.name = name
            self.values = values
        }
    }

    /// The heading.
    public var title: String
    /// The meaning and unit of the values, under the heading.
    public var subtitle: String
    /// The bars' names and their colors' places in the palette.
    public var bars: [(name: String, color: Int)]
    /// The groups from top to bottom.
    public var groups: [Group]
    /// The format of values.
    public var format: ValueFormat

    /// Makes a chart.
    public init(
        title: String, subtitle: String = "", bars: [(name: String, color: Int)], groups: [Group],
        format: ValueFormat = .number
    ) {
        self.title = title
        self.subtitle = subtitle
        self.bars = bars
        self.groups = groups
        self.format = format
    }

    /// Returns the chart as an HTML figure with an inline picture.
    ///
    /// - Returns: The markup; bars start at zero, and a value that is not finite or is negative is written, not drawn.
    public func html() -> String {
        let left = 120.0
        let room = 320.0
        let thickness = 18.0
        let values = groups.flatMap(\.values).filter { $0.isFinite && $0 >= 0 }
        let largest = values.max() ?? 0
        var y = 8.0
        var parts: [String] = []
        for group in groups {
            let start = y
            for (bar, value) in zip(bars, group.values) {
                let drawn = value.isFinite && value > 0 && largest > 0 ? max(1, value / largest * room) : 0
                let middle = Markup.coordinate(y + thickness / 2)
                if drawn > 0 {
                    parts.append(Self.bar(x: left, y: y, length: drawn, thickness: thickness, color: bar.color))
                }
                parts.append(
                    "<text class=\"value\" x=\"\(Markup.coordinate(left + drawn + 7))\" y=\"\(middle)\" dy=\".34em\">"
                        + "\(format.string(value))<title>\(Markup.escaped(bar.name))</title></text>")
                y += thickness + 2
            }
            parts.append(
                "<text class=\"name\" x=\"\(Int(left - 10))\" y=\"\(Markup.coordinate((start + y - 2) / 2))\" "
                    + "dy=\".34em\" text-anchor=\"end\">\(Markup.escaped(group.name))</text>")
            y += 16
        }
        let height = Markup.coordinate(max(40, y - 8))
        parts.append("<path class=\"axis\" d=\"M\(Int(left)) 2V\(height)\"/>")
        let legend = bars.map { bar in
            "<span><i class=\"c\(bar.color % Palette.count)\"></i>\(Markup.escaped(bar.name))</span>"
        }
        return """
            <figure class="chart">
            <figcaption>\(Markup.escaped(title))<small>\(Markup.escaped(subtitle))</small></figcaption>
            <div class="legend">\(legend.joined())</div>
            <svg viewBox="0 0 520 \(height)" role="img" aria-label="\(Markup.escaped(title))">
            \(parts.joined(separator: "\n"))
            </svg>
            </figure>
            """
    }

    /// Returns a bar that is square at the axis and rounded at its end.
    private static func bar(x: Double, y: Double, length: Double, thickness: Double, color: Int) -> String {
        let radius = min(4, length)
        let flat = Markup.coordinate(length - radius)
        let round = Markup.coordinate(radius)
        return "<path class=\"bar c\(color % Palette.count)\" d=\"M\(Markup.coordinate(x)) \(Markup.coordinate(y))"
            + "h\(flat)q\(round) 0 \(round) \(round)v\(Markup.coordinate(thickness - 2 * radius))"
            + "q0 \(round) -\(round) \(round)h-\(flat)z\"/>"
    }
}

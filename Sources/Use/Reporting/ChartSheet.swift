/// Charts side by side in one SVG file, for a README or a page of documentation.
public struct ChartSheet: Sendable {
    /// The charts, in reading order.
    public var charts: [LineChart]
    /// The number of charts in a row.
    public var columns: Int

    private static let width = 520
    /// The drawing's height, 260, plus a title, a subtitle and the names of the curves.
    private static let height = 336
    private static let gap = 24

    /// Makes a sheet.
    ///
    /// - Parameters:
    ///   - charts: The charts, in reading order.
    ///   - columns: The number of charts in a row; at least 1.
    public init(charts: [LineChart], columns: Int = 2) {
        self.charts = charts
        self.columns = max(1, columns)
    }

    /// Returns the sheet as a picture.
    ///
    /// - Returns: A self-contained SVG document, which follows the reader's light or dark setting.
    public func svg() -> String {
        let (columns, rows) = (min(columns, max(1, charts.count)), max(1, (charts.count + columns - 1) / columns))
        let width = Self.gap + columns * (Self.width + Self.gap)
        let height = Self.gap + rows * (Self.height + Self.gap)
        let parts = charts.enumerated().map { index, chart in
            let x = Self.gap + index % columns * (Self.width + Self.gap)
            let y = Self.gap + index / columns * (Self.height + Self.gap)
            return "<svg x=\"\(x)\" y=\"\(y)\" width=\"\(Self.width)\" height=\"\(Self.height)\">\n"
                + Self.content(chart) + "\n</svg>"
        }
        return SVGDocument.text(width: width, height: height, parts.joined(separator: "\n"))
    }

    private static func content(_ chart: LineChart) -> String {
        // A fixed share of the width for each name: SVG cannot flow text.
        let room = width / max(1, chart.series.count)
        let names = zip(chart.series, chart.drawable).enumerated().map { index, curve in
            let value = curve.1.last.map { chart.format.string($0.y) } ?? "no values"
            return "<rect class=\"key c\(curve.0.color % Palette.count)\" x=\"\(index * room)\" y=\"50\" width=\"14\" "
                + "height=\"4\" rx=\"2\"/><text class=\"name\" x=\"\(index * room + 20)\" y=\"56\">"
                + "\(Markup.escaped(curve.0.name)) \(value)</text>"
        }
        return """
            <text class="title" x="0" y="16">\(Markup.escaped(chart.title))</text>
            <text class="tick" x="0" y="34">\(Markup.escaped(chart.subtitle))</text>
            \(names.joined(separator: "\n"))
            <svg y="70" width="520" height="260" viewBox="0 0 520 260">
            \(chart.drawing)
            </svg>
            """
    }
}

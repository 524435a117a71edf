/// A timeline of several actors, as one SVG picture.
public struct TimelineChart: Sendable {
    /// An interval of time.
    public struct Span: Sendable {
        /// Its name, shown under the pointer and in the legend.
        public var name: String
        /// Its start.
        public var start: Double
        /// Its end.
        public var end: Double
        /// The index of its color in the palette.
        public var color: Int

        /// Makes a span.
        public init(name: String, start: Double, end: Double, color: Int) {
            self.name = name
            self.start = start
            self.end = end
            self.color = color
        }
    }

    /// One line of the picture; overlapping spans of a line are stacked in rows.
    public struct Lane: Sendable {
        /// The line's name.
        public var name: String
        /// The line's spans.
        public var spans: [Span]

        /// Makes a lane.
        public init(name: String, spans: [Span]) {
            self.name = name
            self.spans = spans
        }
    }

    /// The heading.
    public var title: String
    /// The content, described under the heading.
    public var subtitle: String
    /// The colors' names, by index in the palette.
    public var legend: [String]
    /// The lines from top to bottom.
    public var lanes: [Lane]
    /// The unit of time.
    public var unit: String

    private static let width = 880.0
    private static let left = 130.0
    private static let right = 40.0
    private static let row = 14.0

    /// Makes a chart.
    public init(title: String, subtitle: String, legend: [String], lanes: [Lane], unit: String) {
        self.title = title
        self.subtitle = subtitle
        self.legend = legend
        self.lanes = lanes
        self.unit = unit
    }

    /// Returns the picture.
    ///
    /// - Returns: A self-contained SVG document, which follows the reader's light or dark setting.
    public func svg() -> String {
        let axis = Axis(
            values: [0] + lanes.flatMap(\.spans).map(\.end).filter(\.isFinite), count: 8, logarithmic: false)
        func x(_ time: Double) -> Double {
            Self.left + axis.position(time) * (Self.width - Self.left - Self.right)
        }
        var y = 84.0
        let top = y - 6
        var parts: [String] = []
        for lane in lanes {
            let rows = Self.rows(lane.spans)
            let height = Double(max(1, (rows.max() ?? 0) + 1)) * Self.row
            parts.append(
                "<text class=\"name\" x=\"\(Int(Self.left - 10))\" y=\"\(Markup.coordinate(y + height / 2))\" "
                    + "dy=\".34em\" text-anchor=\"end\">\(Markup.escaped(lane.name))</text>")
            for (span, row) in zip(lane.spans, rows) where span.start.isFinite && span.end.isFinite {
                let length = max(1, x(span.end) - x(span.start) - 1)
                parts.append(
                    "<rect class=\"bar c\(span.color % Palette.count)\" x=\"\(Markup.coordinate(x(span.start)))\" "
                        + "y=\"\(Markup.coordinate(y + Double(row) * Self.row))\" "
                        + "width=\"\(Markup.coordinate(length))\" height=\"\(Markup.coordinate(Self.row - 2))\" rx=\"2\">"
                        + "<title>\(Markup.escaped(span.name))</title></rect>")
            }
            y += height + 12
        }
        let grid = axis.ticks.map { tick in
            let place = Markup.coordinate(x(tick))
            return "<path class=\"grid\" d=\"M\(place) \(Markup.coordinate(top))V\(Markup.coordinate(y))\"/>"
                + "<text class=\"tick\" x=\"\(place)\" y=\"\(Markup.coordinate(y + 16))\" text-anchor=\"middle\">"
                + "\(axis.label(tick, format: .number)) \(Markup.escaped(unit))</text>"
        }
        let room = (Self.width - Self.left - Self.right) / Double(max(1, legend.count))
        let keys = legend.enumerated().map { index, name in
            let place = Self.left + Double(index) * room
            return "<rect class=\"bar c\(index % Palette.count)\" x=\"\(Markup.coordinate(place))\" y=\"55\" "
                + "width=\"12\" height=\"8\" rx=\"2\"/><text x=\"\(Markup.coordinate(place + 18))\" y=\"63\">"
                + "\(Markup.escaped(name))</text>"
        }
        return SVGDocument.text(
            width: Int(Self.width), height: Int(y + 30),
            """
            <text class="title" x="20" y="26">\(Markup.escaped(title))</text>
            <text class="tick" x="20" y="44">\(Markup.escaped(subtitle))</text>
            \((keys + grid + parts).joined(separator: "\n"))
            """)
    }

    /// Puts every span into the first row that is free when it begins.
    private static func rows(_ spans: [Span]) -> [Int] {
        var ends: [Double] = []
        var rows = [Int](repeating: 0, count: spans.count)
        for index in spans.indices.sorted(by: { spans[$0].start < spans[$1].start }) {
            let row = ends.firstIndex { $0 <= spans[index].start } ?? ends.count
            if row == ends.count { ends.append(0) }
            ends[row] = spans[index].end
            rows[index] = row
        }
        return rows
    }
}

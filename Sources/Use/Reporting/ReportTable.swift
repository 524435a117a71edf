/// Figures in rows and columns.
public struct ReportTable: Sendable {
    /// A column.
    public struct Column: Sendable {
        /// The column's heading.
        public var name: String
        /// Whether it holds numbers, which are right-aligned.
        public var isNumber: Bool

        /// Makes a column.
        public init(_ name: String, isNumber: Bool = true) {
            self.name = name
            self.isNumber = isNumber
        }
    }

    /// The columns from left to right.
    public var columns: [Column]
    /// The rows from top to bottom, each with as many cells as there are columns.
    public var rows: [[String]]

    /// Makes a table.
    public init(columns: [Column], rows: [[String]]) {
        self.columns = columns
        self.rows = rows
    }

    /// Returns the table as HTML.
    ///
    /// - Returns: The markup; a table that is wider than the window scrolls by itself.
    public func html() -> String {
        func cells(_ texts: [String], _ tag: String) -> String {
            zip(columns, texts).map { column, text in
                "<\(tag)\(column.isNumber ? " class=\"number\"" : "")>\(Markup.escaped(text))</\(tag)>"
            }.joined()
        }
        return """
            <div class="figures"><table><thead><tr>\(cells(columns.map(\.name), "th"))</tr></thead>
            <tbody>
            \(rows.map { "<tr>\(cells($0, "td"))</tr>" }.joined(separator: "\n"))
            </tbody></table></div>
            """
    }
}

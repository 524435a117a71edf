/// A table for a terminal: the first column left-aligned, the others right-aligned.
struct TextTable {
    /// The column headers.
    var header: [String]
    /// The rows, with one cell per column.
    var rows: [[String]]

    /// The table, one line per row.
    var text: String {
        let all = [header] + rows
        let widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { cells in
            zip(cells, widths).enumerated().map { column, cell in
                let padding = String(repeating: " ", count: cell.1 - cell.0.count)
                return column == 0 ? cell.0 + padding : padding + cell.0
            }.joined(separator: "  ")
        }.joined(separator: "\n")
    }
}

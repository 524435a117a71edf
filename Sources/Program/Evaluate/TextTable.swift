/// Figures in columns for a terminal: the first at the left, the others at the right.
struct TextTable {
    /// What stands above the columns.
    var header: [String]
    /// The rows, each with as many cells.
    var rows: [[String]]

    /// The table, one line a row.
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

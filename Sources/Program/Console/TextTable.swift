/// A table for a terminal.
struct TextTable {
    /// The column headers.
    var header: [String]
    /// The rows, with one cell per column.
    var rows: [[String]]
    /// The columns whose cells are aligned on the right; all but the first by default, as for numbers.
    var rightAligned: Set<Int>?

    /// The table, one line per row, without white space at its ends.
    var text: String {
        let all = [header] + rows
        let widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { cells in
            zip(cells, widths).enumerated().map { column, cell in
                let padding = String(repeating: " ", count: cell.1 - cell.0.count)
                let isRight = rightAligned.map { $0.contains(column) } ?? (column > 0)
                if isRight { return padding + cell.0 }
                return column == cells.count - 1 ? cell.0 : cell.0 + padding
            }.joined(separator: "  ")
        }.joined(separator: "\n")
    }
}

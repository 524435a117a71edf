import W2VDecoding

/// A reference above the recognized text, word under word, with every difference marked.
///
///     REF:  the  cat  sat  on  ***   the
///     HYP:  the  bat  ***  on  down  the
///                S    D        I
struct AlignedText {
    /// The aligned words.
    var pairs: [AlignedPair<String>]
    /// Number of characters in a line.
    var width: Int
    /// Whether differences are also colored.
    var isColored: Bool

    private static let margin = 6

    private struct Column {
        var reference: String
        var hypothesis: String
        var mark: String
        /// The terminal's color; nil for correct words.
        var color: Int?

        init(_ pair: AlignedPair<String>) {
            let gap = String(repeating: "*", count: max((pair.reference ?? pair.hypothesis ?? "").count, 1))
            reference = pair.reference ?? gap
            hypothesis = pair.hypothesis ?? gap
            (mark, color) =
                switch pair {
                case .match: ("", nil)
                case .substitution: ("S", 33)
                case .deletion: ("D", 31)
                case .insertion: ("I", 36)
                }
        }

        var width: Int { max(reference.count, hypothesis.count) }
    }

    /// The lines to print: three for each group of words that fits in the width.
    var lines: [String] {
        var lines: [String] = []
        var stretch: [Column] = []
        var used = Self.margin
        for column in pairs.map(Column.init) {
            if !stretch.isEmpty, used + column.width > width {
                lines += rows(stretch)
                stretch = []
                used = Self.margin
            }
            stretch.append(column)
            used += column.width + 2
        }
        return stretch.isEmpty ? ["REF:  (nothing)", "HYP:  (nothing)"] : lines + rows(stretch)
    }

    private func rows(_ columns: [Column]) -> [String] {
        func row(_ name: String, _ text: (Column) -> String) -> String {
            var line = name + String(repeating: " ", count: Self.margin - name.count)
            for column in columns {
                let word = text(column)
                let padding = String(repeating: " ", count: column.width + 2 - word.count)
                if isColored, let color = column.color, !word.isEmpty {
                    line += "\u{1B}[\(color)m\(word)\u{1B}[0m" + padding
                } else {
                    line += word + padding
                }
            }
            return String(line.reversed().drop { $0 == " " }.reversed())
        }
        let rows = [row("REF:") { $0.reference }, row("HYP:") { $0.hypothesis }]
        return columns.allSatisfy { $0.mark.isEmpty } ? rows : rows + [row("") { $0.mark }]
    }
}

import Foundation

/// Fits text into a line of a terminal.
public enum TerminalText {
    /// Returns the number of columns of a terminal, at least 1; 80 if it is not a terminal, or does not report it.
    ///
    /// - Parameter descriptor: A descriptor of the terminal.
    public static func columns(of descriptor: Int32) -> Int {
        var size = winsize()
        let isKnown = ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        return isKnown ? Int(size.ws_col) : 80
    }

    /// Returns the beginning of a text, with an ellipsis if it does not fit.
    ///
    /// - Parameters:
    ///   - text: One line.
    ///   - columns: Number of columns.
    public static func beginning(of text: String, columns: Int) -> String {
        fits(text, columns) ? text : String(fitting(text, columns)) + "…"
    }

    /// Returns the end of a text, with an ellipsis if it does not fit.
    ///
    /// - Parameters:
    ///   - text: One line.
    ///   - columns: Number of columns.
    public static func ending(of text: String, columns: Int) -> String {
        fits(text, columns) ? text : "…" + String(fitting(text.reversed(), columns).reversed())
    }

    /// Returns a progress line: the text, and a bar before it if both fit.
    ///
    /// - Parameters:
    ///   - text: One line.
    ///   - share: The share of the work that is done, from 0 to 1; nil for no bar.
    ///   - columns: Number of columns.
    public static func progress(_ text: String, share: Double?, columns: Int) -> String {
        guard let share, share.isFinite else { return beginning(of: text, columns: columns) }
        let room = columns - text.reduce(0) { $0 + width(of: $1) } - 3
        guard room >= 10 else { return beginning(of: text, columns: columns) }
        let length = min(room, 30)
        let done = Int(Double(length) * min(1, max(0, share)))
        return "[" + String(repeating: "#", count: done) + String(repeating: "-", count: length - done) + "] " + text
    }

    private static func fits(_ text: String, _ columns: Int) -> Bool {
        text.reduce(0) { $0 + width(of: $1) } <= columns
    }

    /// Returns the first characters that fit beside an ellipsis.
    private static func fitting(_ characters: some Sequence<Character>, _ columns: Int) -> [Character] {
        var used = 1
        return characters.prefix { character in
            used += width(of: character)
            return used <= columns
        }
    }

    /// Returns the number of columns of a character: two for Chinese, Japanese and Korean writing and for pictographs.
    ///
    /// Source: Unicode Standard Annex 11, East Asian Width, its wide and full-width blocks.
    private static func width(of character: Character) -> Int {
        switch character.unicodeScalars.first?.value ?? 0 {
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x4DBF, 0x4E00...0xA4CF, 0xA960...0xA97F, 0xAC00...0xD7A3,
            0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF01...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
            2
        default: 1
        }
    }
}

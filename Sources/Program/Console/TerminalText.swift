/// The end of a text that fits into a terminal's columns; what was cut off is an ellipsis.
///
/// - Parameters:
///   - text: One line.
///   - columns: How many columns there are.
/// - Returns: The text, or its end.
func terminalEnding(of text: String, columns: Int) -> String {
    guard text.reduce(0, { $0 + terminalColumns(of: $1) }) > columns else { return text }
    var used = 1
    let ending = text.reversed().prefix { character in
        used += terminalColumns(of: character)
        return used <= columns
    }
    return "…" + String(ending.reversed())
}

/// How many columns a character takes: two of Chinese, Japanese and Korean writing and of pictures.
///
/// Source: Unicode Standard Annex 11, East Asian Width, its wide and full-width blocks.
private func terminalColumns(of character: Character) -> Int {
    switch character.unicodeScalars.first?.value ?? 0 {
    case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x4DBF, 0x4E00...0xA4CF, 0xA960...0xA97F, 0xAC00...0xD7A3,
        0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF01...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
        2
    default: 1
    }
}

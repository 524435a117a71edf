import Foundation
import W2VBase

/// Transcripts as label lines: fairseq's `.wrd` (words) and `.ltr` (letters).
public enum Transcript {
    /// The words, separated by single spaces: a line of a `.wrd` file.
    ///
    /// - Parameter text: A transcript.
    /// - Returns: The same words.
    public static func words(_ text: String) -> String {
        text.whitespaceSeparated.joined(separator: " ")
    }

    /// The letters, separated by spaces, with `|` after every word: a line of a `.ltr` file.
    ///
    /// A letter is a Unicode code point, as fairseq's scripts have it.
    ///
    /// - Parameter text: A transcript.
    /// - Returns: `A B | C |` for `AB C`; empty for an empty transcript.
    public static func letters(_ text: String) -> String {
        var line: [UInt8] = []
        appendLine(Array(text.utf8), labels: "ltr", to: &line)
        return String(decoding: line, as: UTF8.self)
    }

    /// Whether labels of this extension are made of a transcript: spelled, or as words.
    static func isSpelled(_ labels: String) -> Bool { labels == "ltr" || labels == "wrd" }

    /// Appends the label line of a transcript: `ltr` spells it, `wrd` takes its words, any other takes it as it is.
    ///
    /// It works on bytes, because lists of millions pass through it.
    static func appendLine(_ text: [UInt8], labels: String, to line: inout [UInt8]) {
        guard isSpelled(labels) else {
            line.append(contentsOf: text)
            return
        }
        let spells = labels == "ltr"
        var position = 0
        var isInWord = false
        var isFirst = true
        while position < text.count {
            let length = scalarLength(text, at: position)
            if isSpace(text, at: position, length: length) {
                if isInWord && spells { line.append(contentsOf: [0x20, 0x7C]) }
                isInWord = false
            } else {
                if !isFirst && (spells || !isInWord) { line.append(0x20) }
                line.append(contentsOf: text[position..<(position + length)])
                isInWord = true
                isFirst = false
            }
            position += length
        }
        if isInWord && spells { line.append(contentsOf: [0x20, 0x7C]) }
    }

    private static func scalarLength(_ text: [UInt8], at position: Int) -> Int {
        let byte = text[position]
        let length = byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4
        return min(length, text.count - position)
    }

    private static func isSpace(_ text: [UInt8], at position: Int, length: Int) -> Bool {
        let byte = text[position]
        if byte < 0x80 { return byte == 0x20 || (0x09...0x0D).contains(byte) }
        // Spaces outside ASCII begin with one of these bytes.
        guard [0xC2, 0xE1, 0xE2, 0xE3].contains(byte) else { return false }
        let scalar = String(decoding: text[position..<(position + length)], as: UTF8.self).unicodeScalars.first
        return scalar?.properties.isWhitespace ?? false
    }

    /// The transcript that a `.ltr` line spells.
    ///
    /// - Parameter letters: Symbols separated by spaces, with `|` between words.
    /// - Returns: Words separated by single spaces.
    public static func text(fromLetters letters: String) -> String {
        // Code point by code point, as fairseq: a mark after a space is a symbol of its own.
        var text = String.UnicodeScalarView()
        text.append(contentsOf: letters.unicodeScalars.lazy.filter { $0 != " " }.map { $0 == "|" ? " " : $0 })
        return spaced(String(text))
    }

    /// What a label line says.
    ///
    /// Symbols that are never part of a text, such as `<pad>`, are left out, as where a model's output is read.
    ///
    /// - Parameters:
    ///   - line: Symbols separated by spaces.
    ///   - isSpelled: Whether the symbols are letters with `|` between words, or each a word.
    /// - Returns: Words separated by single spaces.
    public static func text(ofLine line: String, isSpelled: Bool) -> String {
        var line = line
        if line.contains("<") {
            let silent = LabelDictionary.specials.prefix(LabelDictionary.unknown)
            line = line.unicodeScalars.split(separator: " ").map { String($0) }.filter { !silent.contains($0) }
                .joined(separator: " ")
        }
        return isSpelled ? text(fromLetters: line) : spaced(line)
    }

    /// What spaces separate, with single spaces; other white space is a symbol like any other.
    static func spaced(_ text: String) -> String {
        text.unicodeScalars.split(separator: " ").map { Substring($0) }.joined(separator: " ")
    }

    /// Writes the `.ltr` and `.wrd` files beside a manifest; those that are there are replaced.
    ///
    /// - Parameters:
    ///   - transcripts: One an utterance, in the manifest's order.
    ///   - manifest: The `.tsv` file, whose name the two files share.
    /// - Throws: `CorpusError`; a transcript with `|` is refused, since that is the word boundary.
    public static func writeLabels(_ transcripts: [String], beside manifest: URL) throws {
        let files = StagedFiles()
        try writeLabels(transcripts, beside: manifest, in: files)
        try files.commit()
    }

    /// Writes the `.ltr` and `.wrd` files beside a manifest, to appear together with other files.
    ///
    /// - Parameters:
    ///   - transcripts: One an utterance, in the manifest's order.
    ///   - manifest: The `.tsv` file, whose name the two files share.
    ///   - files: What the files are written with.
    /// - Throws: `CorpusError`; a transcript with `|` is refused, since that is the word boundary.
    public static func writeLabels(
        _ transcripts: [String], beside manifest: URL, in files: StagedFiles
    ) throws {
        let base = manifest.deletingPathExtension()
        let words = base.appendingPathExtension("wrd")
        if let bad = transcripts.firstIndex(where: { $0.utf8.contains(UInt8(ascii: "|")) }) {
            throw CorpusError.badLine(
                file: words.path, line: bad + 1, expected: "a transcript without the word boundary |",
                found: transcripts[bad])
        }
        try files.write(transcripts.lazy.map(Self.letters), to: base.appendingPathExtension("ltr"))
        try files.write(transcripts.lazy.map(Self.words), to: words)
    }
}

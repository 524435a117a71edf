import Foundation
import W2VBase

/// Transcripts as label lines: fairseq's `.wrd` (words) and `.ltr` (letters).
public enum Transcript {
    /// Returns the words, separated by single spaces: a line of a `.wrd` file.
    public static func words(_ text: String) -> String {
        text.whitespaceSeparated.joined(separator: " ")
    }

    /// Returns the letters, separated by spaces, with `|` after every word: a line of a `.ltr` file.
    ///
    /// A letter is a Unicode code point, as in fairseq's scripts: `A B | C |` for `AB C`. An empty transcript gives an
    /// empty line.
    public static func letters(_ text: String) -> String {
        var line: [UInt8] = []
        appendLine(Array(text.utf8), labels: "ltr", to: &line)
        return String(decoding: line, as: UTF8.self)
    }

    /// Returns whether labels of this extension are made from a transcript: spelled, or as words.
    static func isSpelled(_ labels: String) -> Bool { Manifest.transcriptLabels.contains(labels) }

    /// Appends the label line of a transcript: `ltr` spells it, `wrd` takes its words, any other extension takes it
    /// unchanged.
    ///
    /// Works on bytes, because lists of millions of lines pass through it.
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

    /// Returns the transcript that a `.ltr` line spells.
    ///
    /// - Parameter letters: Symbols separated by spaces, with `|` between words.
    /// - Returns: Words separated by single spaces.
    public static func text(fromLetters letters: String) -> String {
        // Code point by code point, as in fairseq: a combining mark after a space is a symbol of its own.
        var text = String.UnicodeScalarView()
        text.append(contentsOf: letters.unicodeScalars.lazy.filter { $0 != " " }.map { $0 == "|" ? " " : $0 })
        return spaced(String(text))
    }

    /// Returns the text of a label line.
    ///
    /// Special symbols that are never part of a text, such as `<pad>`, are left out, as for a model's output.
    ///
    /// - Parameters:
    ///   - line: Symbols separated by spaces.
    ///   - isSpelled: Whether the symbols are letters with `|` between words, rather than words.
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

    /// Joins what is between spaces with single spaces; other white space is a symbol like any other.
    static func spaced(_ text: String) -> String {
        text.unicodeScalars.split(separator: " ").map { Substring($0) }.joined(separator: " ")
    }

    /// Writes the `.ltr` and `.wrd` files beside a manifest, replacing existing ones.
    ///
    /// - Parameters:
    ///   - transcripts: One per utterance, in the manifest's order.
    ///   - manifest: The `.tsv` file, whose name the two files share.
    /// - Throws: `CorpusError`; a transcript with `|` is refused, since that is the word boundary.
    public static func writeLabels(_ transcripts: [String], beside manifest: URL) throws {
        let files = StagedFiles()
        try writeLabels(transcripts, beside: manifest, in: files)
        try files.commit()
    }

    /// Writes the `.ltr` and `.wrd` files beside a manifest, to be committed together with other files.
    ///
    /// - Parameters:
    ///   - transcripts: One per utterance, in the manifest's order.
    ///   - manifest: The `.tsv` file, whose name the two files share.
    ///   - files: The files to commit together.
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

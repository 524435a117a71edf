import Foundation

/// Transcripts as label lines: fairseq's `.wrd` (words) and `.ltr` (letters).
public enum Transcript {
    /// The words, separated by single spaces: a line of a `.wrd` file.
    ///
    /// - Parameter text: A transcript.
    /// - Returns: The same words.
    public static func words(_ text: String) -> String {
        text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
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

    /// Whether labels of this extension are made of a transcript: spelt, or as words.
    static func isSpelt(_ labels: String) -> Bool { labels == "ltr" || labels == "wrd" }

    /// Appends the label line of a transcript: `ltr` spells it, `wrd` takes its words, any other takes it as it is.
    ///
    /// It works on bytes, because lists of millions pass through it.
    static func appendLine(_ text: [UInt8], labels: String, to line: inout [UInt8]) {
        guard isSpelt(labels) else {
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
        words(letters.filter { $0 != " " }.replacingOccurrences(of: "|", with: " "))
    }

    /// What a label line says.
    ///
    /// - Parameters:
    ///   - line: The line.
    ///   - labels: The labels' extension: `ltr` spells letters, of any other the symbols are words.
    /// - Returns: Words separated by single spaces.
    public static func text(ofLine line: String, labels: String) -> String {
        labels == "ltr" ? text(fromLetters: line) : words(line)
    }

    /// Reads transcripts for a manifest's utterances.
    ///
    /// The file either has one transcript a line in the manifest's order, or lines `key<TAB>transcript` in any order,
    /// where the key is an utterance's path, its file name, or its file name without extension.
    ///
    /// - Parameters:
    ///   - url: The file.
    ///   - manifest: The utterances.
    /// - Returns: One transcript an utterance, in the manifest's order.
    /// - Throws: `CorpusError`; a transcript with `|` is refused, since that is the word boundary, and so is a key that
    ///   fits several recordings.
    public static func read(_ url: URL, for manifest: Manifest) throws -> [String] {
        let lines = try Lines.read(url)
        func plain(_ text: some StringProtocol, line: Int) throws -> String {
            guard !text.utf8.contains(UInt8(ascii: "|")) else {
                throw CorpusError.badLine(
                    file: url.path, line: line, expected: "a transcript without the word boundary |",
                    found: String(text))
            }
            return String(text)
        }
        guard lines.contains(where: { $0.contains("\t") }) else {
            guard lines.count == manifest.count else {
                throw CorpusError.labelCount(
                    labels: url.path, found: lines.count, manifest: manifest.name, expected: manifest.count)
            }
            return try lines.enumerated().map { try plain($1, line: $0 + 1) }
        }
        var keys = KeyedUtterances(url)
        for (index, line) in lines.enumerated() {
            guard let tab = line.firstIndex(of: "\t"), keys.insert(String(line[..<tab]), line: index + 1) else {
                throw CorpusError.badLine(
                    file: url.path, line: index + 1, expected: "a key that no other line has, a tab and a transcript",
                    found: line)
            }
        }
        return try keys.lines(of: manifest).enumerated().map { index, number in
            guard let number else {
                throw CorpusError.badLine(
                    file: url.path, line: lines.count, expected: "a transcript for \(manifest.path(index)) somewhere",
                    found: "none in \(lines.count) lines")
            }
            let line = lines[number - 1]
            return try plain(line.drop { $0 != "\t" }.dropFirst(), line: number)
        }
    }

    /// Writes the `.ltr` and `.wrd` files beside a manifest.
    ///
    /// - Parameters:
    ///   - transcripts: One an utterance, in the manifest's order.
    ///   - manifest: The `.tsv` file, whose name the two files share.
    /// - Returns: The two files.
    /// - Throws: `CorpusError`; a transcript with `|` is refused, since that is the word boundary.
    @discardableResult
    public static func writeLabels(_ transcripts: [String], beside manifest: URL) throws -> (letters: URL, words: URL) {
        let base = manifest.deletingPathExtension()
        let letters = base.appendingPathExtension("ltr")
        let words = base.appendingPathExtension("wrd")
        if let bad = transcripts.firstIndex(where: { $0.contains("|") }) {
            throw CorpusError.badLine(
                file: words.path, line: bad + 1, expected: "a transcript without the word boundary |",
                found: transcripts[bad])
        }
        try Lines.write(transcripts.lazy.map(Self.letters), to: letters)
        try Lines.write(transcripts.lazy.map(Self.words), to: words)
        return (letters, words)
    }
}

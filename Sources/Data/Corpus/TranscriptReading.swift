import Foundation
import W2VBase

extension Transcript {
    /// Reads transcripts for a manifest's utterances.
    ///
    /// The file has either one transcript per line in the manifest's order, or lines of a key and its transcript in any
    /// order, like LibriSpeech's `*.trans.txt` and Kaldi's `text`. The key is an utterance's path, its file name, or
    /// its file name without extension; white space separates it from the transcript. Lines about other utterances and
    /// blank lines between keys are ignored.
    ///
    /// - Parameters:
    ///   - url: The file.
    ///   - manifest: The utterances.
    /// - Returns: One transcript per utterance, in the manifest's order.
    /// - Throws: `CorpusError`, also for a transcript with `|`, which is the word boundary, for a key that matches
    ///   several recordings, and for lines that may or may not have keys.
    public static func read(_ url: URL, for manifest: Manifest) throws -> [String] {
        try read([url], for: manifest)
    }

    /// Reads transcripts for a manifest's utterances from several files, which must have keys unless there is only one.
    ///
    /// - Parameters:
    ///   - urls: The files; each may also be a ``TranscriptTable``.
    ///   - manifest: The utterances.
    ///   - columns: The tables' columns of paths and transcripts; nil to find them by their usual names.
    /// - Returns: One transcript per utterance, in the manifest's order.
    /// - Throws: `CorpusError`, as for one file.
    public static func read(
        _ urls: [URL], for manifest: Manifest, columns: TranscriptTable.Columns? = nil
    ) throws -> [String] {
        let names = UtteranceNames(manifest)
        var texts: [TranscriptLine] = []
        for url in urls {
            if let table = try TranscriptTable(url, columns: columns), table.hasTexts {
                try table.forEachRow { row in
                    texts.append(TranscriptLine(file: url, number: row.line, key: row.path, text: row.text))
                }
                continue
            }
            let lines = try Lines.read(url)
            guard try hasKeys(lines, of: url, names, mayLackKeys: urls.count == 1) else {
                return try inOrder(lines, of: url, for: manifest)
            }
            let filled = zip(1..., lines).filter { !$1.utf8.allSatisfy(Lines.isBlank) }
            let onlyTabs = filled.allSatisfy { $1.utf8.contains(0x09) }
            for (number, line) in filled {
                let key = names.key(of: line, onlyTabs: onlyTabs)
                texts.append(TranscriptLine(file: url, number: number, key: key.key, text: key.text))
            }
        }
        return try byKey(texts, for: manifest)
    }

    private struct TranscriptLine {
        var file: URL
        var number: Int
        var key: String
        var text: String
    }

    private static func inOrder(_ lines: [String], of url: URL, for manifest: Manifest) throws -> [String] {
        var lines = lines
        // Editors and scripts leave a blank line at the end.
        while lines.count > manifest.count, lines.last?.utf8.allSatisfy(Lines.isBlank) ?? false { lines.removeLast() }
        guard lines.count == manifest.count else {
            throw CorpusError.labelCount(
                labels: url.path, found: lines.count, manifest: manifest.name, expected: manifest.count)
        }
        for (number, line) in zip(1..., lines) { try refuseBoundary(in: line, url, number) }
        return lines
    }

    private static func byKey(_ lines: [TranscriptLine], for manifest: Manifest) throws -> [String] {
        // Without lines, the manifest's first utterance is the one without a transcript.
        let place = lines.first?.file ?? URL(fileURLWithPath: manifest.name)
        var keys = KeyedUtterances(place)
        for (index, line) in lines.enumerated() {
            guard keys.insert(line.key, line: index + 1) else {
                throw CorpusError.badLine(
                    file: line.file.path, line: line.number, expected: "a key that no other line has", found: line.key)
            }
        }
        do {
            return try keys.lines(of: manifest).enumerated().map { index, number in
                guard let number else {
                    throw CorpusError.badLine(
                        file: lines.last?.file.path ?? place.path, line: lines.last?.number ?? 1,
                        expected: "a transcript for \(manifest.path(index)) somewhere",
                        found: "no such key in \(lines.count) \(lines.count == 1 ? "line" : "lines")")
                }
                let line = lines[number - 1]
                try refuseBoundary(in: line.text, line.file, line.number)
                return line.text
            }
        } catch CorpusError.ambiguousKey(let key, _, let number, let utterances) {
            let line = lines[number - 1]
            throw CorpusError.ambiguousKey(
                key: key, file: line.file.path, line: line.number, utterances: utterances)
        }
    }

    private static func refuseBoundary(in text: String, _ url: URL, _ line: Int) throws {
        guard !text.utf8.contains(UInt8(ascii: "|")) else {
            throw CorpusError.badLine(
                file: url.path, line: line, expected: "a transcript without the word boundary |", found: text)
        }
    }

    /// Returns whether lines begin with keys: words before a tab, or names of utterances before a transcript.
    ///
    /// - Throws: `CorpusError` if lines begin with what looks like keys but matches no utterance, or if the names are
    ///   words too, so that the two cannot be distinguished.
    private static func hasKeys(
        _ lines: [String], of url: URL, _ names: UtteranceNames, mayLackKeys: Bool
    ) throws -> Bool {
        if !mayLackKeys || lines.contains(where: { $0.utf8.contains(0x09) }) { return true }
        let filled = zip(1..., lines).filter { !$1.utf8.allSatisfy(Lines.isBlank) }
        let keys = filled.map { names.key(of: $1) }
        let named = zip(filled, keys).filter { $1.isName }
        let alike = zip(filled, keys).filter { looksLikeKey($1.key, isAlone: $1.text.isEmpty && !$1.isName) }
        let areAlike = 2 * alike.count > filled.count
        guard let first = named.first(where: { !$1.text.isEmpty }),
            2 * named.count > filled.count || areAlike || names.cover(named.map(\.1.key))
        else {
            if let (line, problem) = names.misplaced(in: filled, besides: named.count) {
                throw CorpusError.badLine(file: url.path, line: line.0, expected: problem, found: line.1)
            }
            guard areAlike, let (line, key) = alike.first else { return false }
            if key.isName {
                throw CorpusError.badLine(
                    file: url.path, line: line.0, expected: "a transcript after the key", found: line.1)
            }
            throw CorpusError.unknownKeys(
                file: url.path, line: line.0, found: line.1, manifest: names.manifest.name,
                example: names.manifest.path(0))
        }
        // Recordings may be named by the words spoken in them: then the name "yes" cannot be distinguished from the
        // word "yes". Numbers are words too, but each line hardly begins with a different recording's number by chance.
        let areWords = named.allSatisfy { $1.key.unicodeScalars.allSatisfy(\.properties.isAlphabetic) }
        let areNumbers = named.allSatisfy { $1.key.utf8.allSatisfy { (0x30...0x39).contains($0) } }
        let areDistinct = Set(named.map { ExactText($1.key) }).count == filled.count
        let isDoubtful = areWords || (areNumbers && !(areDistinct && names.cover(named.map(\.1.key))))
        if isDoubtful, lines.count == names.manifest.count {
            throw CorpusError.ambiguousKeys(file: url.path, line: first.0.0, found: first.0.1)
        }
        return true
    }

    /// Returns whether a line's first word looks like a recording's name rather than a word of a transcript:
    /// `26-1001-0000`, `spk1_utt2`, `clips/a.mp3`, `LJ001-0001`.
    private static func looksLikeKey(_ word: String, isAlone: Bool) -> Bool {
        guard !isAlone else { return false }
        let scalars = word.unicodeScalars
        let hasDigit = scalars.contains { ("0"..."9").contains($0) }
        let hasOther = scalars.contains { $0 == "-" || $0 == "." || $0.properties.isAlphabetic }
        return scalars.contains { $0 == "/" || $0 == "_" } || (hasDigit && hasOther)
    }
}

/// The names of a manifest's utterances, to find them at the beginning of lines.
private struct UtteranceNames {
    /// The beginning of a line.
    struct Key {
        var key: String
        /// The transcript after it.
        var text: String
        /// Whether it is an utterance's name.
        var isName: Bool
    }

    let manifest: Manifest
    private let names: Set<ExactText>
    /// The names with non-ASCII characters, in composed form.
    private let composed: Set<ExactText>
    /// Maximum number of words in a name: file names may have spaces.
    private let longest: Int

    init(_ manifest: Manifest) {
        self.manifest = manifest
        let names = KeyedUtterances.names(of: manifest)
        self.names = names
        composed = Set(
            names.lazy.filter { !$0.text.utf8.allSatisfy { $0 < 0x80 } }.map {
                ExactText($0.text.precomposedStringWithCanonicalMapping)
            })
        longest = names.reduce(1) { max($0, $1.text.unicodeScalars.count(where: \.properties.isWhitespace) + 1) }
    }

    /// Finds the key at the beginning of a line.
    ///
    /// - Parameters:
    ///   - line: A key and a transcript.
    ///   - onlyTabs: Whether only a tab ends the key, which may have spaces.
    /// - Returns: The text before the first tab, if it is a name or only tabs count; otherwise the longest name before
    ///   white space; otherwise the first word.
    func key(of line: String, onlyTabs: Bool = false) -> Key {
        let scalars = line.unicodeScalars
        if let tab = scalars.firstIndex(of: "\t") {
            let whole = String(scalars[..<tab])
            let key = names.contains(ExactText(whole)) ? whole : whole.trimmingCharacters(in: .whitespaces)
            let isName = names.contains(ExactText(key))
            if onlyTabs || isName {
                let text = scalars[tab...].drop(while: \.properties.isWhitespace)
                return Key(key: key, text: String(text), isName: isName)
            }
        }
        let line = scalars.drop(while: \.properties.isWhitespace)
        var places: [String.Index] = []
        var place = line.startIndex
        while places.count < longest, let space = line[place...].firstIndex(where: \.properties.isWhitespace) {
            places.append(space)
            place = line.index(after: space)
        }
        if places.count < longest { places.append(line.endIndex) }
        let name = places.last { names.contains(ExactText(Substring(line[..<$0]))) }
        return key(in: line, to: name ?? places[0])
    }

    private func key(in line: Substring.UnicodeScalarView, to end: String.Index) -> Key {
        let key = String(line[..<end])
        let text = line[end...].drop(while: \.properties.isWhitespace)
        return Key(key: key, text: String(text), isName: names.contains(ExactText(key)))
    }

    /// Finds the first line with an utterance's name in another place than a key's, if most lines have one.
    ///
    /// Taken for transcripts, such lines would have the names among their words.
    ///
    /// - Parameters:
    ///   - lines: Lines with their numbers.
    ///   - named: Number of lines that begin with a name as they should.
    /// - Returns: The line, and what was expected in its place.
    func misplaced(in lines: [(Int, String)], besides named: Int) -> (line: (Int, String), expected: String)? {
        let wrong = lines.compactMap { line in problem(line.1).map { (line: line, expected: $0) } }
        return 2 * (wrong.count + named) > lines.count ? wrong.first : nil
    }

    private func problem(_ line: String) -> String? {
        let expected = "a key, a space or a tab, and a transcript"
        let scalars = line.unicodeScalars
        // sclite's trn: the transcript, and the name in parentheses.
        if let open = scalars.lastIndex(of: "("), let close = scalars.lastIndex(of: ")"), open < close,
            scalars[scalars.index(after: close)...].allSatisfy(\.properties.isWhitespace),
            has(Substring(scalars[scalars.index(after: open)..<close]))
        {
            return "\(expected); here the key stands in parentheses at the end"
        }
        // Tables with commas, semicolons or bars between their columns, possibly with quotation marks.
        for separator: Unicode.Scalar in [",", ";", "|"] {
            if let end = scalars.firstIndex(of: separator),
                has(Substring(scalars[..<end]).trimmingCharacters(in: CharacterSet(charactersIn: " \"")))
            {
                return "\(expected); here \"\(separator)\" stands behind the key"
            }
        }
        let first = line.whitespaceSeparated.first.map { String($0) } ?? ""
        if !names.contains(ExactText(first)), composed.contains(ExactText(first.precomposedStringWithCanonicalMapping))
        {
            return "\(expected), the key in the manifest's code points (Unicode's NFC and NFD differ)"
        }
        return nil
    }

    private func has(_ name: some StringProtocol) -> Bool { names.contains(ExactText(name)) }

    /// Returns whether some keys are those of all utterances, or would be if each matched only one.
    func cover(_ keys: [String]) -> Bool {
        var found = KeyedUtterances(URL(fileURLWithPath: manifest.name))
        for key in keys { _ = found.insert(key, line: 1) }
        guard let lines = try? found.lines(of: manifest) else { return true }
        return lines.allSatisfy { $0 != nil }
    }
}

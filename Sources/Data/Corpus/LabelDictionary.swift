import Foundation
import W2VBase

/// The symbols that a model outputs, as fairseq's `dict.ltr.txt` lists them.
///
/// Four special symbols come first without being in the file: `<s>` (also the CTC blank), `<pad>`, `</s>` and `<unk>`.
/// Symbols are compared by their code points, as in fairseq: K and the Kelvin sign are different.
public struct LabelDictionary: Equatable, Sendable {
    /// The special symbols, in the order of their indices.
    public static let specials = ["<s>", "<pad>", "</s>", "<unk>"]
    /// The CTC blank's index.
    public static let blank = 0
    /// The index of `<unk>`.
    public static let unknown = 3
    /// The symbol between words.
    public static let wordBoundary = "|"

    /// All symbols by index, special symbols included.
    public let symbols: [String]
    /// The number of occurrences of each symbol, 0 for the special ones.
    public let counts: [Int]
    private let indices: [ExactText: Int]
    /// The indices of symbols of one ASCII character, −1 for others: a fast path for nearly all labels.
    private let letters: [Int]

    /// Makes a dictionary of symbols and their counts, to which the four specials are added.
    public init(entries: [(symbol: String, count: Int)]) {
        symbols = Self.specials + entries.map(\.symbol)
        counts = Self.specials.map { _ in 0 } + entries.map(\.count)
        let indices = Dictionary(zip(symbols.lazy.map { ExactText($0) }, 0...), uniquingKeysWith: { first, _ in first })
        self.indices = indices
        letters = (0..<128).map { byte in indices[ExactText(String(Unicode.Scalar(UInt8(byte))))] ?? -1 }
    }

    /// Number of symbols, special ones included: the width of a CTC head.
    public var count: Int { symbols.count }

    /// Returns a symbol's index, or nil if it is not in the dictionary.
    public func index(of symbol: String) -> Int? { indices[ExactText(symbol)] }

    /// Returns whether both have the same symbols, code point by code point, and counts.
    public static func == (left: LabelDictionary, right: LabelDictionary) -> Bool {
        left.counts == right.counts && left.symbols.elementsEqual(right.symbols) { $0.hasSameCodePoints(as: $1) }
    }

    // MARK: - Files

    /// Reads a dictionary.
    ///
    /// - Parameter url: Lines `symbol count`.
    /// - Throws: `CorpusError` that names the line.
    public init(contentsOf url: URL) throws {
        var entries: [(symbol: String, count: Int)] = []
        var seen = Set(Self.specials.map { ExactText($0) })
        for (index, line) in try Lines.read(url).enumerated() {
            var fields = line.unicodeScalars.split(separator: " ").map { String($0) }
            let overwrites = fields.last == "#fairseq:overwrite"
            if overwrites { fields.removeLast() }
            guard fields.count == 2, let count = Int(fields[1]), count >= 0 else {
                throw CorpusError.badLine(
                    file: url.path, line: index + 1, expected: "a symbol, a space and its count", found: line)
            }
            guard seen.insert(ExactText(fields[0])).inserted else {
                throw CorpusError.duplicateSymbol(symbol: fields[0], file: url.path, line: index + 1)
            }
            entries.append((fields[0], count))
        }
        if entries.isEmpty {
            throw CorpusError.badLine(
                file: url.path, line: 1, expected: "a symbol, a space and its count", found: "an empty file")
        }
        self.init(entries: entries)
    }

    /// Makes a dictionary of symbols without counts, as a checkpoint lists them.
    ///
    /// - Parameter symbols: All symbols by index, the four special ones first.
    /// - Throws: `CorpusError.badOption` if the special symbols do not come first, or a symbol occurs twice.
    public init(symbols: [String]) throws {
        guard symbols.starts(with: Self.specials) else {
            throw CorpusError.badOption(
                name: "labels",
                reason: "expected \(Self.specials.joined(separator: ", ")) first, found "
                    + symbols.prefix(Self.specials.count).joined(separator: ", "))
        }
        var seen: Set<ExactText> = []
        if let symbol = symbols.first(where: { !seen.insert(ExactText($0)).inserted }) {
            throw CorpusError.badOption(
                name: "labels", reason: "the symbol \(symbol.quotedWithCodePoints) comes twice")
        }
        self.init(entries: symbols.dropFirst(Self.specials.count).map { ($0, 0) })
    }

    /// Counts the symbols of label lines; the most frequent come first, ties in the order of their code points.
    ///
    /// - Parameter lines: Symbols separated by spaces.
    public init(counting lines: some Sequence<String>) {
        var counts: [ExactText: Int] = [:]
        for line in lines {
            for symbol in line.unicodeScalars.split(separator: " ") {
                counts[ExactText(Substring(symbol)), default: 0] += 1
            }
        }
        self.init(counts: counts)
    }

    /// Orders counted symbols.
    private init(counts: [ExactText: Int]) {
        let entries = counts.map { (symbol: $0.key.text, count: $0.value) }
            .filter { !Self.specials.contains($0.symbol) }
        self.init(
            entries: entries.sorted { first, second in
                first.count != second.count
                    ? first.count > second.count
                    : first.symbol.unicodeScalars.lexicographicallyPrecedes(second.symbol.unicodeScalars)
            })
    }

    /// Counts the symbols of a manifest's labels.
    ///
    /// - Throws: `CorpusError.noLabels`; `CorpusError.emptyLabels` if there are no symbols.
    public init(counting manifest: Manifest) throws {
        guard let lines = manifest.labelLines else { throw CorpusError.noLabels(manifest: manifest.name) }
        var counts: [ExactText: Int] = [:]
        // Nearly all symbols are one ASCII character, and are counted without making a string.
        var letters = [Int](repeating: 0, count: 128)
        for index in 0..<lines.count {
            lines.withBytes(index) { line in
                for symbol in line.split(separator: 0x20) {
                    if symbol.count == 1, symbol[symbol.startIndex] < 128 {
                        letters[Int(symbol[symbol.startIndex])] += 1
                    } else {
                        counts[ExactText(String(decoding: symbol, as: UTF8.self)), default: 0] += 1
                    }
                }
            }
        }
        for (byte, count) in letters.enumerated() where count > 0 {
            counts[ExactText(String(Unicode.Scalar(UInt8(byte))))] = count
        }
        if counts.isEmpty {
            throw CorpusError.emptyLabels(file: manifest.labelPlace(of: 0).file, count: manifest.count)
        }
        self.init(counts: counts)
    }

    /// Writes lines `symbol count`, without the special symbols.
    ///
    /// - Parameters:
    ///   - url: The file.
    ///   - replaces: Whether an existing file with other content is replaced.
    /// - Throws: `CorpusError.occupied`; `CorpusError.unwritable`.
    public func write(to url: URL, replaces: Bool = true) throws {
        let own = symbols.indices.dropFirst(Self.specials.count)
        let files = StagedFiles()
        try files.write(own.lazy.map { "\(symbols[$0]) \(counts[$0])" }, to: url)
        if !replaces { try files.refuseReplacing() }
        try files.commit()
    }

    /// Returns the expected place of a manifest's dictionary: `dict.ltr.txt` in the folder, or beside the file.
    ///
    /// - Parameters:
    ///   - manifest: A file or a folder.
    ///   - labels: The labels' extension.
    /// - Returns: The file, which may not exist.
    public static func file(for manifest: URL, labels: String) -> URL {
        var isFolder: ObjCBool = false
        let exists = FileManager.default.fileExists(atPath: manifest.path, isDirectory: &isFolder)
        let folder = exists && isFolder.boolValue ? manifest : manifest.deletingLastPathComponent()
        return folder.appendingPathComponent("dict.\(labels).txt")
    }

    // MARK: - Labels

    /// Encodes a label line as indices.
    ///
    /// - Parameters:
    ///   - line: Symbols separated by spaces.
    ///   - utterance: The utterance's name for errors.
    ///   - file: The file that holds the line.
    ///   - number: The line's number, from 1.
    /// - Returns: One index per symbol; nothing is appended.
    /// - Throws: `CorpusError.unknownSymbol`: a symbol is never replaced by `<unk>`.
    public func encode(
        _ line: String, utterance: String = "given", file: String = "labels", number: Int = 1
    ) throws -> [Int] {
        var line = line
        return try line.withUTF8 { bytes in
            try encode(UnsafeRawBufferPointer(bytes)) { symbol in
                throw CorpusError.unknownSymbol(symbol: symbol, utterance: utterance, file: file, line: number)
            }
        }
    }

    /// Encodes a label line as indices; calls `unknown` with each symbol that is not in the dictionary.
    func encode(_ line: UnsafeRawBufferPointer, unknown: (String) throws -> Void) rethrows -> [Int] {
        var labels: [Int] = []
        labels.reserveCapacity(line.count / 2 + 1)
        var start = 0
        while start < line.count {
            guard line[start] != 0x20 else {
                start += 1
                continue
            }
            var end = start + 1
            while end < line.count, line[end] != 0x20 { end += 1 }
            if end == start + 1, line[start] < 128, letters[Int(line[start])] >= 0 {
                labels.append(letters[Int(line[start])])
            } else {
                let symbol = String(decoding: line[start..<end], as: UTF8.self)
                if let index = indices[ExactText(symbol)] { labels.append(index) } else { try unknown(symbol) }
            }
            start = end
        }
        return labels
    }

    /// Encodes the labels of a manifest's utterance as indices, one per symbol.
    ///
    /// - Throws: `CorpusError.unknownSymbol` with the utterance and its line; `CorpusError.noLabels`.
    public func encode(_ manifest: Manifest, at index: Int) throws -> [Int] {
        guard let lines = manifest.labelLines else { throw CorpusError.noLabels(manifest: manifest.name) }
        let place = manifest.labelPlace(of: index)
        return try encode(lines[index], utterance: manifest.identifier(index), file: place.file, number: place.line)
    }

    /// Returns the text of indices: `|` separates words, special symbols other than `<unk>` are omitted.
    ///
    /// - Parameter labels: Indices, after CTC's collapse.
    /// - Returns: Words separated by single spaces; if the dictionary has no `|`, symbols separated by spaces.
    public func text(of labels: some Sequence<Int>) -> String {
        let spoken = labels.lazy.filter { $0 >= Self.unknown && $0 < symbols.count }.map { symbols[$0] }
        guard index(of: Self.wordBoundary) != nil else { return spoken.joined(separator: " ") }
        return Transcript.spaced(spoken.map { $0 == Self.wordBoundary ? " " : $0 }.joined())
    }
}

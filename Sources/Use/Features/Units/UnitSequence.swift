import Foundation
import W2VBase

/// The units of an utterance as text, one per frame or one per run of equal units.
public struct UnitSequence: Sendable, Equatable {
    /// A file format of units.
    public enum Format: String, Sendable, CaseIterable {
        /// Lines of an utterance's name, a tab, and its units separated by spaces.
        case text
        /// Lines of units separated by spaces, in the manifest's order, as HuBERT's recipes expect.
        case km
    }

    /// The utterance's name.
    public var name: String
    /// The units: numbers, or with several groups, text such as `3-14`.
    public var symbols: [String]

    /// Makes a sequence from symbols.
    ///
    /// - Parameters:
    ///   - name: The utterance's name.
    ///   - symbols: The units.
    public init(name: String, symbols: [String]) {
        self.name = name
        self.symbols = symbols
    }

    /// Makes a sequence from numbers.
    ///
    /// - Parameters:
    ///   - name: The utterance's name.
    ///   - units: The units.
    public init(name: String, units: [Int]) { self.init(name: name, symbols: units.map(String.init)) }

    /// The sequence with one unit for each run of equal ones.
    public var collapsed: UnitSequence {
        var symbols: [String] = []
        for symbol in self.symbols where symbol != symbols.last { symbols.append(symbol) }
        return UnitSequence(name: name, symbols: symbols)
    }

    /// Returns the line of a file.
    ///
    /// - Parameter format: The file's format.
    /// - Returns: A line without its line break. Control characters in the name, such as a tab, are written as
    ///   `<U+0009>`.
    public func line(_ format: Format) -> String {
        let hasControls = name.unicodeScalars.contains {
            [.control, .lineSeparator, .paragraphSeparator].contains($0.properties.generalCategory)
        }
        return (format == .text ? (hasControls ? name.printable : name) + "\t" : "") + symbols.joined(separator: " ")
    }

    /// Reads a file of units, whose format follows from its first line: `text` has a tab.
    ///
    /// - Parameters:
    ///   - url: The file.
    ///   - names: The names of the manifest's utterances, in order.
    ///   - manifest: The manifest's name in error messages.
    /// - Returns: One sequence per utterance, in the manifest's order.
    /// - Throws: ``FeatureError``, naming the line; `CocoaError` when the file cannot be read.
    public static func read(_ url: URL, names: [String], manifest: String) throws -> [UnitSequence] {
        guard let data = try? Data(contentsOf: url) else {
            throw FeatureError.damaged(file: url.path, reason: "there is no such file, or it cannot be read")
        }
        let text: String
        do {
            text = try UTF8Text.decode(data)
        } catch {
            throw FeatureError.damaged(file: url.path, reason: "\(error)")
        }
        var lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            Substring(line.last == "\r" ? line.dropLast() : line)
        }
        if lines.last?.isEmpty == true { lines.removeLast() }
        guard lines.count == names.count else {
            throw FeatureError.unitCount(
                file: url.path, found: lines.count, manifest: manifest, expected: names.count)
        }
        guard lines.first?.contains("\t") == true else {
            return zip(names, lines).map { name, line in
                UnitSequence(name: name, symbols: line.split(separator: " ").map(String.init))
            }
        }
        let places = Dictionary(names.enumerated().map { (ExactText($1), $0) }) { first, _ in first }
        var found: [UnitSequence?] = Array(repeating: nil, count: names.count)
        for (number, line) in lines.enumerated() {
            let parts = line.split(separator: "\t", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, let place = places[ExactText(parts[0])], found[place] == nil else {
                throw FeatureError.badUnits(
                    file: url.path, line: number + 1,
                    expected: "an utterance of \(manifest) that no other line has, a tab, and its units",
                    found: line.excerpt(80))
            }
            found[place] = UnitSequence(
                name: String(parts[0]), symbols: parts[1].split(separator: " ").map(String.init))
        }
        return found.compactMap { $0 }
    }
}

import Foundation
import W2VBase

/// Finds the line that a file has about each utterance, where lines begin with a key: an utterance's path, its file name,
/// or that without its extension.
struct KeyedUtterances {
    private let file: URL
    /// Where each key stands, from 1.
    private var lines: [ExactText: Int] = [:]

    init(_ file: URL) { self.file = file }

    /// Notes a line.
    ///
    /// - Returns: Whether no other line has the key.
    mutating func insert(_ key: String, line: Int) -> Bool { lines.updateValue(line, forKey: ExactText(key)) == nil }

    /// The line of each utterance, nil where there is none.
    ///
    /// - Throws: `CorpusError.ambiguousKey` for a short key that fits several recordings.
    func lines(of manifest: Manifest) throws -> [Int?] {
        /// For each short key that a line has, the first recording that it fits.
        var owners: [ExactText: Int] = [:]
        var ambiguous: [ExactText: [Int]] = [:]
        for index in 0..<manifest.count {
            let path = ExactText(manifest.path(index))
            for key in Set(Self.shortKeys(of: path.text)) where key != path && lines[key] != nil {
                guard let owner = owners[key] else {
                    owners[key] = index
                    continue
                }
                // A recording may be listed more than once.
                if ambiguous[key] == nil, !manifest.path(owner).hasSameCodePoints(as: path.text) {
                    ambiguous[key] = [owner, index]
                }
            }
        }
        return try (0..<manifest.count).map { index in
            let path = manifest.path(index)
            if let line = lines[ExactText(path)] { return line }
            guard let key = Self.shortKeys(of: path).first(where: { lines[$0] != nil }), let line = lines[key] else {
                return nil
            }
            if let utterances = ambiguous[key] {
                throw CorpusError.ambiguousKey(
                    key: key.text, file: file.path, line: line, utterances: utterances.map(manifest.path))
            }
            return line
        }
    }

    /// The names that lines may have for a manifest's utterances.
    static func names(of manifest: Manifest) -> Set<ExactText> {
        var names: Set<ExactText> = []
        for index in 0..<manifest.count {
            let path = manifest.path(index)
            names.insert(ExactText(path))
            names.formUnion(shortKeys(of: path))
        }
        return names
    }

    /// A path's file name, and that without its extension.
    private static func shortKeys(of path: String) -> [ExactText] {
        let bytes = Substring(path).utf8
        let name = bytes.lastIndex(of: UInt8(ascii: "/")).map { bytes[bytes.index(after: $0)...] } ?? bytes
        guard let dot = name.lastIndex(of: UInt8(ascii: ".")), dot > name.startIndex else {
            return [ExactText(Substring(name))]
        }
        return [ExactText(Substring(name)), ExactText(Substring(name[..<dot]))]
    }
}

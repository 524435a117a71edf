import Foundation
import W2VBase

/// Finds each utterance's line in a file whose lines begin with a key: an utterance's path, its file name, or the file
/// name without its extension.
struct KeyedUtterances {
    private let file: URL
    /// The line of each key, from 1.
    private var lines: [ExactText: Int] = [:]

    init(_ file: URL) { self.file = file }

    /// Inserts a line, and returns whether its key is new.
    mutating func insert(_ key: String, line: Int) -> Bool { lines.updateValue(line, forKey: ExactText(key)) == nil }

    /// Returns the line of each utterance, nil for an utterance without a line.
    ///
    /// - Throws: `CorpusError.ambiguousKey` for a short key that matches several recordings.
    func lines(of manifest: Manifest) throws -> [Int?] {
        /// For each short key of a line, the first recording that it matches.
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

    /// Returns the names that lines may use for a manifest's utterances.
    static func names(of manifest: Manifest) -> Set<ExactText> {
        var names: Set<ExactText> = []
        for index in 0..<manifest.count {
            let path = manifest.path(index)
            names.insert(ExactText(path))
            names.formUnion(shortKeys(of: path))
        }
        return names
    }

    /// Returns a path's file name, with and without its extension.
    private static func shortKeys(of path: String) -> [ExactText] {
        let bytes = Substring(path).utf8
        let name = bytes.lastIndex(of: UInt8(ascii: "/")).map { bytes[bytes.index(after: $0)...] } ?? bytes
        guard let dot = name.lastIndex(of: UInt8(ascii: ".")), dot > name.startIndex else {
            return [ExactText(Substring(name))]
        }
        return [ExactText(Substring(name)), ExactText(Substring(name[..<dot]))]
    }
}

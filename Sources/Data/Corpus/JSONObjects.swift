import Foundation
import W2VBase

extension JSONManifest {
    /// Returns whether at least one object has labels.
    ///
    /// - Parameters:
    ///   - url: JSON lines or a list; text that is not JSON counts as without labels.
    ///   - labels: The labels' extension.
    ///   - isList: Whether the file is a list.
    /// - Throws: `CorpusError` if the file cannot be read.
    static func hasLabels(_ url: URL, labels: String, isList: Bool) throws -> Bool {
        let keys = Transcript.isSpelled(labels) ? ["text"] + (isList ? ["transcript"] : []) : [labels]
        func has(_ object: JSONObject) -> Bool { keys.contains { (object[$0] ?? .null) != .null } }
        if isList { return try objects(url).contains(where: has) }
        let bytes = keys.map { Array($0.utf8) }
        var reader = try LineReader(url)
        while let line = try reader.next() {
            var found = false
            let isUnderstood = FlatJSON.forEachMember(of: line) { key, value, _ in
                if bytes.contains(where: { key.elementsEqual($0) }) {
                    if case .null = value { found = false } else { found = true }
                }
            }
            if !isUnderstood, let object = try? JSONParser.value(ofLine: line).object {
                found = has(object)
            }
            if found { return true }
        }
        return false
    }

    /// Reads the objects of a list.
    static func objects(_ url: URL) throws -> [JSONObject] {
        let data: Data
        do {
            data = try Data(contentsOf: url, options: .mappedIfSafe)
        } catch {
            throw CorpusError.unreadable(file: url.path, reason: SystemReason.of(error))
        }
        guard let values = try? JSONParser.value(data).array, case let objects = values.compactMap(\.object),
            objects.count == values.count
        else {
            // Reports text that is not UTF-8.
            var reader = try LineReader(url)
            while try reader.next() != nil {}
            throw CorpusError.badLine(
                file: url.path, line: 1, expected: "a JSON list of objects",
                found: String(decoding: UTF8Text.withoutMark(data).prefix(200), as: UTF8.self))
        }
        return objects
    }
}

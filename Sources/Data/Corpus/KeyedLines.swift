import Foundation
import W2VBase

/// Files of lines `name value` about the utterances of another list, as in Kaldi's folders.
///
/// If the file has the names in the list's order, as usual, no table of names is built.
struct KeyedLines {
    /// The list's names.
    let keys: PackedStrings
    /// The file that the names come from, one per line.
    let keyFile: String

    /// Splits a line into name and value, trimmed; nil without a name.
    static func split(
        _ line: UnsafeRawBufferPointer
    ) -> (key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer)? {
        let isSpace = { (byte: UInt8) in byte == 0x20 || byte == 0x09 }
        let end = line.firstIndex(where: isSpace) ?? line.count
        guard end > 0 else { return nil }
        var start = end
        var last = line.count
        while start < last, isSpace(line[start]) { start += 1 }
        while last > start, isSpace(line[last - 1]) { last -= 1 }
        return (
            UnsafeRawBufferPointer(rebasing: line[..<end]), UnsafeRawBufferPointer(rebasing: line[start..<last])
        )
    }

    /// Returns the position of each name.
    ///
    /// - Throws: `CorpusError.badLine` for a name that occurs twice.
    func indices() throws -> [ExactText: Int] {
        var result: [ExactText: Int] = [:]
        result.reserveCapacity(keys.count)
        for index in 0..<keys.count {
            guard result.updateValue(index, forKey: ExactText(keys[index])) == nil else {
                throw CorpusError.badLine(
                    file: keyFile, line: index + 1, expected: "a name that no other line has", found: keys[index])
            }
        }
        return result
    }

    /// Reads a file's values in the list's order.
    ///
    /// - Returns: A value for each name, and the value's line.
    /// - Throws: `CorpusError` that names the line, or the name without a line.
    func read(_ url: URL) throws -> (values: PackedStrings, numbers: [UInt32]) {
        var values = PackedStrings()
        /// For each name, the number of its line, from 1.
        var places = [UInt32](repeating: 0, count: keys.count)
        var table: [ExactText: Int]?
        var isInOrder = true
        var reader = try LineReader(url)
        while let line = try reader.next() {
            func bad(_ expected: String) -> CorpusError {
                .badLine(line, number: reader.number, in: url, expected: expected)
            }
            guard let (key, value) = Self.split(line) else { throw bad("a name at the line's beginning") }
            var index = values.count
            if index >= keys.count || !keys.equals(index, key) {
                isInOrder = false
                if table == nil { table = try indices() }
                guard let found = table?[ExactText(String(decoding: key, as: UTF8.self))] else {
                    throw bad("a name that \(keyFile) has")
                }
                index = found
            }
            guard places[index] == 0 else { throw bad("a name that no other line has") }
            values.append(value)
            places[index] = UInt32(clamping: values.count)
        }
        if let lacking = places.firstIndex(of: 0) {
            throw CorpusError.noLine(name: keys[lacking], file: url.path, list: keyFile, line: lacking + 1)
        }
        guard !isInOrder else { return (values, places) }
        var ordered = PackedStrings()
        ordered.reserve(strings: keys.count, bytes: values.byteCount)
        for place in places { ordered.append(values.utf8(Int(place) - 1)) }
        return (ordered, places)
    }
}

import Foundation
import W2VBase

/// Reads language models in the ARPA format, plain or compressed by gzip.
///
/// It is strict where a lenient reading could change scores: every count, field and word is checked, and errors name
/// the line. White space is as free as in KenLM's reader: SRILM and IRSTLM print counts in columns, and the number of
/// blank lines varies. A probability of zero, `-inf` in some programs, is read as −99, as SRILM writes it. Source: Doug
/// Paul's ARPA format, as written by SRILM, IRSTLM and KenLM.
struct ARPAReader: ~Copyable {
    private var reader: LineReader
    /// A line that was read ahead.
    private var pending: UnsafeRawBufferPointer?
    private var words: [String] = []
    private var numbers: [Data: UInt32] = [:]

    /// Reads a model.
    ///
    /// - Throws: `LanguageModelError`, naming the line.
    static func read(_ path: String) throws(LanguageModelError) -> NGramModel {
        var reader = ARPAReader(reader: try LineReader(path: path, unpacks: true))
        return try reader.read()
    }

    private init(reader: consuming LineReader) { self.reader = reader }

    private mutating func read() throws(LanguageModelError) -> NGramModel {
        let counts = try readCounts()
        var lists: [NGramList] = []
        for (index, count) in counts.enumerated() {
            lists.append(try readSection(order: index + 1, count: count, isLast: index + 1 == counts.count))
        }
        try expect("\\end\\")
        while let line = try next() {
            guard Self.isBlank(line) else { throw problem("nothing after \\end\\", line) }
        }
        for needed in ["<s>", "</s>"] where numbers[Data(needed.utf8)] == nil {
            throw .unusable(
                path: reader.path,
                reason: "has no \(needed) among its 1-grams, without which no sentence can be scored; make it again "
                    + "from sentences, one a line")
        }
        return NGramModel(words: words, lists: lists)
    }

    // MARK: - Lines

    private static func isBlank(_ line: UnsafeRawBufferPointer) -> Bool { line.allSatisfy(LetterText.isSpace) }

    private static func trimmed(_ line: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let start = line.drop(while: LetterText.isSpace)
        let end = start.reversed().prefix(while: LetterText.isSpace).count
        return UnsafeRawBufferPointer(rebasing: start.dropLast(end))
    }

    private func problem(_ expected: String, _ found: UnsafeRawBufferPointer) -> LanguageModelError {
        .badLine(path: reader.path, line: reader.number, expected: expected, found: found.text)
    }

    private mutating func next() throws(LanguageModelError) -> UnsafeRawBufferPointer? {
        if let line = pending {
            pending = nil
            return line
        }
        return try reader.next()
    }

    /// Returns the next line that is not blank.
    private mutating func line(_ expected: String) throws(LanguageModelError) -> UnsafeRawBufferPointer {
        while let line = try next() {
            if !Self.isBlank(line) { return line }
        }
        throw .unusable(
            path: reader.path,
            reason: reader.number == 0
                ? "is empty" : "ends after line \(reader.number) where \(expected) was expected; get or make it again")
    }

    private mutating func expect(_ text: String) throws(LanguageModelError) {
        let line = try line(text)
        guard Self.trimmed(line).elementsEqual(text.utf8) else { throw problem(text, line) }
    }

    // MARK: - Counts

    private mutating func readCounts() throws(LanguageModelError) -> [Int] {
        var first = try line("\\data\\")
        // Comments may come before; KenLM's begin with a number sign.
        while first.first == UInt8(ascii: "#") { first = try line("\\data\\") }
        guard Self.trimmed(first).elementsEqual("\\data\\".utf8) else {
            throw problem("\\data\\, with which an ARPA file begins", first)
        }
        var counts: [Int] = []
        while let line = try reader.next() {
            if Self.isBlank(line) {
                if counts.isEmpty { continue } else { break }
            }
            if line.first == UInt8(ascii: "\\"), !counts.isEmpty {
                pending = line
                break
            }
            guard let (order, count) = Self.count(line), order == counts.count + 1 else {
                throw problem("ngram \(counts.count + 1)=COUNT", line)
            }
            guard count < Int(UInt32.max) else {
                throw problem("fewer than \(UInt32.max) n-grams of an order", line)
            }
            counts.append(count)
        }
        guard 1...NGramState.maximumOrder ~= counts.count else {
            throw .unusable(
                path: reader.path,
                reason: counts.isEmpty
                    ? "announces no n-grams below \\data\\"
                    : "has order \(counts.count), and at most \(NGramState.maximumOrder) can be used")
        }
        return counts
    }

    /// Reads `ngram ORDER=COUNT`, with white space wherever SRILM and IRSTLM may print it.
    private static func count(_ line: UnsafeRawBufferPointer) -> (order: Int, count: Int)? {
        var words: [[UInt8]] = []
        line.forEachField { field in
            // "ngram 1=4", "ngram  1=  4" and "ngram 1 = 4" have the same words.
            for (index, part) in field.split(separator: UInt8(ascii: "="), omittingEmptySubsequences: false)
                .enumerated()
            {
                if index > 0 { words.append([UInt8(ascii: "=")]) }
                if !part.isEmpty { words.append(Array(part)) }
            }
        }
        guard words.count == 4, words[0].elementsEqual("ngram".utf8), words[2] == [UInt8(ascii: "=")] else {
            return nil
        }
        let numbers = [words[1], words[3]].map { digits in
            digits.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
                ? Int(String(decoding: digits, as: UTF8.self)) : nil
        }
        guard let order = numbers[0], let count = numbers[1] else { return nil }
        return (order, count)
    }

    // MARK: - N-grams

    private mutating func readSection(order: Int, count: Int, isLast: Bool) throws(LanguageModelError) -> NGramList {
        try expect("\\\(order)-grams:")
        var list = NGramList(order: order)
        if order == 1 {
            // The unknown word comes first, even if the file does not list it; its weights follow when it does.
            words = ["<unk>"]
            numbers = [Data("<unk>".utf8): 0, Data("<UNK>".utf8): 0]
            list.words = [0]
            list.probabilities = [-100]
            list.backoffs = [0]
        }
        // The announced count is trusted up to a limit: the file may be damaged.
        list.words.reserveCapacity(min(count, 1 << 22) * order)
        var hasUnknown = false
        for index in 0..<count {
            var found = try next()
            while let line = found, Self.isBlank(line) { found = try next() }
            guard let line = found, line.first != UInt8(ascii: "\\") else {
                throw .unusable(
                    path: reader.path,
                    reason:
                        "line \(reader.number) ends the \(order)-grams after \(index) of them, but the beginning of "
                        + "the file announces \(count); get or make it again")
            }
            try readEntry(line, into: &list, isLast: isLast, &hasUnknown)
        }
        if let line = try next(), !Self.isBlank(line) {
            guard line.first == UInt8(ascii: "\\") else {
                throw problem(
                    "an empty line after the \(count) \(order)-grams that the beginning of the file announces", line)
            }
            pending = line
        }
        return list
    }

    private mutating func readEntry(
        _ line: UnsafeRawBufferPointer, into list: inout NGramList, isLast: Bool, _ hasUnknown: inout Bool
    ) throws(LanguageModelError) {
        let order = list.order
        var fields = 0
        var probability: Float?
        var backoff: Float? = -0.0
        var isUnknownUnigram = false
        try line.forEachField { field throws(LanguageModelError) in
            defer { fields += 1 }
            if fields == 0 {
                probability = Self.number(field)
            } else if fields <= order {
                let text = Data(field)
                if order > 1 {
                    guard let number = numbers[text] else {
                        throw problem("words that are among the 1-grams, which \(field.text) is not", line)
                    }
                    list.words.append(number)
                } else if numbers[text] == 0 {
                    isUnknownUnigram = true
                } else {
                    guard numbers[text] == nil else { throw problem("each word once", line) }
                    numbers[text] = UInt32(words.count)
                    list.words.append(UInt32(words.count))
                    words.append(field.text)
                }
            } else if fields == order + 1 {
                backoff = Self.isMinusInfinity(field) ? nil : Self.number(field)
            }
        }
        guard let probability, let backoff, fields == order + 1 || fields == order + 2 else {
            throw problem(
                "a probability (a decimal number), \(order == 1 ? "a word" : "\(order) words") and at most a backoff "
                    + "weight", line)
        }
        guard probability <= 0 else { throw problem("a logarithm of a probability, at most 0", line) }
        guard !isLast || backoff == 0 || order == 1 else {
            throw problem("no backoff weight, since there are no longer n-grams", line)
        }
        // Zero starts as −0; it becomes +0 if the n-gram turns out to be a context.
        let weight: Float = backoff == 0 ? -0.0 : backoff
        if isUnknownUnigram {
            guard !hasUnknown else { throw problem("the unknown word once", line) }
            hasUnknown = true
            list.probabilities[0] = probability
            list.backoffs[0] = weight
        } else {
            list.probabilities.append(probability)
            if !isLast || order == 1 { list.backoffs.append(weight) }
        }
    }

    /// The maximum bytes of a number: scripts may write all digits.
    private static let longestNumber = 4096

    /// Returns a decimal number, the nearest one in single precision; −99 for minus infinity.
    private static func number(_ field: UnsafeRawBufferPointer) -> Float? {
        guard field.count <= longestNumber, !field.isEmpty else { return nil }
        if isMinusInfinity(field) { return -99 }
        // C's parser would accept hexadecimal numbers and "nan" as well.
        let isDecimal = field.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "e"), UInt8(ascii: "E"):
                true
            default: false
            }
        }
        guard isDecimal else { return nil }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: field.count + 1) { buffer in
            for (index, byte) in field.enumerated() { buffer[index] = CChar(truncatingIfNeeded: byte) }
            buffer[field.count] = 0
            guard let start = buffer.baseAddress else { return nil }
            var end: UnsafeMutablePointer<CChar>?
            let value = strtof(start, &end)
            guard let end, end == start + field.count, value.isFinite else { return nil }
            return value
        }
    }

    private static func isMinusInfinity(_ field: UnsafeRawBufferPointer) -> Bool {
        guard field.first == UInt8(ascii: "-"), field.count == 4 || field.count == 9 else { return false }
        let name = field.dropFirst().map { $0 | 0x20 }
        return name.elementsEqual("inf".utf8) || name.elementsEqual("infinity".utf8)
    }
}

import W2VBase

/// The header of a KenLM binary file, and its data structure.
///
/// Source: KenLM's `lm/binary_format.cc`, format version 5.
struct KenLMHeader {
    /// The data structures, by their number in the file.
    enum Kind: UInt32 {
        case probing, restProbing, trie, quantizedTrie, arrayTrie, quantizedArrayTrie

        var isTrie: Bool { rawValue >= Kind.trie.rawValue }
        var isQuantized: Bool { self == .quantizedTrie || self == .quantizedArrayTrie }
        var hasPointerArrays: Bool { self == .arrayTrie || self == .quantizedArrayTrie }

        var name: String {
            switch self {
            case .probing: "probing hash tables"
            case .restProbing: "probing hash tables with rest costs"
            case .trie: "trie"
            case .quantizedTrie: "trie with quantization"
            case .arrayTrie: "trie with array-compressed pointers"
            case .quantizedArrayTrie: "trie with quantization and array-compressed pointers"
            }
        }
    }

    private static let family = Array("mmap lm http://kheafield.com/code".utf8)
    private static let magic = Array("mmap lm http://kheafield.com/code format version 5\n\0\0".utf8)
    private static let sanitySize = 88

    let kind: Kind
    let counts: [Int]
    /// The buckets of a hash table per entry.
    let multiplier: Float
    let hasWords: Bool
    /// The offset of the vocabulary.
    let size: Int

    /// Returns whether bytes are a KenLM binary file, of any version.
    static func recognizes(_ bytes: UnsafeRawBufferPointer) -> Bool { bytes.starts(with: family) }

    init(_ bytes: UnsafeRawBufferPointer, path: String) throws(LanguageModelError) {
        func number(_ offset: Int) -> UInt32 {
            UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
        }
        guard bytes.starts(with: Self.magic), bytes.count >= Self.sanitySize + 20 else {
            let line = bytes.prefix { $0 != 0x0A }
            throw .unusable(
                path: path,
                reason:
                    "begins with \"\(UnsafeRawBufferPointer(rebasing: line).text)\", and of KenLM's binary files only "
                    + "complete ones of format version 5 can be read; make it again with build_binary, or use the ARPA "
                    + "file")
        }
        // KenLM's test values: zero, one and −0.5, then 1 and the largest word number, then 1 in 64 bits.
        guard number(56) == 0, number(60) == Float(1).bitPattern, number(64) == Float(-0.5).bitPattern,
            number(68) == 1, number(72) == UInt32.max, number(80) == 1, number(84) == 0
        else {
            throw .unusable(
                path: path, reason: "was made on another kind of machine; make it again here, or use the ARPA file")
        }
        let order = Int(bytes[Self.sanitySize])
        multiplier = Float(bitPattern: number(Self.sanitySize + 4))
        guard let kind = Kind(rawValue: number(Self.sanitySize + 8)) else {
            throw .unusable(
                path: path,
                reason:
                    "holds KenLM's data structure number \(number(Self.sanitySize + 8)), which is unknown here; use "
                    + "the ARPA file")
        }
        self.kind = kind
        hasWords = bytes[Self.sanitySize + 12] != 0
        let version = number(Self.sanitySize + 16)
        guard version == (kind.isTrie ? 1 : 0) else {
            throw .unusable(
                path: path,
                reason: "holds version \(version) of KenLM's \(kind.name), which cannot be read; make it again, or use "
                    + "the ARPA file")
        }
        guard 2...NGramState.maximumOrder ~= order, multiplier >= 1, multiplier < 1e6,
            bytes.count >= Self.sanitySize + 20 + 8 * order
        else {
            throw .unusable(
                path: path,
                reason: "has order \(order), and KenLM's files can be used from order 2 to \(NGramState.maximumOrder)")
        }
        var counts: [Int] = []
        for index in 0..<order {
            let count = bytes.loadUnaligned(fromByteOffset: Self.sanitySize + 20 + 8 * index, as: UInt64.self)
            // An n-gram takes at least one bit.
            guard count <= bytes.count * 8 else {
                throw .unusable(path: path, reason: "is damaged: its header makes no sense; make it again")
            }
            counts.append(Int(count))
        }
        self.counts = counts
        size = (Self.sanitySize + 20 + 8 * order + 7) & ~7
    }
}

/// The words at the end of a KenLM file, each terminated by a zero byte.
struct KenLMWords {
    /// Reads the words.
    ///
    /// - Parameter count: The expected number of words.
    /// - Throws: `LanguageModelError.unusable` when there are more or fewer, or one is not UTF-8.
    static func read(
        _ bytes: UnsafeRawBufferPointer, offset: Int, count: Int, path: String
    ) throws(LanguageModelError) -> [String] {
        let words = UnsafeRawBufferPointer(rebasing: bytes[offset...]).split(
            separator: 0, maxSplits: Int.max, omittingEmptySubsequences: true)
        guard words.count == count, words.first?.elementsEqual("<unk>".utf8) == true else {
            throw .unusable(
                path: path,
                reason: "is damaged: it ends with \(words.count) words where \(count) are announced; make it again")
        }
        guard words.allSatisfy({ UTF8Text.isValid(UnsafeRawBufferPointer(rebasing: $0)) }) else {
            throw .unusable(
                path: path,
                reason: "has words that are not UTF-8; make it again from an ARPA file in UTF-8 (iconv converts it)")
        }
        return words.map { UnsafeRawBufferPointer(rebasing: $0).text }
    }
}

/// KenLM's hash tables with linear probing, used in place from a mapped file.
///
/// An n-gram's key is a hash of its words from the newest to the oldest, so the file does not reveal the words of an
/// n-gram.
///
/// `@unchecked Sendable` is safe: the pointers lead into `storage`, which is never written to and lives as long as this
/// does. Source: KenLM's `lm/search_hashed.hh`, `util/probing_hash_table.hh`.
struct KenLMProbing: NGramTables, @unchecked Sendable {

    /// A hash table: entries of `stride` bytes that begin with a 64-bit key, 0 for a free one.
    struct Table {
        var start: UnsafeRawPointer
        var buckets: Int
        var stride: Int

        static func buckets(_ entries: Int, _ multiplier: Float) -> Int {
            max(entries + 1, Int(multiplier * Float(entries)))
        }

        /// Returns the bytes after the key.
        func find(_ key: UInt64) -> UnsafeRawPointer? {
            var bucket = Int(key % UInt64(buckets))
            // A valid table has a free bucket; a damaged one must not cause an endless loop.
            for _ in 0..<buckets {
                let entry = start + bucket * stride
                let found = entry.loadUnaligned(as: UInt64.self)
                if found == key { return entry + 8 }
                if found == 0 { return nil }
                bucket += 1
                if bucket == buckets { bucket = 0 }
            }
            return nil
        }
    }

    /// The words by hash.
    ///
    /// `@unchecked Sendable` is safe: the table's pointer leads into `storage`, which is never written to and lives as
    /// long as this does.
    struct Vocabulary: WordTable, @unchecked Sendable {
        let storage: ByteStorage
        let table: Table
        let bound: Int
        let words: [String]?

        func index(of word: UnsafeRawBufferPointer) -> UInt32 {
            guard let value = table.find(murmurHash(word))?.loadUnaligned(as: UInt32.self), value < bound else {
                return 0
            }
            return value
        }
    }

    let order: Int
    let vocabulary: Vocabulary
    private let storage: ByteStorage
    private let unigrams: UnsafeRawPointer
    private let unigramCount: Int
    /// The bytes of an n-gram's weights: the probability, the backoff weight, and with rest costs a third number.
    private let weightBytes: Int
    private let middles: [Table]
    private let longests: Table

    init(_ storage: ByteStorage, _ header: KenLMHeader, path: String) throws(LanguageModelError) {
        let counts = header.counts
        order = counts.count
        self.storage = storage
        let weightBytes = header.kind == .restProbing ? 12 : 8
        self.weightBytes = weightBytes
        unigramCount = counts[0]
        var next = header.size + 8
        func table(_ entries: Int, _ stride: Int) -> (offset: Int, buckets: Int) {
            let buckets = Table.buckets(entries, header.multiplier)
            defer { next += buckets * stride }
            return (next, buckets)
        }
        let words = table(counts[0], 12)
        let unigramOffset = next
        next += (counts[0] + 1) * weightBytes
        let places = counts.dropFirst().dropLast().map { table($0, 8 + weightBytes) }
        let last = table(counts[order - 1], 12)
        guard next <= storage.bytes.count, let base = storage.bytes.baseAddress else {
            throw .unusable(
                path: path,
                reason:
                    "is damaged: it has \(storage.bytes.count) bytes where its header announces \(next); make it again")
        }
        unigrams = base + unigramOffset
        let stride = 8 + weightBytes
        middles = places.map { Table(start: base + $0.offset, buckets: $0.buckets, stride: stride) }
        longests = Table(start: base + last.offset, buckets: last.buckets, stride: 12)
        let bound = Int(base.loadUnaligned(fromByteOffset: header.size + 4, as: UInt32.self))
        guard bound <= counts[0] + 1 else {
            throw .unusable(path: path, reason: "is damaged: its words are more than its 1-grams; make it again")
        }
        vocabulary = Vocabulary(
            storage: storage, table: Table(start: base + words.offset, buckets: words.buckets, stride: 12),
            bound: bound,
            words: header.hasWords
                ? try KenLMWords.read(storage.bytes, offset: next, count: bound, path: path) : nil)
    }

    @inline(__always) private static func weights(_ entry: UnsafeRawPointer) -> (weights: NGramWeights, isLeaf: Bool) {
        let probability = entry.loadUnaligned(as: UInt32.self)
        // The sign of a probability, which is never positive, tells whether older words can be looked up.
        return (
            NGramWeights(
                probability: Float(bitPattern: probability | 0x8000_0000),
                backoff: (entry + 4).loadUnaligned(as: Float.self)),
            probability & 0x8000_0000 != 0
        )
    }

    @inline(__always) private static func combine(_ node: UInt64, _ word: UInt32) -> UInt64 {
        (node &* 8_978_948_897_894_561_157) ^ ((1 + UInt64(word)) &* 17_894_857_484_156_487_943)
    }

    func unigram(_ word: UInt32) -> (weights: NGramWeights, node: UInt64, isLeaf: Bool) {
        let found = Self.weights(unigrams + min(Int(word), unigramCount) * weightBytes)
        return (found.weights, UInt64(word), found.isLeaf)
    }

    func middle(_ level: Int, _ word: UInt32, _ node: inout UInt64) -> (weights: NGramWeights, isLeaf: Bool)? {
        node = Self.combine(node, word)
        return middles[level].find(node).map(Self.weights)
    }

    func longest(_ word: UInt32, _ node: UInt64) -> Float? {
        longests.find(Self.combine(node, word))?.loadUnaligned(as: Float.self)
    }
}

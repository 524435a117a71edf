/// KenLM's tries of packed bits, used in place from a mapped file: plain, quantized, with compressed pointers, or both.
///
/// `@unchecked Sendable` is safe: the pointers lead into `storage`, which is never written to and lives as long as this
/// does. Source: KenLM's `lm/trie.cc`, `lm/quantize.hh`, `lm/bhiksha.hh`, `util/bit_packing.hh`.
struct KenLMTrie: NGramTables, @unchecked Sendable {

    /// The n-grams of the next order that extend one.
    struct Node {
        var start: Int
        var end: Int
    }

    /// N-grams of one order: for each its oldest word, its weights, and a pointer into the next order, in packed bits.
    private struct Level {
        var start: UnsafeRawPointer
        var count: Int
        var wordBits: Int
        var weightBits: Int
        var pointerBits: Int
        /// The upper bits of pointers, which are i for the entries from `array[i]` on; nil if pointers are complete.
        var array: UnsafeBufferPointer<UInt64>?
        var next = 0

        var bits: Int { wordBits + weightBits + pointerBits }

        /// Reads up to 57 bits.
        @inline(__always) func read(_ offset: Int, _ length: Int) -> UInt64 {
            let word = (start + offset >> 3).loadUnaligned(as: UInt64.self)
            return (word >> UInt64(offset & 7)) & (1 << UInt64(length) - 1)
        }

        func find(_ word: UInt32, _ node: Node) -> Int? {
            var (low, high) = (node.start, node.end)
            while low < high {
                let middle = (low + high) / 2
                if read(middle * bits, wordBits) < UInt64(word) { low = middle + 1 } else { high = middle }
            }
            return low < node.end && read(low * bits, wordBits) == UInt64(word) ? low : nil
        }

        /// Returns the n-grams that extend entry `index`, within bounds even if the file is damaged.
        func children(_ index: Int) -> Node {
            let (first, last) = (pointer(index), pointer(index + 1))
            let end = min(last, next)
            return Node(start: min(first, end), end: end)
        }

        private func pointer(_ index: Int) -> Int {
            let low = read(index * bits + wordBits + weightBits, pointerBits)
            guard let array else { return Int(truncatingIfNeeded: low) }
            var (from, to) = (0, array.count)
            while from < to {
                let middle = (from + to) / 2
                if array[middle] <= UInt64(index) { from = middle + 1 } else { to = middle }
            }
            return Int(truncatingIfNeeded: UInt64(max(from - 1, 0)) << UInt64(pointerBits) | low) & Int.max
        }
    }

    /// The values that quantized weights stand for.
    private struct Bins {
        var values: UnsafePointer<Float>
        var bits: Int
    }

    /// The words by sorted hash.
    ///
    /// `@unchecked Sendable` is safe: `hashes` leads into `storage`, which is never written to and lives as long as
    /// this does.
    struct Vocabulary: WordTable, @unchecked Sendable {
        let storage: ByteStorage
        let hashes: UnsafeBufferPointer<UInt64>
        let words: [String]?

        func index(of word: UnsafeRawBufferPointer) -> UInt32 {
            let hash = murmurHash(word)
            var (low, high) = (0, hashes.count)
            while low < high {
                let middle = (low + high) / 2
                if hashes[middle] < hash { low = middle + 1 } else { high = middle }
            }
            // <unk> has number 0 and no hash.
            return low < hashes.count && hashes[low] == hash ? UInt32(low + 1) : 0
        }
    }

    let order: Int
    let vocabulary: Vocabulary
    private let storage: ByteStorage
    private let unigrams: UnsafeRawPointer
    private let unigramCount: Int
    private var levels: [Level] = []
    /// The bins of probabilities and backoff weights of each order, only probabilities of the last; empty without
    /// quantization.
    private var bins: [(probability: Bins, backoff: Bins)] = []

    init(_ storage: ByteStorage, _ header: KenLMHeader, path: String) throws(LanguageModelError) {
        let (bytes, counts) = (storage.bytes, header.counts)
        self.storage = storage
        order = counts.count
        unigramCount = counts[0]
        func truncated(_ needed: Int) -> LanguageModelError {
            .unusable(
                path: path,
                reason:
                    "is damaged: it has \(bytes.count) bytes where its header announces \(needed) or more; make it again"
            )
        }
        let nonsense = LanguageModelError.unusable(
            path: path, reason: "is damaged: its numbers of words and n-grams do not go together; make it again")
        var next = header.size + 8 + 8 * counts[0]
        guard next + 64 <= bytes.count, let base = bytes.baseAddress else { throw truncated(next + 64) }
        let hashCount = Int(clamping: (base + header.size).loadUnaligned(as: UInt64.self))
        guard hashCount <= counts[0] else { throw nonsense }
        let hashes = UnsafeBufferPointer(
            start: (base + header.size + 8).assumingMemoryBound(to: UInt64.self), count: hashCount)

        var (probabilityBits, backoffBits) = (31, 32)
        var tables: [(probability: Int, backoff: Int)] = []
        if header.kind.isQuantized {
            guard bytes[next] == 2, 1...25 ~= bytes[next + 1], 1...25 ~= bytes[next + 2] else {
                throw .unusable(
                    path: path, reason: "has quantization that cannot be read; make it again, or use the ARPA file")
            }
            (probabilityBits, backoffBits) = (Int(bytes[next + 1]), Int(bytes[next + 2]))
            next += 8
            for level in 1..<order {
                tables.append((next, next + 4 << probabilityBits))
                next += 4 << probabilityBits + (level < order - 1 ? 4 << backoffBits : 0)
            }
        }
        let unigramOffset = next
        next += (counts[0] + 2) * 16
        guard next + 8 <= bytes.count else { throw truncated(next + 8) }
        let wordBits = Self.bits(counts[0])
        let chopLimit = header.kind.hasPointerArrays && order > 2 ? Int(bytes[next + 1]) : 0
        for index in 1..<order {
            let isLast = index == order - 1
            var level = Level(
                start: base, count: counts[index], wordBits: wordBits,
                weightBits: probabilityBits + (isLast ? 0 : backoffBits), pointerBits: 0)
            if !isLast {
                level.next = counts[index + 1]
                level.pointerBits = Self.bits(level.next)
                if header.kind.hasPointerArrays {
                    let chopped = Self.choppedBits(entries: counts[index] + 1, largest: level.next, limit: chopLimit)
                    let count = level.next >> (level.pointerBits - chopped) + 1
                    level.pointerBits -= chopped
                    let start = (next + 7) & ~7 + 8
                    guard start + 8 * count <= bytes.count else { throw truncated(start + 8 * count) }
                    level.array = UnsafeBufferPointer(
                        start: (base + start).assumingMemoryBound(to: UInt64.self), count: count)
                    next += 8 * (1 + count) + 7
                }
            }
            guard level.bits - wordBits - level.weightBits <= 57, wordBits <= 32 else { throw nonsense }
            level.start = base + next
            next += ((1 + level.count) * level.bits + 7) / 8 + 8
            guard next <= bytes.count else { throw truncated(next) }
            levels.append(level)
        }
        unigrams = base + unigramOffset
        bins = tables.map { table in
            (
                Bins(values: (base + table.probability).assumingMemoryBound(to: Float.self), bits: probabilityBits),
                Bins(values: (base + table.backoff).assumingMemoryBound(to: Float.self), bits: backoffBits)
            )
        }
        vocabulary = Vocabulary(
            storage: storage, hashes: hashes,
            words: header.hasWords
                ? try KenLMWords.read(bytes, offset: next, count: hashCount + 1, path: path) : nil)
    }

    /// Returns the number of bits for numbers up to a largest one.
    private static func bits(_ largest: Int) -> Int { Int.bitWidth - largest.leadingZeroBitCount }

    /// Returns the number of upper bits of the pointers that are stored in an array: the number that makes the file
    /// smallest.
    private static func choppedBits(entries: Int, largest: Int, limit: Int) -> Int {
        let required = bits(largest)
        var best = (chop: 0, change: Int.max)
        for chop in 0...min(required, limit) {
            let change = (largest >> (required - chop)) * 64 - entries * chop
            if change < best.change { best = (chop, change) }
        }
        return best.chop
    }

    func unigram(_ word: UInt32) -> (weights: NGramWeights, node: Node, isLeaf: Bool) {
        let entry = unigrams + min(Int(word), unigramCount) * 16
        let limit = levels[0].count
        let end = min(Int(clamping: (entry + 24).loadUnaligned(as: UInt64.self)), limit)
        let start = min(Int(clamping: (entry + 8).loadUnaligned(as: UInt64.self)), end)
        return (
            NGramWeights(
                probability: entry.loadUnaligned(as: Float.self), backoff: (entry + 4).loadUnaligned(as: Float.self)),
            Node(start: start, end: end), start == end
        )
    }

    func middle(_ level: Int, _ word: UInt32, _ node: inout Node) -> (weights: NGramWeights, isLeaf: Bool)? {
        let entries = levels[level]
        guard let index = entries.find(word, node) else { return nil }
        let offset = index * entries.bits + entries.wordBits
        node = entries.children(index)
        let weights: NGramWeights
        if bins.isEmpty {
            weights = NGramWeights(
                probability: Float(bitPattern: UInt32(entries.read(offset, 31)) | 0x8000_0000),
                backoff: Float(bitPattern: UInt32(entries.read(offset + 31, 32))))
        } else {
            let (probability, backoff) = bins[level]
            weights = NGramWeights(
                probability: probability.values[Int(entries.read(offset + backoff.bits, probability.bits))],
                backoff: backoff.values[Int(entries.read(offset, backoff.bits))])
        }
        return (weights, node.start == node.end)
    }

    func longest(_ word: UInt32, _ node: Node) -> Float? {
        let entries = levels[order - 2]
        guard let index = entries.find(word, node) else { return nil }
        let offset = index * entries.bits + entries.wordBits
        guard let probability = bins.last?.probability else {
            return Float(bitPattern: UInt32(entries.read(offset, 31)) | 0x8000_0000)
        }
        return probability.values[Int(entries.read(offset, probability.bits))]
    }
}

import W2VBase

/// Our own binary form of a language model, which is used in place from a mapped file.
///
/// Words are numbered, with `<unk>` as 0. N-grams form a trie from the newest word to the oldest: level n lists its
/// n-grams ordered by (parent on level n − 1, oldest word), so that the children of a node are adjacent and can be
/// found by binary search. All numbers are little-endian, and every section begins at a multiple of 64 bytes:
///
///     header      "wav2vec2 n-gram\n", version, order, words, slots, bytes of text, n-grams of each order up to 8
///     text        offsets [words + 1] as 64-bit numbers, then the words in UTF-8 without separators
///     slots       word numbers [slots] by hash, 2³² − 1 where a slot is free
///     level 1     weights [words, 2], first child [words + 1]
///     level n     oldest word [count], weights [count, 2], first child [count + 1]
///     last level  oldest word [count], probability [count]
///
/// `@unchecked Sendable` is safe: the pointers lead into `storage`, which is never written to and lives as long as this
/// does.
struct NGramTrie: NGramTables, @unchecked Sendable {
    static let magic = Array("wav2vec2 n-gram\n".utf8)
    static let version: UInt32 = 1
    static let headerSize = 128
    static let free = UInt32.max

    /// A level of the trie.
    struct Level {
        var count: Int
        var words: UnsafePointer<UInt32>
        /// Probability and backoff weight alternate; on the last level, probabilities only.
        var weights: UnsafePointer<Float>
        var firstChild: UnsafePointer<UInt32>
    }

    /// The children of an n-gram on the next level.
    struct Node {
        var start: Int
        var end: Int
    }

    /// The offsets of the sections, for given sizes.
    struct Layout {
        var order: Int
        var counts: [Int]
        var slots: Int
        var textBytes: Int

        var wordCount: Int { counts[0] }
        private(set) var textOffsets = 0
        private(set) var text = 0
        private(set) var slotsStart = 0
        /// For every level: words (none on the first), weights, first children (none on the last of several).
        private(set) var levels: [(words: Int, weights: Int, children: Int)] = []
        private(set) var size = 0

        init(counts: [Int], slots: Int, textBytes: Int) {
            self.counts = counts
            self.slots = slots
            self.textBytes = textBytes
            order = counts.count
            var next = NGramTrie.headerSize
            func section(_ bytes: Int) -> Int {
                defer { next = (next + bytes + 63) & ~63 }
                return next
            }
            textOffsets = section((counts[0] + 1) * 8)
            text = section(textBytes)
            slotsStart = section(slots * 4)
            for (index, count) in counts.enumerated() {
                let isLast = index == order - 1 && index > 0
                levels.append(
                    (
                        words: section(index == 0 ? 0 : count * 4), weights: section(count * (isLast ? 4 : 8)),
                        children: section(isLast ? 0 : (count + 1) * 4)
                    ))
            }
            size = next
        }
    }

    let storage: ByteStorage
    let order: Int
    let counts: [Int]
    private let levels: [Level]
    private let textOffsets: UnsafePointer<UInt64>
    private let text: UnsafeRawBufferPointer
    private let slots: UnsafePointer<UInt32>
    private let slotMask: Int

    /// Opens a model.
    ///
    /// - Parameter storage: The file's bytes.
    /// - Throws: `LanguageModelError.unusable` for a file that is damaged or of another version.
    init(_ storage: ByteStorage, path: String) throws(LanguageModelError) {
        let bytes = storage.bytes
        guard bytes.count >= Self.headerSize, bytes.starts(with: Self.magic), let base = bytes.baseAddress else {
            throw .unusable(path: path, reason: "is not a language model of this program, or was cut off")
        }
        func number(_ offset: Int) -> UInt64 {
            UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        }
        let version = UInt32(truncatingIfNeeded: number(16))
        guard version == Self.version else {
            throw .unusable(
                path: path,
                reason: "has version \(version) of the format and this program reads version \(Self.version); "
                    + "\(Phrase.convertLanguageModel)")
        }
        let order = Int(number(16) >> 32)
        let counts = (0..<min(max(order, 0), NGramState.maximumOrder)).map { number(40 + $0 * 8) }
        let (slotCount, textBytes) = (number(24), number(32))
        guard 1...NGramState.maximumOrder ~= order, counts.allSatisfy({ $0 < UInt64(UInt32.max) }),
            counts[0] > 0, slotCount > counts[0], slotCount <= 1 << 34, slotCount & (slotCount - 1) == 0,
            textBytes < 1 << 40
        else { throw .unusable(path: path, reason: "is damaged: its header makes no sense; convert it again") }
        let layout = Layout(counts: counts.map(Int.init), slots: Int(slotCount), textBytes: Int(textBytes))
        guard bytes.count == layout.size else {
            throw .unusable(
                path: path,
                reason: "is damaged: it has \(bytes.count) bytes where its header announces \(layout.size); convert it "
                    + "again")
        }
        self.storage = storage
        self.order = order
        self.counts = layout.counts
        levels = layout.levels.enumerated().map { index, level in
            Level(
                count: layout.counts[index],
                words: (base + level.words).assumingMemoryBound(to: UInt32.self),
                weights: (base + level.weights).assumingMemoryBound(to: Float.self),
                firstChild: (base + level.children).assumingMemoryBound(to: UInt32.self))
        }
        textOffsets = (base + layout.textOffsets).assumingMemoryBound(to: UInt64.self)
        text = UnsafeRawBufferPointer(rebasing: bytes[layout.text..<layout.text + layout.textBytes])
        slots = (base + layout.slotsStart).assumingMemoryBound(to: UInt32.self)
        slotMask = layout.slots - 1
    }

    // MARK: - Words

    var wordCount: Int { counts[0] }

    /// Returns a word's text; empty if its offsets are damaged.
    func word(_ index: Int) -> UnsafeRawBufferPointer {
        let start = Int(clamping: textOffsets[index])
        let end = Int(clamping: textOffsets[index + 1])
        guard start <= end, end <= text.count else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(rebasing: text[start..<end])
    }

    /// Returns a word's number, 0 for unknown words.
    func index(of word: UnsafeRawBufferPointer) -> UInt32 {
        var slot = Int(truncatingIfNeeded: murmurHash(word)) & slotMask
        // A valid file always has a free slot; a damaged one must not cause an endless loop.
        for _ in 0...slotMask {
            let found = slots[slot]
            if found == Self.free { return 0 }
            if found < wordCount, self.word(Int(found)).elementsEqual(word) { return found }
            slot = (slot + 1) & slotMask
        }
        return 0
    }

    // MARK: - N-grams

    private func children(_ level: Int, _ index: Int) -> Node {
        guard level + 1 < order else { return Node(start: 0, end: 0) }
        // Bounded, so that a damaged file leads to wrong scores at worst.
        let limit = levels[level + 1].count
        let end = min(Int(levels[level].firstChild[index + 1]), limit)
        return Node(start: min(Int(levels[level].firstChild[index]), end), end: end)
    }

    private func find(_ level: Int, _ word: UInt32, _ node: Node) -> Int? {
        let words = levels[level].words
        var (low, high) = (node.start, node.end)
        while low < high {
            let middle = (low + high) / 2
            if words[middle] < word { low = middle + 1 } else { high = middle }
        }
        return low < node.end && words[low] == word ? low : nil
    }

    func unigram(_ word: UInt32) -> (weights: NGramWeights, node: Node, isLeaf: Bool) {
        let index = min(Int(word), wordCount - 1)
        let weights = levels[0].weights
        let node = children(0, index)
        return (
            NGramWeights(probability: weights[2 * index], backoff: weights[2 * index + 1]), node, node.start == node.end
        )
    }

    func middle(_ level: Int, _ word: UInt32, _ node: inout Node) -> (weights: NGramWeights, isLeaf: Bool)? {
        guard let index = find(level + 1, word, node) else { return nil }
        let weights = levels[level + 1].weights
        node = children(level + 1, index)
        return (
            NGramWeights(probability: weights[2 * index], backoff: weights[2 * index + 1]), node.start == node.end
        )
    }

    func longest(_ word: UInt32, _ node: Node) -> Float? {
        find(order - 1, word, node).map { levels[order - 1].weights[$0] }
    }
}

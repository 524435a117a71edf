/// Sorts the n-grams of an ARPA file into the trie that ``NGramTrie`` reads.
///
/// Memory: about 20 bytes for each n-gram and 4 more for each of its words.
struct NGramTrieBuilder {
    private let model: NGramModel
    private let path: String
    private var levels: [Level] = []

    /// A level under construction: n-grams by key, which is (parent, oldest word).
    private struct Level {
        var keys: [UInt64] = []
        var weights: [NGramWeights] = []
        /// For each parent, its first child; one more entry at the end.
        var firstChild: [UInt32] = []

        func find(parent: UInt32, word: UInt32) -> UInt32? {
            var (low, high) = (Int(firstChild[Int(parent)]), Int(firstChild[Int(parent) + 1]))
            let (key, end) = (NGramTrieBuilder.key(parent, word), high)
            while low < high {
                let middle = (low + high) / 2
                if keys[middle] < key { low = middle + 1 } else { high = middle }
            }
            return low < end && keys[low] == key ? UInt32(low) : nil
        }

        mutating func link(parents: Int) {
            firstChild = Array(repeating: 0, count: parents + 1)
            for key in keys { firstChild[Int(key >> 32) + 1] += 1 }
            for parent in 0..<parents { firstChild[parent + 1] += firstChild[parent] }
        }
    }

    @inline(__always) private static func key(_ parent: UInt32, _ word: UInt32) -> UInt64 {
        UInt64(parent) << 32 | UInt64(word)
    }

    /// Builds a trie in memory.
    ///
    /// - Parameter path: The file's name in errors.
    /// - Returns: The trie's bytes.
    /// - Throws: `LanguageModelError.unusable` for a repeated n-gram, or one whose context is missing.
    static func build(_ model: NGramModel, path: String) throws(LanguageModelError) -> ByteStorage {
        var builder = NGramTrieBuilder(model: model, path: path)
        try builder.order()
        return builder.written()
    }

    private init(model: NGramModel, path: String) {
        self.model = model
        self.path = path
    }

    private mutating func order() throws(LanguageModelError) {
        let unigrams = model.lists[0]
        levels = [
            Level(
                weights: (0..<unigrams.count).map { unigram in
                    NGramWeights(probability: unigrams.probabilities[unigram], backoff: unigrams.backoffs[unigram])
                })
        ]
        // The place of each longer n-gram's suffix on the level that was built last.
        var suffixes = model.lists.dropFirst().map { list in (0..<list.count).map { list.word($0, back: 0) } }
        for order in model.lists.indices.dropFirst().map({ $0 + 1 }) {
            let list = model.lists[order - 1]
            var level = try sorted(list, suffixes[order - 2])
            level.link(parents: levels[order - 2].weights.count)
            // Pruned models may contain an n-gram without its suffix: the suffix is added with the weights that it
            // would get by backing off, so that no score changes.
            let missing = missingSuffixes(order, level, suffixes)
            levels.append(level)
            if !missing.isEmpty { insert(missing, order) }
            for longer in order..<model.lists.count {
                let list = model.lists[longer]
                for index in 0..<list.count {
                    let found = levels[order - 1].find(
                        parent: suffixes[longer - 1][index], word: list.word(index, back: order - 1))
                    suffixes[longer - 1][index] = found ?? 0
                }
            }
            try markContexts(list)
        }
    }

    private func sorted(_ list: NGramList, _ parents: [UInt32]) throws(LanguageModelError) -> Level {
        var order = (0..<list.count).map { index in
            (key: Self.key(parents[index], list.word(index, back: list.order - 1)), index: UInt32(index))
        }
        order.sort { $0.key < $1.key }
        for (first, second) in zip(order, order.dropFirst()) where first.key == second.key {
            throw .unusable(
                path: path, reason: "lists \"\(model.text(list, Int(second.index)))\" twice; each n-gram may stand once"
            )
        }
        return Level(
            keys: order.map(\.key),
            weights: order.map { entry in
                NGramWeights(
                    probability: list.probabilities[Int(entry.index)],
                    backoff: list.backoffs.isEmpty ? -0.0 : list.backoffs[Int(entry.index)])
            })
    }

    /// Returns n-grams of this order that end longer ones and are missing from the model: by key, with a longer one
    /// each.
    private func missingSuffixes(
        _ order: Int, _ level: Level, _ suffixes: [[UInt32]]
    ) -> [UInt64: (list: Int, index: Int)] {
        var missing: [UInt64: (list: Int, index: Int)] = [:]
        for longer in order..<model.lists.count {
            let list = model.lists[longer]
            for index in 0..<list.count {
                let (parent, word) = (suffixes[longer - 1][index], list.word(index, back: order - 1))
                if level.find(parent: parent, word: word) == nil {
                    missing[Self.key(parent, word)] = (longer, index)
                }
            }
        }
        return missing
    }

    private mutating func insert(_ missing: [UInt64: (list: Int, index: Int)], _ order: Int) {
        let old = levels[order - 1]
        var added = missing.map { key, source in
            let list = model.lists[source.list]
            var weights = NGramWeights(
                probability: levels[order - 2].weights[Int(key >> 32)].probability, backoff: -0.0)
            let context = (1..<order).map { list.word(source.index, back: $0) }
            if let node = find(context) {
                let backoff = levels[order - 2].weights[node].backoff
                weights.probability += backoff
                if backoff == 0 { levels[order - 2].weights[node].backoff = 0 }
            }
            return (key: key, weights: weights)
        }
        added.append(contentsOf: zip(old.keys, old.weights).map { (key: $0, weights: $1) })
        added.sort { $0.key < $1.key }
        levels[order - 1].keys = added.map(\.key)
        levels[order - 1].weights = added.map(\.weights)
        levels[order - 1].link(parents: levels[order - 2].weights.count)
    }

    /// Returns the index of an n-gram, given newest word first, on its level.
    private func find(_ words: [UInt32]) -> Int? {
        var node = words[0]
        for (back, word) in words.enumerated().dropFirst() {
            guard let next = levels[back].find(parent: node, word: word) else { return nil }
            node = next
        }
        return Int(node)
    }

    /// Marks the contexts of all n-grams as such, and checks that they exist.
    private mutating func markContexts(_ list: NGramList) throws(LanguageModelError) {
        var last: [UInt32] = []
        for index in 0..<list.count {
            // N-grams are mostly grouped by their contexts.
            let context = list.words[index * list.order..<(index + 1) * list.order - 1]
            if context.elementsEqual(last) { continue }
            last = Array(context)
            guard let node = find(last.reversed()) else {
                throw .unusable(
                    path: path,
                    reason: "lists \"\(model.text(list, index))\" but not its beginning as a \(list.order - 1)-gram; "
                        + "make the model again with a tool that keeps contexts")
            }
            if levels[list.order - 2].weights[node].backoff == 0 { levels[list.order - 2].weights[node].backoff = 0 }
        }
    }

    // MARK: - Writing

    private func written() -> ByteStorage {
        let words = model.words.map { Array($0.utf8) }
        var slots = 16
        while slots < words.count * 2 { slots *= 2 }
        let layout = NGramTrie.Layout(
            counts: levels.map(\.weights.count), slots: slots, textBytes: words.reduce(0) { $0 + $1.count })
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: layout.size, alignment: 64)
        memory.initializeMemory(as: UInt8.self, repeating: 0)
        memory.copyBytes(from: NGramTrie.magic)
        func put<Number: FixedWidthInteger & BitwiseCopyable>(_ number: Number, at offset: Int) {
            memory.storeBytes(of: number.littleEndian, toByteOffset: offset, as: Number.self)
        }
        put(NGramTrie.version, at: 16)
        put(UInt32(layout.order), at: 20)
        put(UInt64(slots), at: 24)
        put(UInt64(layout.textBytes), at: 32)
        for (index, count) in layout.counts.enumerated() { put(UInt64(count), at: 40 + index * 8) }
        var end = 0
        for slot in 0..<slots { put(NGramTrie.free, at: layout.slotsStart + slot * 4) }
        for (index, word) in words.enumerated() {
            put(UInt64(end), at: layout.textOffsets + index * 8)
            for (offset, byte) in word.enumerated() { memory[layout.text + end + offset] = byte }
            end += word.count
            var slot = word.withUnsafeBytes { Int(truncatingIfNeeded: murmurHash($0)) & (slots - 1) }
            while memory.loadUnaligned(fromByteOffset: layout.slotsStart + slot * 4, as: UInt32.self) != NGramTrie.free
            {
                slot = (slot + 1) & (slots - 1)
            }
            put(UInt32(index), at: layout.slotsStart + slot * 4)
        }
        put(UInt64(end), at: layout.textOffsets + words.count * 8)
        for (index, level) in levels.enumerated() {
            let place = layout.levels[index]
            let isLast = index == levels.count - 1 && index > 0
            for (item, key) in level.keys.enumerated() {
                put(UInt32(truncatingIfNeeded: key), at: place.words + item * 4)
            }
            for (item, weights) in level.weights.enumerated() {
                put(weights.probability.bitPattern, at: place.weights + item * (isLast ? 4 : 8))
                if !isLast { put(weights.backoff.bitPattern, at: place.weights + item * 8 + 4) }
            }
            guard index + 1 < levels.count else { continue }
            for (item, child) in levels[index + 1].firstChild.enumerated() {
                put(child, at: place.children + item * 4)
            }
        }
        return ByteStorage(adopting: memory)
    }
}

/// The prefixes of words, connected by labels.
///
/// If a text can be spelled by different labels, all spellings lead to the same node: a node is a text. Spellings that
/// are given label by label are inserted last, and then follow their own path if no text has made one.
struct SpellingTrie: Sendable {
    private var edges = PairTable()
    /// Maps a text and its next code point to the longer text; empty if each code point is a label of its own.
    private var texts = PairTable(minimumCapacity: 1)
    /// The number of nodes; node 0 is the empty prefix.
    private(set) var count = 1

    /// Inserts a word with all its spellings.
    ///
    /// - Returns: The nodes of its prefixes, the last that of the whole word; nil if it cannot be spelled.
    mutating func insert(_ word: String, _ alphabet: DecodingAlphabet) -> [Int32]? {
        guard alphabet.isAmbiguous else { return alphabet.labels(of: word).map { insert($0) } }
        let scalars = alphabet.scalars(of: word)
        let spellings = alphabet.spellings(of: scalars)
        guard spellings.first?.isEmpty == false else { return nil }
        var nodes: [Int32] = [0]
        for scalar in scalars { nodes.append(text(after: nodes[nodes.count - 1], Int32(bitPattern: scalar.value))) }
        var isReached = [Bool](repeating: false, count: nodes.count)
        isReached[0] = true
        for position in scalars.indices where isReached[position] {
            for (label, end) in spellings[position] {
                isReached[end] = true
                if edges.find(nodes[position], Int32(label)) < 0 {
                    edges.insert(nodes[position], Int32(label), nodes[end])
                }
            }
        }
        return nodes.indices.dropFirst().filter { isReached[$0] }.map { nodes[$0] }
    }

    /// Inserts a spelling.
    ///
    /// - Returns: The nodes of its prefixes, the last that of the whole spelling.
    mutating func insert(_ labels: [Int]) -> [Int32] {
        var node: Int32 = 0
        return labels.map { label in
            var next = edges.find(node, Int32(label))
            if next < 0 {
                next = newNode()
                edges.insert(node, Int32(label), next)
            }
            node = next
            return next
        }
    }

    private mutating func text(after node: Int32, _ scalar: Int32) -> Int32 {
        let known = texts.find(node, scalar)
        if known >= 0 { return known }
        let next = newNode()
        texts.insert(node, scalar, next)
        return next
    }

    private mutating func newNode() -> Int32 {
        defer { count += 1 }
        return Int32(truncatingIfNeeded: count)
    }

    /// Returns the node that a label leads to, −1 if no word continues with it.
    @inline(__always) func child(_ node: Int32, _ label: Int32) -> Int32 {
        node < 0 ? -1 : edges.find(node, label)
    }
}

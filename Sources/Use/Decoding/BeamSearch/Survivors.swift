/// The nodes of a tree that can still be reached, with their numbers after all others are dropped.
///
/// Parents come before their children.
struct Survivors {
    /// The new number of each node; −1 if it is dropped.
    let numbers: [Int32]
    /// The number of nodes that are kept.
    let count: Int

    /// Follows nodes to the tree's root.
    ///
    /// - Parameters:
    ///   - roots: The nodes in use; negative numbers are ignored.
    ///   - keepsFirst: Whether node 0 is always kept.
    ///   - parent: Returns a node's parent; negative if there is none.
    init(of roots: some Sequence<Int32>, among count: Int, keepsFirst: Bool, parent: (Int) -> Int32) {
        var isUsed = [Bool](repeating: false, count: count)
        if keepsFirst { isUsed[0] = true }
        for root in roots where root >= 0 { isUsed[Int(root)] = true }
        for node in stride(from: count - 1, through: 0, by: -1) where isUsed[node] {
            let parent = parent(node)
            if parent >= 0 { isUsed[Int(parent)] = true }
        }
        var numbers = [Int32](repeating: SearchCode.none, count: count)
        var next: Int32 = 0
        for node in 0..<count where isUsed[node] {
            numbers[node] = next
            next += 1
        }
        self.numbers = numbers
        self.count = Int(next)
    }

    /// The new number of a node that is kept; negative numbers stay.
    subscript(node: Int32) -> Int32 { node < 0 ? node : numbers[Int(node)] }

    /// Returns the nodes that are kept, in order.
    func kept<Node>(of nodes: [Node]) -> [Node] {
        var kept: [Node] = []
        kept.reserveCapacity(count)
        for (index, node) in nodes.enumerated() where numbers[index] >= 0 { kept.append(node) }
        return kept
    }
}

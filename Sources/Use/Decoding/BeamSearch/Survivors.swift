/// Which nodes of a tree, whose parents come before their children, can still be reached, and their numbers when only
/// those are kept.
struct Survivors {
    /// The new number of each node; −1 of one that is gone.
    let numbers: [Int32]
    /// How many are kept.
    let count: Int

    /// Follows nodes to the tree's root.
    ///
    /// - Parameters:
    ///   - roots: The nodes that are in use; negative numbers stand for none.
    ///   - keepsFirst: Whether node 0 stays in any case.
    ///   - parent: A node's parent; negative where there is none.
    init(of roots: some Sequence<Int32>, among count: Int, keepsFirst: Bool, parent: (Int) -> Int32) {
        var isUsed = [Bool](repeating: false, count: count)
        if keepsFirst { isUsed[0] = true }
        for root in roots where root >= 0 { isUsed[Int(root)] = true }
        for node in stride(from: count - 1, through: 0, by: -1) where isUsed[node] {
            let parent = parent(node)
            if parent >= 0 { isUsed[Int(parent)] = true }
        }
        var numbers = [Int32](repeating: -1, count: count)
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

    /// The nodes that are kept, in order.
    func kept<Node>(of nodes: [Node]) -> [Node] {
        var kept: [Node] = []
        kept.reserveCapacity(count)
        for (index, node) in nodes.enumerated() where numbers[index] >= 0 { kept.append(node) }
        return kept
    }
}

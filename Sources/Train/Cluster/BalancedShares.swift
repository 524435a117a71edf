/// Divides pieces of work so that every process gets about the same amount: the largest first, each to the process that
/// has the least so far.
///
/// - Parameters:
///   - sizes: The size of each piece.
///   - count: The number of processes.
///   - limit: The most pieces that a process may get; all together must suffice.
/// - Returns: For each process the numbers of its pieces, ascending.
public func balancedShares(_ sizes: [Int], among count: Int, atMost limit: Int = .max) -> [[Int]] {
    var shares = [[Int]](repeating: [], count: count)
    var amounts = [Int](repeating: 0, count: count)
    for number in sizes.indices.sorted(by: { (sizes[$1], $0) < (sizes[$0], $1) }) {
        let free = shares.indices.filter { shares[$0].count < limit }
        guard let process = free.min(by: { (amounts[$0], $0) < (amounts[$1], $1) }) else { continue }
        shares[process].append(number)
        amounts[process] += sizes[number]
    }
    return shares.map { $0.sorted() }
}

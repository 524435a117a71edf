/// Divides pieces of work into nearly equal shares: the largest first, each to the process with the smallest share so
/// far.
///
/// - Parameters:
///   - sizes: The size of each piece.
///   - count: Number of processes.
///   - limit: The most pieces per process; all together must suffice.
/// - Returns: For each process, the ascending indices of its pieces.
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

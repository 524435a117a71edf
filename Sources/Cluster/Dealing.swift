/// Deals pieces of work out so that every process gets about the same amount: the largest first, each to the process that
/// has the least so far.
///
/// - Parameters:
///   - sizes: How much each piece is.
///   - count: How many processes there are.
///   - limit: The most pieces that a process may get; all together must suffice.
/// - Returns: For each process the numbers of its pieces, ascending.
public func dealtOut(_ sizes: [Int], to count: Int, atMost limit: Int = .max) -> [[Int]] {
    var dealt = [[Int]](repeating: [], count: count)
    var amounts = [Int](repeating: 0, count: count)
    for number in sizes.indices.sorted(by: { (sizes[$1], $0) < (sizes[$0], $1) }) {
        let free = dealt.indices.filter { dealt[$0].count < limit }
        guard let process = free.min(by: { (amounts[$0], $0) < (amounts[$1], $1) }) else { continue }
        dealt[process].append(number)
        amounts[process] += sizes[number]
    }
    return dealt.map { $0.sorted() }
}

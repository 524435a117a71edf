/// Which part of the work is this process's.
struct ProcessShare: Equatable {
    /// This process's number, from 0.
    var rank: Int
    /// How many processes there are.
    var size: Int

    /// All of it.
    static let everything = ProcessShare(rank: 0, size: 1)

    /// This process's positions of a plan that everybody goes through in order, once.
    func positions(of count: Int) -> [Int] { Array(stride(from: rank, to: count, by: size)) }

    /// This process's micro-batches of one update, by their numbers.
    ///
    /// They are dealt out so that every process gets about the same amount of audio, not only the same count: the longest
    /// first, each to the process that has the least. What an update computes does not depend on it, since all random
    /// choices belong to a micro-batch's number.
    ///
    /// - Parameter samples: The audio of each micro-batch of the update.
    /// - Returns: Ascending numbers.
    func microBatches(samples: [Int]) -> [Int] {
        guard size > 1 else { return Array(samples.indices) }
        let room = (samples.count + size - 1) / size
        var dealt = [[Int]](repeating: [], count: size)
        var audio = [Int](repeating: 0, count: size)
        let longestFirst = samples.indices.sorted { (samples[$1], $0) < (samples[$0], $1) }
        for number in longestFirst {
            let free = dealt.indices.filter { dealt[$0].count < room }
            guard let process = free.min(by: { (audio[$0], $0) < (audio[$1], $1) }) else { continue }
            dealt[process].append(number)
            audio[process] += samples[number]
        }
        return dealt[rank].sorted()
    }
}

import Foundation

/// The trellis of a transcript: its states are blank, first label, blank, second label, …, last label, blank.
///
/// From one frame to the next a path stays in its state, advances by one, or skips the blank between two different
/// labels:
///
///     score[t, s] = logProbability[t, label(s)] + max(score[t−1, s], score[t−1, s−1], score[t−1, s−2])
struct Trellis {
    /// The scores of one frame's states; those outside of `states` cannot be on the best path.
    private struct Row {
        var frame: Int
        var states: Range<Int>
        var values: [Double]
    }

    private let scores: UnsafeBufferPointer<Float>
    private let labelCount: Int
    private let frames: Int
    private let states: Int
    /// The label of each state.
    private let labels: [Int]
    /// Whether a state can be reached from two states before: true for a label that differs from the previous label.
    private let skips: [Bool]
    /// The number of states at the beginning in which a path may start, and at the end in which it may end.
    private let ends: Int
    /// The maximum bytes of rows and steps, and the number of states that the initial guess follows.
    private let (memory, width): (Int, Int)
    /// For each frame, an upper bound on the score that the frames after it can add.
    private let rest: [Double]
    /// A lower bound on the score of the best path.
    private var least = -Double.infinity

    init(scores: UnsafeBufferPointer<Float>, labels labelCount: Int, aligner: ForcedAligner, transcript: [Int]) {
        self.scores = scores
        self.labelCount = labelCount
        frames = scores.count / labelCount
        let states = 2 * transcript.count + 1
        self.states = states
        let blank = aligner.blank
        labels = (0..<states).map { state in state.isMultiple(of: 2) ? blank : transcript[state / 2] }
        skips = (0..<states).map { state in
            guard state > 1, !state.isMultiple(of: 2) else { return false }
            return transcript[state / 2] != transcript[state / 2 - 1]
        }
        ends = aligner.optionalEnds && transcript.count > 2 ? 4 : 2
        (memory, width) = (aligner.memory, aligner.width)
        let used = Set(transcript).union([blank])
        var rest = [Double](repeating: 0, count: frames)
        for frame in stride(from: frames - 1, to: 0, by: -1) {
            let best = used.reduce(-Float.infinity) { max($0, scores[frame * labelCount + $1]) }
            rest[frame - 1] = rest[frame] + Double(best)
        }
        self.rest = rest
    }

    /// Returns the state of every frame on the best path.
    ///
    /// First a few states around the best one of each frame are followed (beam search). The result is a lower bound of
    /// the best path's score; an upper bound in each state is its own score plus the best labels of all later frames.
    /// States whose upper bound is below the lower bound are pruned: if transcript and recording match, nearly all of
    /// them.
    mutating func bestPath() throws(DecoderError) -> [Int32] {
        let beginning = (0..<min(ends, states)).map { Double(scores[labels[$0]]) }
        let first = Row(frame: 0, states: 0..<beginning.count, values: beginning)
        let goal = states - ends
        if states > width, let guess = advance(first, to: frames - 1, goal: goal, below: states, width: width).last {
            least = bound(best(guess).score)
        }
        var path = [Int32](repeating: 0, count: frames)
        let rows = advance(first, to: frames - 1, goal: goal, below: states, keeping: memory / 2)
        guard let last = rows.last else { throw .impossible(frame: firstImpossible()) }
        let (state, score) = best(last)
        guard score > -.infinity else { throw .impossible(frame: firstImpossible()) }
        least = bound(score)
        path[frames - 1] = Int32(state)
        trace(rows, &path, memory / 4)
        return path
    }

    /// Returns slightly less than a score, to allow for rounding in another order.
    private func bound(_ score: Double) -> Double { score - 1e-9 * abs(score) - 1e-9 * Double(frames) }

    /// Returns the best of the states in which a path may end; of equal ones the last.
    private func best(_ row: Row) -> (state: Int, score: Double) {
        var best = (state: row.states.upperBound - 1, score: -Double.infinity)
        for state in row.states.reversed() where state >= states - ends {
            let score = row.values[state - row.states.lowerBound]
            if score > best.score { best = (state, score) }
        }
        return best
    }

    /// Advances from a row to a later frame.
    ///
    /// - Parameters:
    ///   - goal: The lowest state allowed there.
    ///   - limit: One more than the highest state allowed there.
    ///   - bytes: The maximum size of stored rows in between; the first and last are always stored.
    ///   - width: The maximum number of states that are followed, around the best one.
    ///   - steps: Receives how each state was reached, `limit - row.states.lowerBound` numbers per frame: from 0, 1 or
    ///     2 states before.
    /// - Returns: The row, some in between at equal distances, and the last; nothing if the end cannot be reached.
    private func advance(
        _ row: Row, to end: Int, goal: Int, below limit: Int, keeping bytes: Int = 0, width: Int? = nil,
        steps: UnsafeMutablePointer<UInt8>? = nil
    ) -> [Row] {
        let base = row.states.lowerBound
        let capacity = limit - base
        let count = max(1, min(end - row.frame, bytes / (capacity * MemoryLayout<Double>.stride)))
        let distance = (end - row.frame + count - 1) / max(count, 1)
        // Two unreachable states of padding on each side.
        let work = UnsafeMutablePointer<Double>.allocate(capacity: 2 * (capacity + 4))
        defer { work.deallocate() }
        work.initialize(repeating: -.infinity, count: 2 * (capacity + 4))
        var (old, new) = (work + 2, work + capacity + 6)
        var (low, high) = (0, min(row.states.count, capacity))
        for state in 0..<high { old[state] = row.values[state] }
        var rows = [row]
        for frame in stride(from: row.frame + 1, through: end, by: 1) {
            (old[low - 2], old[low - 1], old[high], old[high + 1]) = (-.infinity, -.infinity, -.infinity, -.infinity)
            // Two states per frame: from a lower state the goal cannot be reached any more.
            low = max(low, goal - 2 * (end - frame) - base)
            high = min(high + 2, capacity)
            guard low < high else { return [] }
            step(old, new, frame, low..<high, base, steps.map { $0 + (frame - row.frame - 1) * capacity })
            // A state is pruned if its score plus the most that can follow is below the lower bound.
            let worst = least - rest[frame]
            while low < high, new[low] < worst { low += 1 }
            while low < high, new[high - 1] < worst { high -= 1 }
            if let width, high - low > width {
                var best = low
                for state in low..<high where new[state] > new[best] { best = state }
                low = min(max(low, best - width / 2), high - width)
                high = low + width
            }
            guard low < high else { return [] }
            swap(&old, &new)
            if frame == end || (frame - row.frame).isMultiple(of: distance) {
                rows.append(
                    Row(
                        frame: frame, states: base + low..<base + high,
                        values: Array(UnsafeBufferPointer(start: old + low, count: high - low))))
            }
        }
        return rows
    }

    /// Computes the scores of a frame's states in `range`, from those of the frame before; both are counted from state
    /// `base`.
    @inline(__always) private func step(
        _ old: UnsafeMutablePointer<Double>, _ new: UnsafeMutablePointer<Double>, _ frame: Int, _ range: Range<Int>,
        _ base: Int, _ steps: UnsafeMutablePointer<UInt8>?
    ) {
        guard let row = scores.baseAddress.map({ $0 + frame * labelCount }) else { return }
        labels.withUnsafeBufferPointer { labels in
            skips.withUnsafeBufferPointer { skips in
                guard let steps else {
                    // new[s] = ln p(label(s)) + max(old[s], old[s−1], old[s−2] if the step may skip a blank).
                    for state in range {
                        var best = max(old[state], old[state - 1])
                        if skips[base + state] { best = max(best, old[state - 2]) }
                        new[state] = best + Double(row[labels[base + state]])
                    }
                    return
                }
                for state in range {
                    var best = old[state]
                    var step: UInt8 = 0
                    if old[state - 1] > best { (best, step) = (old[state - 1], 1) }
                    if skips[base + state], old[state - 2] > best { (best, step) = (old[state - 2], 2) }
                    new[state] = best + Double(row[labels[base + state]])
                    steps[state] = step
                }
            }
        }
    }

    /// Traces the path from the last row, whose state is known, back to the first, recomputing what lies between.
    ///
    /// - Parameters:
    ///   - rows: Rows in order of their frames.
    ///   - path: Receives the states of all frames before the last row's.
    ///   - bytes: The maximum size of stored rows between two of these.
    private func trace(_ rows: [Row], _ path: inout [Int32], _ bytes: Int) {
        for (row, next) in zip(rows, rows.dropFirst()).reversed() {
            let end = next.frame
            let state = Int(path[end])
            let length = end - row.frame
            // A path advances by at most two states per frame.
            var start = row
            let first = max(row.states.lowerBound, state - 2 * length)
            start.states = first..<max(first, min(row.states.upperBound, state + 1))
            start.values = Array(
                row.values[first - row.states.lowerBound..<start.states.upperBound - row.states.lowerBound])
            let band = state + 1 - first
            guard length > 1, length * band > max(bytes, 4096) else {
                let steps = UnsafeMutablePointer<UInt8>.allocate(capacity: length * band)
                defer { steps.deallocate() }
                _ = advance(start, to: end, goal: state, below: state + 1, steps: steps)
                var state = state
                for frame in stride(from: end, to: row.frame, by: -1) {
                    state -= Int(steps[(frame - row.frame - 1) * band + state - first])
                    path[frame - 1] = Int32(state)
                }
                continue
            }
            // Two parts at least, or the recursion would not end.
            let halfway = 2 * band * MemoryLayout<Double>.stride
            trace(
                advance(start, to: end, goal: state, below: state + 1, keeping: max(bytes / 2, halfway)), &path,
                bytes / 2)
        }
    }

    /// Returns the first frame in which every label of the transcript has probability zero, or the last frame.
    private func firstImpossible() -> Int {
        let used = Set(labels)
        return (0..<frames).first { frame in used.allSatisfy { scores[frame * labelCount + $0] == -.infinity } }
            ?? frames - 1
    }
}

/// The trellis of a transcript: states are blank, first label, blank, second label, and so on to a last blank.
///
/// A frame stays in its state, goes on to the next, or leaves out the blank between two different labels.
struct Trellis {
    private let scores: UnsafeBufferPointer<Float>
    private let labelCount: Int
    private let blank: Int
    private let frames: Int
    private let states: Int
    /// The label of each state.
    private let labels: [Int]
    /// Whether a state can be reached from two states before: those of a label that differs from the label before.
    private let skips: [Bool]
    /// The first states that a path may begin in, and how many of the last ones it may end in.
    private let ends: Int
    /// Frames from one kept row to the next.
    private let stretch: Int

    init(scores: UnsafeBufferPointer<Float>, labels labelCount: Int, aligner: ForcedAligner, transcript: [Int]) {
        self.scores = scores
        self.labelCount = labelCount
        blank = aligner.blank
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
        // Few kept rows make long stretches, whose band of steps then takes the memory: 2n² bytes for n frames.
        let row = states * MemoryLayout<Double>.stride
        var stretch = max(1, Int(Double(frames).squareRoot()))
        while (frames / stretch + 1) * row > aligner.memory, stretch < frames {
            stretch = min(frames, stretch * 3 / 2 + 1)
        }
        self.stretch = stretch
    }

    /// The scores of a frame's states, from those of the frame before, in `range`; outside it nothing is read or written.
    ///
    /// Where `steps` is given, how each state was reached is noted there: from 0, 1 or 2 states before.
    @inline(__always) private func advance(
        _ old: UnsafeMutablePointer<Double>, _ new: UnsafeMutablePointer<Double>, frame: Int, _ range: Range<Int>,
        steps: UnsafeMutablePointer<UInt8>?
    ) {
        guard let row = scores.baseAddress.map({ $0 + frame * labelCount }) else { return }
        labels.withUnsafeBufferPointer { labels in
            skips.withUnsafeBufferPointer { skips in
                for state in range {
                    var best = old[state]
                    var step: UInt8 = 0
                    if state > range.lowerBound, old[state - 1] > best {
                        best = old[state - 1]
                        step = 1
                    }
                    if skips[state], state > range.lowerBound + 1, old[state - 2] > best {
                        best = old[state - 2]
                        step = 2
                    }
                    new[state] = best + Double(row[labels[state]])
                    steps?[state - range.lowerBound] = step
                }
            }
        }
    }

    /// The states that frame `frame` can be in, on a path that reaches the transcript's end in time.
    private func reachable(_ frame: Int) -> Range<Int> {
        let first = max(0, states - ends - 2 * (frames - 1 - frame))
        let last = min(states, ends + 2 * frame)
        return min(first, last)..<last
    }

    /// The state of every frame on the best path.
    mutating func bestPath() throws(DecodingError) -> [Int32] {
        let rows = (frames - 1) / stretch + 1
        let kept = UnsafeMutablePointer<Double>.allocate(capacity: rows * states)
        let work = UnsafeMutablePointer<Double>.allocate(capacity: 2 * states)
        defer {
            kept.deallocate()
            work.deallocate()
        }
        work.initialize(repeating: -.infinity, count: 2 * states)
        var (old, new) = (work, work + states)
        for state in 0..<min(ends, states) { old[state] = Double(scores[labels[state]]) }
        kept.initialize(from: old, count: states)
        for frame in 1..<max(frames, 1) {
            let range = reachable(frame)
            advanceAll(old, new, frame, range)
            // The next frame reads two states further, which may hold older scores.
            if range.upperBound < states { new[range.upperBound] = -.infinity }
            if range.upperBound + 1 < states { new[range.upperBound + 1] = -.infinity }
            swap(&old, &new)
            if frame.isMultiple(of: stretch) {
                let row = kept + frame / stretch * states
                row.initialize(repeating: -.infinity, count: states)
                (row + range.lowerBound).update(from: old + range.lowerBound, count: range.count)
            }
        }
        var best = states - 1
        for state in stride(from: states - 2, through: max(0, states - ends), by: -1) where old[state] > old[best] {
            best = state
        }
        guard old[best] > -.infinity else { throw .impossible(frame: firstImpossible()) }
        return traceBack(from: best, kept)
    }

    private func advanceAll(
        _ old: UnsafeMutablePointer<Double>, _ new: UnsafeMutablePointer<Double>, _ frame: Int, _ range: Range<Int>
    ) {
        // The two states before the range count too.
        guard let row = scores.baseAddress.map({ $0 + frame * labelCount }) else { return }
        labels.withUnsafeBufferPointer { labels in
            skips.withUnsafeBufferPointer { skips in
                for state in range {
                    var best = old[state]
                    if state > 0 { best = max(best, old[state - 1]) }
                    if skips[state] { best = max(best, old[state - 2]) }
                    new[state] = best + Double(row[labels[state]])
                }
            }
        }
    }

    /// Goes from the last frame to the first, one stretch at a time.
    private func traceBack(from last: Int, _ kept: UnsafeMutablePointer<Double>) -> [Int32] {
        var path = [Int32](repeating: 0, count: frames)
        var state = last
        var end = frames - 1
        let band = min(states, 2 * stretch + 1)
        let steps = UnsafeMutablePointer<UInt8>.allocate(capacity: stretch * band)
        let work = UnsafeMutablePointer<Double>.allocate(capacity: 2 * states)
        defer {
            steps.deallocate()
            work.deallocate()
        }
        path[end] = Int32(state)
        while end > 0 {
            let start = (end - 1) / stretch * stretch
            let range = max(0, state - 2 * (end - start))..<state + 1
            var (old, new) = (work, work + states)
            (old + range.lowerBound).initialize(
                from: kept + start / stretch * states + range.lowerBound, count: range.count)
            for frame in start + 1...end {
                advance(old, new, frame: frame, range, steps: steps + (frame - start - 1) * band)
                swap(&old, &new)
            }
            for frame in stride(from: end, to: start, by: -1) {
                state -= Int(steps[(frame - start - 1) * band + state - range.lowerBound])
                path[frame - 1] = Int32(state)
            }
            end = start
        }
        return path
    }

    /// The first frame in which every label of the transcript has probability zero, or the last frame.
    private func firstImpossible() -> Int {
        let used = Set(labels)
        return (0..<frames).first { frame in used.allSatisfy { scores[frame * labelCount + $0] == -.infinity } }
            ?? frames - 1
    }
}

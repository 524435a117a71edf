import W2VBackbone
import W2VKernels
import W2VTorch

/// A comparison of frames with some of the candidates of their own block: an utterance, or a whole segment.
///
/// One product gives all similarities of a block, of which the chosen ones are read. Neighboring blocks of similar
/// sizes are one batched product, in which the smaller ones are padded:
///
///     block   frames    candidates
///     0       f f f     c c c ·
///     1       f f ·     c c c c
///     2       f f f     c c c c
///
/// Frames and candidates are stored consecutively, without padding, outside of the product; blocks of equal size need
/// none.
struct BlockComparison {
    /// The numbers that determine the shapes of all results.
    struct Shape: Hashable {
        private let batches: [[Int]]

        fileprivate init(_ comparison: BlockComparison) {
            batches = comparison.batches.map { batch in
                [batch.count]
                    + [batch.frames, batch.candidates].flatMap { side in
                        [side.rows.lowerBound, side.rows.upperBound, side.size, side.places == nil ? 0 : 1]
                    }
            }
        }
    }

    /// The frames or the candidates of neighboring blocks.
    private struct Side {
        /// Their rows among those of all blocks.
        let rows: Range<Int>
        /// The size of the largest block, to which the others are padded.
        let size: Int
        /// The padded row of each row: int64 [rows]; nil where nothing is padded.
        let places: Tensor?

        /// Makes the rows of blocks with these counts, the first of which begins at `start`.
        init(from start: Int, _ counts: [Int], through upload: Upload) throws {
            let size = counts.max() ?? 0
            rows = start..<start + counts.reduce(0, +)
            self.size = size
            let padded = counts.enumerated().flatMap { block, count in (0..<count).map { block * size + $0 } }
            places = try padded.count < counts.count * size ? upload.add(padded) : nil
        }

        /// Returns the rows by block, zeros where they are padded: [blocks, size, …].
        func blocks(_ all: Tensor, _ count: Int) throws -> Tensor {
            let own = try rows.count == all.size(0) ? all : all.rows(rows)
            let padded = try places.map { try own.placingRows(at: $0, in: count * size) } ?? own
            return try padded.viewed([count, size] + all.shape.dropFirst())
        }

        /// Returns the rows of [blocks · size, …] without padding.
        func unpadded(_ padded: Tensor) throws -> Tensor { try places.map { try padded.takingRows($0) } ?? padded }
    }

    /// Neighboring blocks that are one batched product.
    private struct Batch {
        /// The number of blocks.
        let count: Int
        let frames: Side
        let candidates: Side
        /// The candidates of each frame within its block, the true one first: int32 [blocks, frames of a block, 1 +
        /// distractors].
        let indices: Tensor

        /// Returns all similarities, [blocks, frames, candidates].
        func product(_ directions: Tensor, _ targets: Tensor) throws -> Tensor {
            try frames.blocks(directions, count).matmul(candidates.blocks(targets, count).transposed())
        }
    }

    private let batches: [Batch]
    /// The numbers that determine the shapes of all results.
    var shape: Shape { Shape(self) }
    /// All tensors, always in the same order.
    var tensors: [Tensor] {
        batches.flatMap { [$0.indices] + [$0.frames.places, $0.candidates.places].compactMap { $0 } }
    }

    /// Copies choices to a device.
    ///
    /// - Parameters:
    ///   - truths: For each block the candidates that are its frames' true vectors.
    ///   - distractors: For each block the other candidates that each frame is compared with, frame by frame.
    ///   - candidateCounts: The number of candidates of each block.
    ///   - upload: The way to the device.
    init(truths: [[Int]], distractors: [[Int]], candidateCounts: [Int], through upload: Upload) throws {
        let frames = RaggedLayout(truths.map(\.count)).offsets
        let candidates = RaggedLayout(candidateCounts).offsets
        batches = try Self.alike(truths.map(\.count), candidateCounts).map { blocks in
            let counts = blocks.map { truths[$0].count }
            let size = counts.max() ?? 0
            let drawn = distractors[blocks.lowerBound].count / truths[blocks.lowerBound].count
            let indices = try upload.add(Int32.self, shape: [blocks.count, size, 1 + drawn]) { indices in
                // Padding frames are never read: any candidate will do.
                indices.update(repeating: 0)
                for (place, block) in blocks.enumerated() {
                    var next = place * size * (1 + drawn)
                    distractors[block].withUnsafeBufferPointer { others in
                        for (row, truth) in truths[block].enumerated() {
                            indices[next] = Int32(truth)
                            for other in 0..<drawn { indices[next + 1 + other] = Int32(others[row * drawn + other]) }
                            next += 1 + drawn
                        }
                    }
                }
            }
            return Batch(
                count: blocks.count, frames: try Side(from: frames[blocks.lowerBound], counts, through: upload),
                candidates: try Side(
                    from: candidates[blocks.lowerBound], Array(candidateCounts[blocks]), through: upload),
                indices: indices)
        }
    }

    /// Groups neighbors whose padded product is at most twice as large as their own products.
    ///
    /// Compared with the encoder these products are small, and a launch saved is worth more than the padding costs.
    /// Blocks that have candidates but no frames are omitted.
    private static func alike(_ frames: [Int], _ candidates: [Int]) -> [Range<Int>] {
        var found: [Range<Int>] = []
        var (mostFrames, mostCandidates, products) = (0, 0, 0)
        for block in frames.indices where frames[block] > 0 {
            let own = frames[block] * candidates[block]
            if let last = found.last, candidates[last.upperBound..<block].allSatisfy({ $0 == 0 }) {
                let joined = last.lowerBound..<block + 1
                let (rows, columns) = (max(mostFrames, frames[block]), max(mostCandidates, candidates[block]))
                if joined.count * rows * columns <= 2 * (products + own) {
                    found[found.count - 1] = joined
                    (mostFrames, mostCandidates, products) = (rows, columns, products + own)
                    continue
                }
            }
            found.append(block..<block + 1)
            (mostFrames, mostCandidates, products) = (frames[block], candidates[block], own)
        }
        return found
    }

    /// Returns similarities to the frames' true vectors and to the distractors; −∞ where a distractor is the true
    /// vector.
    ///
    /// - Parameters:
    ///   - directions: Unit vectors of predictions, [frames, channels].
    ///   - targets: Unit vectors of candidates, [candidates, channels].
    ///   - identities: Numbers that are equal for equal candidates: int64 [candidates], or `nil` if all differ.
    /// - Returns: [frames, 1 + distractors], the true vector first.
    func similarities(_ directions: Tensor, _ targets: Tensor, identities: Tensor?) throws -> Tensor {
        try .concatenate(
            batches.map { batch in
                let indices = try batch.indices.to(dtype: .int64)
                var chosen = try batch.product(directions, targets).gathered(2, indices)
                if let identities {
                    let (count, own, pool) = (batch.count, batch.frames.size, batch.candidates.size)
                    let known = try batch.candidates.blocks(identities, count).unsqueezed(1)
                        .expanded(count, own, pool).gathered(2, indices)
                    let repeated = try known.equals(known.narrowed(2, 0..<1))
                    // The first column is the true vector itself, not a repetition of it.
                    try repeated.narrowed(2, 0..<1).zeroInPlace()
                    chosen = try chosen.filled(where: repeated, with: -Double.infinity)
                }
                return try batch.frames.unpadded(chosen.viewed(-1, indices.size(2)))
            })
    }

    /// Returns each frame's contrastive loss by a kernel that needs no similarities; nil where there is no such kernel.
    func contrast(
        _ directions: Tensor, _ targets: Tensor, identities: Tensor?, temperature: Double
    ) throws -> Contrast? {
        guard directions.fitsDeviceKernels else { return nil }
        var (losses, correct): ([Tensor], [Tensor]) = ([], [])
        for batch in batches {
            let known = try identities.map { try batch.candidates.blocks($0, batch.count).reshaped(-1) }
            guard
                let part = try batch.product(directions, targets).contrast(
                    batch.indices, identities: known, temperature: temperature)
            else { return nil }
            losses.append(try batch.frames.unpadded(part.losses))
            correct.append(try batch.frames.unpadded(part.correct))
        }
        return Contrast(losses: try .concatenate(losses), correct: try .concatenate(correct))
    }
}

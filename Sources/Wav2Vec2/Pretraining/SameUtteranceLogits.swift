import Torch

/// Similarities of masked frames to their true vectors and to distractors of the same utterance.
///
/// One product an utterance gives all similarities, of which the sampled ones are read; where utterances have equally many
/// masked frames and candidates, as in pre-training on equal crops, it is one batched product and one selection.
struct SameUtteranceLogits {
    /// Unit vectors of predictions, [frames, channels].
    let directions: Tensor
    /// Unit vectors of candidates, [candidates, channels].
    let targets: Tensor
    /// What makes two candidates the same vector: int64 [candidates], or `nil` if none ever are.
    let identities: Tensor?
    /// For each utterance which of its candidates are the masked frames' true vectors.
    let masked: [[Int]]
    /// How many candidates each utterance has.
    let candidateCounts: [Int]
    /// For each utterance [masked frames × negatives].
    let negatives: [[Int]]

    /// [frames, 1 + negatives], the true vector first; −∞ where a distractor is the true vector.
    func callAsFunction() throws -> Tensor {
        let frames = RaggedLayout(masked.map(\.count))
        let pool = RaggedLayout(candidateCounts)
        let runs = equalRuns()
        return try .concatenate(
            runs.map { run in
                try logits(
                    run, frames: frames.offsets[run.lowerBound]..<frames.offsets[run.upperBound],
                    candidates: pool.offsets[run.lowerBound]..<pool.offsets[run.upperBound])
            })
    }

    /// Neighbouring utterances with equally many masked frames and candidates; those without masked frames are left out.
    private func equalRuns() -> [Range<Int>] {
        var runs: [Range<Int>] = []
        for utterance in masked.indices where !masked[utterance].isEmpty {
            if let last = runs.last, last.upperBound == utterance,
                masked[last.lowerBound].count == masked[utterance].count,
                candidateCounts[last.lowerBound] == candidateCounts[utterance]
            {
                runs[runs.count - 1] = last.lowerBound..<utterance + 1
            } else {
                runs.append(utterance..<utterance + 1)
            }
        }
        return runs
    }

    private func logits(_ run: Range<Int>, frames: Range<Int>, candidates: Range<Int>) throws -> Tensor {
        let (count, own, pool) = (run.count, masked[run.lowerBound].count, candidateCounts[run.lowerBound])
        let drawn = negatives[run.lowerBound].count / own
        // Half the bytes on the way to the device.
        var choices: [Int32] = []
        choices.reserveCapacity(count * own * (1 + drawn))
        for utterance in run {
            for (row, position) in masked[utterance].enumerated() {
                choices.append(Int32(position))
                for other in negatives[utterance][row * drawn..<(row + 1) * drawn] { choices.append(Int32(other)) }
            }
        }
        let indices = try Tensor(choices, shape: [count, own, 1 + drawn]).to(device: directions.device).to(
            dtype: .int64)
        let similarity = try directions.rows(frames).viewed(count, own, -1)
            .matmul(targets.rows(candidates).viewed(count, pool, -1).transposed())
        let picked = try similarity.gathered(2, indices)
        guard let identities, drawn > 0 else { return try picked.viewed(count * own, 1 + drawn) }
        let chosen = try identities.rows(candidates).viewed(count, 1, pool).expanded(count, own, pool)
            .gathered(2, indices)
        let others = try picked.narrowed(2, 1..<1 + drawn)
            .filled(
                where: chosen.narrowed(2, 1..<1 + drawn).equals(chosen.narrowed(2, 0..<1)), with: -Double.infinity)
        return try Tensor.concatenate([picked.narrowed(2, 0..<1), others], 2).viewed(count * own, 1 + drawn)
    }
}

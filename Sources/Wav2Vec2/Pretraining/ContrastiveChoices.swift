import Kernels
import Torch

/// With which candidates each masked frame of a sub-batch is compared, where the model is.
///
/// One product an utterance gives all similarities, of which the chosen ones are read; where utterances have equally many
/// masked frames and candidates, as in pre-training on equal crops, it is one batched product and one selection.
struct ContrastiveChoices {
    /// Neighbouring utterances with equally many masked frames and candidates.
    private struct Run {
        /// How many utterances.
        let count: Int
        let frames: Range<Int>
        let candidates: Range<Int>
        /// Candidates of the utterance, the true one first: int32 [utterances, frames of one, 1 + negatives].
        let indices: Tensor
    }

    /// The number of masked frames.
    let frames: Int
    private let runs: [Run]
    /// Candidates anywhere in the sub-batch: int64 [frames, negatives]; nil if there are none.
    private let anywhere: Tensor?
    /// Entries of made-up code vectors: int64 [frames · vectors, groups]; nil if there are none.
    let codes: Tensor?
    /// Each frame's true candidate: int64 [frames]; nil where no other distractors than the utterance's are compared.
    private let own: Tensor?

    /// Brings choices to a device.
    ///
    /// - Parameters:
    ///   - masked: For each utterance which of its candidates are the masked frames' true vectors.
    ///   - candidateCounts: How many candidates each utterance has.
    ///   - negatives: The distractors.
    ///   - groups: The groups of the code book, of which made-up vectors have an entry each.
    ///   - device: Where the vectors are.
    /// - Throws: `TorchError.operation` if memory runs out.
    init(
        masked: [[Int]], candidateCounts: [Int], negatives: Negatives, groups: Int = 1, on device: Device
    ) throws {
        let offsets = RaggedLayout(masked.map(\.count)).offsets
        let pool = RaggedLayout(candidateCounts).offsets
        let frames = masked.reduce(0) { $0 + $1.count }
        self.frames = frames
        runs = try Self.equalRuns(masked, candidateCounts).map { run in
            let own = masked[run.lowerBound].count
            let drawn = negatives.sameUtterance[run.lowerBound].count / own
            var choices: [Int32] = []
            choices.reserveCapacity(run.count * own * (1 + drawn))
            for utterance in run {
                for (row, position) in masked[utterance].enumerated() {
                    choices.append(Int32(position))
                    let others = negatives.sameUtterance[utterance][row * drawn..<(row + 1) * drawn]
                    for other in others { choices.append(Int32(other)) }
                }
            }
            return Run(
                count: run.count, frames: offsets[run.lowerBound]..<offsets[run.upperBound],
                candidates: pool[run.lowerBound]..<pool[run.upperBound],
                indices: try Tensor(choices, shape: [run.count, own, 1 + drawn]).to(device: device))
        }
        func placed(_ numbers: [Int], _ shape: [Int]) throws -> Tensor? {
            try numbers.isEmpty ? nil : Tensor(numbers, shape: shape).to(device: device)
        }
        anywhere = try placed(negatives.anywhere, [frames, negatives.anywhere.count / max(1, frames)])
        codes = try placed(negatives.codes, [negatives.codes.count / groups, groups])
        let truth = masked.enumerated().flatMap { utterance, positions in positions.map { $0 + pool[utterance] } }
        own = try anywhere == nil && codes == nil ? nil : placed(truth, [frames])
    }

    /// Which frames are compared with which candidates, in turn.
    var spans: [Range<Int>] { runs.flatMap { [$0.frames, $0.candidates] } }

    /// All tensors, always in the same order.
    var tensors: [Tensor] { runs.map(\.indices) + [anywhere, codes, own].compactMap { $0 } }

    /// Neighbours that are alike; utterances without masked frames are left out.
    private static func equalRuns(_ masked: [[Int]], _ candidateCounts: [Int]) -> [Range<Int>] {
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

    /// Similarities to the frames' true vectors and to the distractors; −∞ where a distractor is the true vector.
    ///
    /// - Parameters:
    ///   - directions: Unit vectors of predictions, [frames, channels].
    ///   - targets: Unit vectors of candidates, [candidates, channels].
    ///   - identities: What makes two candidates the same vector: int64 [candidates], or `nil` if none ever are.
    ///   - codeVectors: Unit vectors of made-up codes, [frames, count, channels], with their identities [frames, count].
    /// - Returns: [frames, 1 + negatives], the true vector first.
    /// - Throws: `TorchError.operation` if LibTorch refuses a step, as when memory runs out.
    func similarities(
        _ directions: Tensor, _ targets: Tensor, identities: Tensor?,
        codeVectors: (vectors: Tensor, identities: Tensor)?
    ) throws -> Tensor {
        var parts = [
            try Tensor.concatenate(runs.map { try withinUtterances($0, directions, targets, identities) })
        ]
        // The identities of the frames' true vectors, [frames, 1].
        let truth = try own.flatMap { own in try identities.map { try $0.taking(own).unsqueezed(1) } }
        if let anywhere {
            let picked = try directions.matmul(targets.transposed()).gathered(1, anywhere)
            let chosen = try identities?.taking(anywhere.reshaped(-1)).viewed(anywhere.shape)
            parts.append(try without(truth, picked, chosen))
        }
        if let codeVectors {
            let similarity = try (codeVectors.vectors * directions.unsqueezed(1)).sum(-1)
            parts.append(try without(truth, similarity, codeVectors.identities))
        }
        return parts.count == 1 ? parts[0] : try .concatenate(parts, 1)
    }

    /// The loss of the choices within utterances by a kernel in place of similarities; nil where there is none.
    ///
    /// - Parameters:
    ///   - directions: Unit vectors of predictions, [frames, channels].
    ///   - targets: Unit vectors of candidates, [candidates, channels].
    ///   - identities: As of ``similarities(_:_:identities:codeVectors:)``.
    ///   - temperature: What similarities are divided by.
    /// - Returns: The loss summed over frames.
    /// - Throws: `TorchError.operation` if LibTorch refuses a step, as when memory runs out.
    func contrast(
        _ directions: Tensor, _ targets: Tensor, identities: Tensor?, temperature: Double
    ) throws -> Contrast? {
        guard anywhere == nil, codes == nil, directions.fitsDeviceKernels else { return nil }
        var sum: Contrast?
        for run in runs {
            guard
                let part = try products(run, directions, targets).contrast(
                    run.indices, identities: identities?.rows(run.candidates), temperature: temperature)
            else { return nil }
            sum =
                try sum.map { Contrast(loss: try $0.loss + part.loss, correct: try $0.correct + part.correct) } ?? part
        }
        return sum
    }

    /// All similarities of a run's utterances, [utterances, frames, candidates].
    private func products(_ run: Run, _ directions: Tensor, _ targets: Tensor) throws -> Tensor {
        try directions.rows(run.frames).viewed(run.count, run.frames.count / run.count, -1)
            .matmul(targets.rows(run.candidates).viewed(run.count, run.candidates.count / run.count, -1).transposed())
    }

    private func withinUtterances(
        _ run: Run, _ directions: Tensor, _ targets: Tensor, _ identities: Tensor?
    ) throws -> Tensor {
        let indices = try run.indices.to(dtype: .int64)
        let (count, own, width) = (run.count, indices.size(1), indices.size(2))
        let pool = run.candidates.count / count
        let picked = try products(run, directions, targets).gathered(2, indices)
        guard let identities, width > 1 else { return try picked.viewed(count * own, width) }
        let chosen = try identities.rows(run.candidates).viewed(count, 1, pool).expanded(count, own, pool)
            .gathered(2, indices)
        let others = try without(
            chosen.narrowed(2, 0..<1), picked.narrowed(2, 1..<width), chosen.narrowed(2, 1..<width))
        return try Tensor.concatenate([picked.narrowed(2, 0..<1), others], 2).viewed(count * own, width)
    }

    /// Similarities with −∞ in place of those to vectors that are the true ones.
    private func without(_ truth: Tensor?, _ similarities: Tensor, _ identities: Tensor?) throws -> Tensor {
        guard let truth, let identities else { return similarities }
        return try similarities.filled(where: identities.equals(truth), with: -Double.infinity)
    }
}

import W2VBackbone
import W2VBase
import W2VTorch

/// The utterances that go through the model at once, with their mask.
///
/// They are concatenated in segments. A segment is a sub-batch: what fairseq calls a batch, with draws and statistics
/// of its own, so that several can be trained on at once as if one after the other.
public struct UtteranceBatch {
    /// The samples of each utterance.
    public let lengths: [Int]
    /// The layout of the utterances' frames.
    public let layout: RaggedLayout
    /// The utterances of each segment.
    public let segments: [Range<Int>]
    /// The masked frames and channels of each segment.
    public let masks: [Mask]
    /// The labels of each utterance; empty if they are not used.
    public let labels: [[Int]]
    /// The way to the model's device of what is drawn for the batch.
    public let upload: Upload
    /// The masked frames among all frames, utterance by utterance: int64 [masked frames].
    public let maskedRows: Tensor
    /// The model's device.
    public var device: Device { upload.device }

    /// Gathers utterances.
    ///
    /// - Parameters:
    ///   - lengths: The samples of each utterance.
    ///   - segments: The utterances of each segment, which cover all in order.
    ///   - masks: The masked frames and channels of each segment.
    ///   - labels: The labels of each utterance, if they are used.
    ///   - upload: The way to the model's device.
    public init(
        lengths: [Int], layout: RaggedLayout, segments: [Range<Int>], masks: [Mask], labels: [[Int]] = [],
        through upload: Upload
    ) throws {
        (self.lengths, self.layout, self.segments, self.masks) = (lengths, layout, segments, masks)
        (self.labels, self.upload) = (labels, upload)
        maskedRows = try upload.add(Mask.joined(masks).rows(in: layout))
    }

    /// The number of masked frames of each segment: fairseq's sample size in pre-training.
    public var maskedFrames: [Int] { masks.map { mask in mask.frames.reduce(0) { $0 + $1.count } } }
}

/// The random draws of an objective for a batch.
///
/// All numbers that the loss reads are in tensors, so that work recorded for one batch can be replayed for another of
/// the same shape (``/W2VTorch/WorkRecorder``).
public protocol BatchDraws {
    /// The tensors, always in the same order.
    var tensors: [Tensor] { get }
    /// A value that, with the shapes of ``tensors``, determines the shapes of everything that is computed from them.
    var shape: AnyHashable { get }
}

extension BatchDraws {
    /// Zero: nothing else determines shapes.
    public var shape: AnyHashable { 0 }
}

/// The draws of an objective that draws nothing.
public struct NoDraws: BatchDraws {
    /// Empty: there are no tensors.
    public var tensors: [Tensor] { [] }

    /// Draws nothing.
    public init() {}
}

/// The source of random draws: streams that depend on the seed, the update and the segment only.
public struct DrawSource: Sendable {
    /// The run's seed.
    public let seed: UInt64
    /// The update's number, from 1; 0 in validation, which always draws the same.
    public let update: Int
    /// The number of the batch's first segment in the update, counted over ranks and accumulation steps.
    public let firstSegment: Int
    /// Whether the batch is trained on; validation draws no noise.
    public let trains: Bool

    /// Makes a source.
    public init(seed: UInt64, update: Int, firstSegment: Int, trains: Bool) {
        (self.seed, self.update, self.firstSegment, self.trains) = (seed, update, firstSegment, trains)
    }

    /// Returns a stream of random numbers for a segment.
    ///
    /// - Parameter segment: The segment's index in the batch.
    public func stream(_ purpose: RandomPurpose, segment: Int) -> RandomStream {
        RandomStream(seed: seed, purpose: purpose, step: update, index: firstSegment + segment)
    }

    /// Returns a segment's stream of random numbers for one objective.
    ///
    /// - Parameters:
    ///   - objective: The objective, whose name makes the stream differ from those of others.
    ///   - segment: The segment's index in the batch.
    public func stream(of objective: (some Objective).Type, segment: Int) -> RandomStream {
        // 16 bits of a hash of the name, beside 32 bits of the segment.
        let name = objective.name.utf8.reduce(5381) { ($0 &* 33 ^ Int($1)) & 0xFFFF }
        return RandomStream(
            seed: seed, purpose: .objective, step: update, index: name << 32 | (firstSegment + segment) & 0xFFFF_FFFF)
    }
}

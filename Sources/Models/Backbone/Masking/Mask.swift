import W2VBase
import W2VKernels
import W2VTorch

/// The masked frames and channels of a batch.
public struct Mask: Sendable {
    /// For each utterance the sorted positions of its masked frames.
    public var frames: [[Int]]
    /// For each utterance the masked channels; empty when none are.
    public var channels: [[Int]]

    /// Makes a mask from positions.
    public init(frames: [[Int]], channels: [[Int]] = []) {
        self.frames = frames
        self.channels = channels
    }

    /// Draws a mask for the utterances of one sub-batch.
    ///
    /// An utterance too short for its spans is masked less: see ``SpanMasking/draw(lengths:streams:)``.
    ///
    /// - Parameters:
    ///   - lengths: The frames of each utterance.
    ///   - spared: Utterances whose frames are not masked; their channels are masked like the others'.
    ///   - subBatch: The sub-batch's number, counted over ranks and accumulation steps.
    /// - Returns: The masked frames of each utterance, and the masked channels if channels are masked.
    /// - Throws: ``ConfigurationError`` for spans over channels that leave no channel: see
    ///   ``MaskingConfiguration/validate(channels:)``.
    public static func draw(
        _ configuration: MaskingConfiguration, lengths: [Int], sparing spared: Set<Int> = [], channels: Int,
        seed: UInt64, update: Int, subBatch: Int
    ) throws -> Mask {
        try configuration.validate(channels: channels)
        func streams(_ purpose: RandomPurpose) -> [RandomStream] {
            // A row's stream depends on the sub-batch and the row; 2¹⁶ rows are more than a sub-batch holds.
            (0...lengths.count).map {
                RandomStream(seed: seed, purpose: purpose, step: update, index: subBatch << 16 | $0)
            }
        }
        let maskable = lengths.enumerated().map { spared.contains($0) ? 0 : $1 }
        let frames =
            configuration.time.probability > 0
            ? configuration.time.draw(lengths: maskable, streams: streams(.timeMask)) : lengths.map { _ in [] }
        let masked =
            configuration.channel.probability > 0
            ? configuration.channel.draw(
                lengths: lengths.map { _ in channels }, streams: streams(.channelMask)) : []
        return Mask(frames: frames, channels: masked)
    }

    /// Returns the masked frames of all utterances as rows of the batch.
    public func rows(in layout: RaggedLayout) -> [Int] {
        frames.enumerated().flatMap { utterance, positions in positions.map { $0 + layout.offsets[utterance] } }
    }

    /// Joins several sub-batches' masks into the mask of one batch.
    public static func joined(_ masks: [Mask]) -> Mask {
        Mask(frames: masks.flatMap(\.frames), channels: masks.flatMap(\.channels))
    }
}

/// A batch's mask on the batch's device.
package struct PlacedMask {
    /// The masked frames: bool [frames, 1]; nil if no frame is masked.
    package let frames: Tensor?
    /// The factors on each utterance's channels: FP32 [utterances, channels]; nil if no channel is masked.
    package let channels: Tensor?
    /// The utterance of each frame, if channels are masked: int64 [frames].
    let utterances: Tensor?

    /// Copies a mask to a device.
    package init(_ mask: Mask, _ layout: RaggedLayout, channels: Int, through upload: Upload) throws {
        let rows = mask.rows(in: layout)
        var flags = [Bool](repeating: false, count: layout.total)
        for row in rows { flags[row] = true }
        frames = try rows.isEmpty ? nil : upload.add(flags, shape: [layout.total, 1])
        guard mask.channels.contains(where: { !$0.isEmpty }) else {
            (self.channels, utterances) = (nil, nil)
            return
        }
        var keep = [Float](repeating: 1, count: layout.count * channels)
        for (utterance, positions) in mask.channels.enumerated() {
            for position in positions { keep[utterance * channels + position] = 0 }
        }
        self.channels = try upload.add(keep, shape: [layout.count, channels])
        utterances = try upload.add(layout.utteranceOfRow)
    }
}

extension Tensor {
    /// Replaces masked frames of this [frames, channels] tensor by a vector and masked channels by zeros.
    ///
    /// - Parameters:
    ///   - embedding: The replacement of a masked frame, [channels].
    ///   - channelsFirst: Whether channels are masked before frames, so that the embedding keeps all its channels.
    func masked(_ mask: PlacedMask, embedding: Tensor, channelsFirst: Bool) throws -> Tensor {
        func time(_ input: Tensor) throws -> Tensor {
            try mask.frames.map { try input.replacingRows(where: $0, with: embedding) } ?? input
        }
        func channel(_ input: Tensor) throws -> Tensor {
            guard let factors = mask.channels, let utterances = mask.utterances else { return input }
            return try input * factors.to(dtype: dtype).taking(utterances)
        }
        return try channelsFirst ? time(channel(self)) : channel(time(self))
    }
}

import W2VBackbone
import W2VTorch

/// What the backbone makes of a batch.
public struct Encoding {
    /// The utterances and their mask.
    public let batch: UtteranceBatch
    /// The feature extractor's output, before and after normalization.
    public let features: Wav2Vec2Model.Features
    /// What each segment adds to the loss's divisor: masked frames in pre-training, utterances in fine-tuning.
    public let lossUnits: [Int]
    /// The features that become targets of the leading objective, [frames, channels]; nil where there are none.
    public let targets: Tensor?
    /// How the encoder's input was quantized, where it was.
    public let quantizedInput: Quantized?
    private let encoded: Tensor
    private let frames: EncodedFrames

    init(
        _ batch: UtteranceBatch, _ features: Wav2Vec2Model.Features, targets: Tensor?, encoded: Tensor,
        frames: EncodedFrames, quantizedInput: Quantized?, lossUnits: [Int]
    ) {
        self.lossUnits = lossUnits
        (self.batch, self.features, self.encoded, self.frames) = (batch, features, encoded, frames)
        (self.targets, self.quantizedInput) = (targets, quantizedInput)
    }

    /// Context vectors of the masked frames, utterance by utterance.
    ///
    /// - Returns: [masked frames, channels].
    public func maskedContext() throws -> Tensor {
        frames == .masked ? encoded : try encoded.takingRows(batch.maskedRows)
    }

    /// Context vectors of all frames, for an objective that reads ``EncodedFrames/all``.
    ///
    /// - Returns: [frames, channels].
    /// - Throws: `TorchError.shape` where only masked frames were encoded.
    public func context() throws -> Tensor {
        guard frames == .all else {
            throw TorchError.shape("only masked frames were encoded: the objective has to declare that it reads all")
        }
        return encoded
    }
}

import W2VBackbone
import W2VTorch

/// The backbone's output for a batch.
public struct Encoding {
    /// The utterances and their mask.
    public let batch: UtteranceBatch
    /// The feature extractor's output, before and after normalization.
    public let features: Wav2Vec2Model.Features
    /// Each segment's contribution to the loss's divisor: masked frames in pre-training, utterances in fine-tuning.
    public let lossUnits: [Int]
    /// The features that become targets of the leading objective, [frames, channels]; nil if there are none.
    public let targets: Tensor?
    /// The quantization of the encoder's input, if there is one.
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

    /// Returns the context vectors of the masked frames, utterance by utterance: [masked frames, channels].
    public func maskedContext() throws -> Tensor {
        frames == .masked ? encoded : try encoded.takingRows(batch.maskedRows)
    }

    /// Returns the context vectors of all frames, for an objective that reads ``EncodedFrames/all``.
    ///
    /// - Returns: [frames, channels].
    /// - Throws: `TorchError.shape` if only masked frames were encoded.
    public func context() throws -> Tensor {
        guard frames == .all else {
            throw TorchError.shape("only masked frames were encoded: the objective has to declare that it reads all")
        }
        return encoded
    }
}

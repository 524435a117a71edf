import Torch
import Wav2Vec2

/// A micro-batch ready for the model: its samples on the device, and its random choices.
struct PreparedBatch {
    /// The utterances.
    let batch: MicroBatch
    /// The update's number, from 1.
    let update: Int
    /// The micro-batch's number in the update.
    let microBatch: Int
    /// All utterances' samples, [Σ lengths], on the device.
    let samples: Tensor
    /// The frames of each utterance.
    let frames: [Int]
    /// What pre-training chooses for each sub-batch.
    var plans: [SubBatchPlan] = []
    /// What fine-tuning masks.
    var mask: Mask?
}

/// A micro-batch ready for the model: its samples are on the device, and its random choices are made.
struct PreparedBatch {
    /// The utterances.
    let batch: MicroBatch
    /// Adds the micro-batch's gradients to those of the parameters.
    ///
    /// - Parameter lossScale: What the loss is multiplied by before the backward pass.
    /// - Returns: Gives the sums, for which it waits until the device is done.
    /// - Throws: What the model throws.
    let addGradients: (_ lossScale: Double) throws -> () throws -> Statistics
}

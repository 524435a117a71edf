import W2VTorch

/// The stages of an update around the model, as profiles call them.
extension Profile.Stage {
    /// Waiting for a batch.
    package static let dataWait = Self("data wait")
    /// The way of a batch to the device, and its random choices: masks, negatives and noise.
    package static let draws = Self("masks and negatives")
    /// Norm and clipping of gradients, and the optimizer.
    package static let optimizer = Self("optimizer")
}

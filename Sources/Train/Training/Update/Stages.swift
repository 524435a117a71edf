import W2VTorch

/// The stages of an update around the model, as profiles name them.
extension Profile.Stage {
    /// Waiting for a batch.
    package static let dataWait = Self("data wait")
    /// Copying a batch to the device, and its random draws: masks, negatives and noise.
    package static let draws = Self("masks and negatives")
    /// Gradient norm and clipping, and the optimizer.
    package static let optimizer = Self("optimizer")
}

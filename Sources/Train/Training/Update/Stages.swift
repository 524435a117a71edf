import W2VTorch

/// The stages of an update around the model, as profiles name them.
extension Profile.Stage {
    /// Waiting for a batch.
    package static let dataWait = Self("data wait")
    /// Preparing a batch, if this thread does: its random draws (masks, negatives and noise) and its upload.
    package static let draws = Self("masks and negatives")
    /// Gradient norm and clipping, and the optimizer.
    package static let optimizer = Self("optimizer")
}

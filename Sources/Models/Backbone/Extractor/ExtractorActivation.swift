import W2VKernels
import W2VTorch

/// The output of a feature extractor's block.
///
/// GELU may be deferred to the next block, which then keeps only one of the two tensors for the backward pass.
package struct ExtractorActivation {
    /// [rows, channels].
    let values: Tensor
    /// Whether GELU has been deferred.
    let lacksGELU: Bool
    /// Recomputes the values, where keeping them for the backward pass costs more.
    let recompute: (() throws -> Tensor)?

    package init(_ values: Tensor, lacksGELU: Bool = false, recompute: (() throws -> Tensor)? = nil) {
        (self.values, self.lacksGELU, self.recompute) = (values, lacksGELU, recompute)
    }

    /// Returns the values after GELU.
    package func finished() throws -> Tensor { lacksGELU ? try values.gelu() : values }

    /// Returns the activation in another type; converted values are not recomputed.
    func to(dtype: DType) throws -> ExtractorActivation {
        values.dtype == dtype
            ? self : ExtractorActivation(try values.to(dtype: dtype), lacksGELU: lacksGELU)
    }
}

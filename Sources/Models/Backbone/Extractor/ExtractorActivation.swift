import W2VKernels
import W2VTorch

/// What a block of the feature extractor hands to the next.
///
/// GELU may be left to the next block, which then keeps only one of the two tensors for the backward pass.
package struct ExtractorActivation {
    /// [rows, channels].
    let values: Tensor
    /// Whether GELU has been left out.
    let lacksGELU: Bool
    /// Computes the values a second time, where keeping them for the backward pass costs more.
    let recompute: (() throws -> Tensor)?

    package init(_ values: Tensor, lacksGELU: Bool = false, recompute: (() throws -> Tensor)? = nil) {
        (self.values, self.lacksGELU, self.recompute) = (values, lacksGELU, recompute)
    }

    /// The values after GELU.
    package func finished() throws -> Tensor { lacksGELU ? try values.gelu() : values }

    /// The activation in another type; converted values are not computed a second time.
    func to(dtype: DType) throws -> ExtractorActivation {
        values.dtype == dtype
            ? self : ExtractorActivation(try values.to(dtype: dtype), lacksGELU: lacksGELU)
    }
}

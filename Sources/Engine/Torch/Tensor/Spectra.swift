extension Tensor {
    /// Returns windows of a dimension, which overlap if the step is smaller than the size, as a view with a new last
    /// dimension.
    public func unfolded(_ dimension: Int, size: Int, step: Int) throws -> Tensor {
        try ATen.unfold(.tensor(self), .int(dimension), .int(size), .int(step))
    }

    /// Returns the discrete Fourier transform of real numbers along the last dimension, truncated or zero-padded to
    /// `size`.
    ///
    /// The result is complex, with size / 2 + 1 frequencies.
    public func realSpectrum(_ size: Int) throws -> Tensor { try ATen.realSpectrum(.tensor(self), .int(size)) }

    /// Returns the inverse of ``realSpectrum(_:)``: `size` real numbers.
    public func realSignal(_ size: Int) throws -> Tensor { try ATen.realSignal(.tensor(self), .int(size)) }

    /// Returns the complex conjugate.
    public func conjugated() throws -> Tensor { try ATen.conjugate(.tensor(self)) }
}

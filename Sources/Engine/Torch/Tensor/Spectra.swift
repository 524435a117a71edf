extension Tensor {
    /// Windows of a dimension, which overlap where the step is smaller than they are, as a view with a new last dimension.
    public func unfolded(_ dimension: Int, size: Int, step: Int) throws -> Tensor {
        try ATen.unfold(.tensor(self), .int(dimension), .int(size), .int(step))
    }

    /// The discrete Fourier transform of real numbers along the last dimension, of which the first `size` are taken or
    /// zeros are added: complex, size / 2 + 1 frequencies.
    public func realSpectrum(_ size: Int) throws -> Tensor { try ATen.realSpectrum(.tensor(self), .int(size)) }

    /// The inverse of ``realSpectrum(_:)``: `size` real numbers.
    public func realSignal(_ size: Int) throws -> Tensor { try ATen.realSignal(.tensor(self), .int(size)) }

    /// The complex conjugate.
    public func conjugated() throws -> Tensor { try ATen.conjugate(.tensor(self)) }
}

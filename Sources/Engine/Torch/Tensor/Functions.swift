extension Tensor {
    /// Gaussian error linear unit in its approximate (tanh) form: fairseq's `gelu_accurate`.
    public func geluApproximated() throws -> Tensor { try ATen.gelu(.tensor(self), .string("tanh")) }
    /// Rectified linear unit.
    public func relu() throws -> Tensor { try ATen.relu(.tensor(self)) }
    /// Hyperbolic tangent.
    public func tanh() throws -> Tensor { try ATen.tanh(.tensor(self)) }
    /// log(1 + eˣ).
    public func softplus() throws -> Tensor { try ATen.softplus(.tensor(self)) }
    /// x · sigmoid(x).
    public func silu() throws -> Tensor { try ATen.silu(.tensor(self)) }
    /// Gated linear unit: the first half of a dimension times the sigmoid of the second.
    public func glu(_ dimension: Int = -1) throws -> Tensor { try ATen.glu(.tensor(self), .int(dimension)) }
    /// Probabilities along a dimension, optionally computed in another type.
    public func softmax(_ dimension: Int, dtype: DType? = nil) throws -> Tensor {
        try ATen.softmax(.tensor(self), .int(dimension), dtype.map(TorchOperator.Argument.dtype) ?? .none)
    }
    /// Returns the gradient of a softmax over the last dimension, from its result (this tensor) and the result's
    /// gradient.
    public func softmaxBackward(_ gradient: Tensor) throws -> Tensor {
        try ATen.softmaxBackward(.tensor(gradient), .tensor(self), .int(-1), .dtype(dtype))
    }
    /// Log probabilities along a dimension, optionally computed in another type.
    public func logSoftmax(_ dimension: Int, dtype: DType? = nil) throws -> Tensor {
        try ATen.logSoftmax(.tensor(self), .int(dimension), dtype.map(TorchOperator.Argument.dtype) ?? .none)
    }
    /// Zero mean and unit variance over the last dimension, then weight and bias.
    public func layerNormalized(weight: Tensor?, bias: Tensor?, epsilon: Double = 1e-5) throws -> Tensor {
        try ATen.layerNorm(
            .tensor(self), .ints([size(-1)]), .optional(weight), .optional(bias), .double(epsilon))
    }
    /// Attention (Vaswani 2017, equation 1) of queries, keys and values of [batch, heads, time, channels].
    public static func attention(
        _ query: Tensor, _ key: Tensor, _ value: Tensor, dropout: Double = 0
    ) throws -> Tensor {
        try ATen.attention(
            .tensor(query.asFactor()), .tensor(key.asFactor()), .tensor(value.asFactor()), .none, .double(dropout),
            .bool(false)
        ).to(dtype: query.dtype)
    }
    /// Returns the CTC loss (Graves 2006) of log probabilities [frames, 1, labels], summed.
    ///
    /// - Parameters:
    ///   - targets: Label indices, int64, of one utterance.
    ///   - blank: The blank's index.
    ///   - zeroInfinity: Whether an impossible alignment has zero loss and no gradient.
    /// - Throws: `TorchError.operation` when a target is not a label.
    public func ctcLoss(targets: Tensor, blank: Int, zeroInfinity: Bool) throws -> Tensor {
        try ATen.ctcLoss(
            .tensor(self), .tensor(targets), .ints([size(0)]), .ints([targets.count]), .int(blank), .int(2),
            .bool(zeroInfinity))
    }

    /// Returns the CTC loss of each utterance of [frames, utterances, labels] log probabilities.
    ///
    /// - Parameters:
    ///   - frames: The number of frames of each utterance.
    ///   - targets: Label indices, int64, utterance after utterance.
    ///   - targetCounts: The number of targets of each utterance.
    ///   - blank: The blank's index.
    ///   - zeroInfinity: Whether an impossible alignment has zero loss and no gradient.
    /// - Returns: [utterances].
    /// - Throws: `TorchError.operation` when a target is not a label.
    public func ctcLosses(
        frames: [Int], targets: Tensor, targetCounts: [Int], blank: Int, zeroInfinity: Bool
    ) throws -> Tensor {
        try ATen.ctcLoss(
            .tensor(self), .tensor(targets), .ints(frames), .ints(targetCounts), .int(blank), .int(0),
            .bool(zeroInfinity))
    }
}

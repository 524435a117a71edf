import W2VTorch

/// The stages of the model and its objectives in profiles.
extension Profile.Stage {
    /// The extractor's first convolution with its normalization and GELU.
    public static let firstConvolution = Self("extractor layer 1")
    /// The other convolutions, with GELU.
    public static let convolutions = Self("extractor layers 2-7")
    /// The extractor's last normalization and the projection to the encoder's channels.
    public static let projection = Self("projection")
    /// The convolution that replaces position embeddings.
    public static let positionalConvolution = Self("positional convolution")
    /// Self-attention with its projections.
    public static let attention = Self("attention")
    /// The two feed-forward products with the nonlinearity between them.
    public static let feedForward = Self("feed-forward")
    /// Masking, residuals, normalizations and dropouts of the encoder, and Hourglass resampling.
    public static let elementwise = Self("norms and elementwise")
    /// The quantizer and the projection of the chosen entries.
    public static let quantizer = Self("quantizer")
    /// The contrastive logits and loss.
    public static let contrastive = Self("contrastive")
    /// The labels' projection and the CTC loss.
    public static let labels = Self("CTC")
}

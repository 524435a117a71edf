extension ModelFamily {
    /// HuBERT (arXiv 2106.07447): wav2vec 2.0's backbone, trained to predict units.
    public static let hubert = wav2vec2.variant("HuBERT", modelType: "hubert")
}

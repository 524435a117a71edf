extension ModelFamily {
    /// wav2vec 2.0 with an Hourglass Transformer (arXiv 2110.13711), as NVIDIA's program has it.
    ///
    /// Its names are the same here and there; Transformers and fairseq have no such models.
    public static let hourglass: ModelFamily = {
        var family = ModelFamily("Hourglass Transformer")
        family.formats = [.native, .nvidia]
        family.describes = { $0.hourglass != nil }
        return family
    }()
}

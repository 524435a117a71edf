extension ModelFamily {
    /// wav2vec 2.0 with an Hourglass Transformer (arXiv 2110.13711), as in NVIDIA's program.
    ///
    /// Its names are the same there as here; Transformers and fairseq have no such models.
    public static let hourglass: ModelFamily = {
        var family = ModelFamily("Hourglass Transformer")
        family.formats = [.native, .nvidia]
        family.describes = { $0.hourglass != nil }
        return family
    }()
}

/// The kind of a reference implementation's run, which determines how it is compared.
enum GoldenTask {
    /// A step of pre-training, with all utterances of one length: the kernels for GPUs are compared too.
    case evenPretraining
    /// A step of pre-training with utterances of several lengths.
    case pretraining
    /// A step of fine-tuning with CTC.
    case recognition
    /// NVIDIA's `infer()`: a batch, and each of its utterances alone.
    case inference

    /// Every run that is compared.
    ///
    /// A run that is missing here, or in the folder of fixtures, fails.
    static let table: [String: GoldenTask] = [
        "fairseq_base.unpadded.gumbel": .evenPretraining,
        "fairseq_large.unpadded.gumbel": .evenPretraining,
        "fairseq_large.padded.gumbel": .pretraining,
        "fairseq_large.padded.hard": .pretraining,
        "hf_base.unpadded.gumbel": .evenPretraining,
        "hf_large.unpadded.gumbel": .evenPretraining,
        "hf_large.padded.gumbel": .pretraining,
        "hf_large.padded.hard": .pretraining,
        "nvidia_base.concat_unpadded.gumbel": .evenPretraining,
        "nvidia_hg22_linear.unpadded.gumbel": .evenPretraining,
        "nvidia_hg22_naive.unpadded.gumbel": .evenPretraining,
        "nvidia_hg24_linear.unpadded.gumbel": .evenPretraining,
        "nvidia_hg24_naive.unpadded.gumbel": .evenPretraining,
        "fairseq_base_ctc.unpadded": .recognition,
        "fairseq_large_ctc.unpadded": .recognition,
        "fairseq_large_ctc.padded": .recognition,
        "fairseq_large_ctc.masked": .recognition,
        "hf_base_ctc.unpadded": .recognition,
        "hf_large_ctc.unpadded": .recognition,
        "hf_large_ctc.padded": .recognition,
        "nvidia_base_ctc.infer": .inference,
        "nvidia_hg22_naive_ctc.infer": .inference,
        "nvidia_hg24_linear_ctc.infer": .inference,
    ]

    /// Tensors of a run that are not compared, each with the reason.
    static func differences(_ golden: GoldenCase) -> [String: String] {
        switch golden.extent {
        case .everything, .nothing: [:]
        case .validFrames:
            ["out.features_pen": "it averages padding too, and weighs 0", "out.loss_penalty": "the same"]
        case .activationsAndContrastiveLoss:
            Dictionary(
                uniqueKeysWithValues: [
                    "out.loss", "out.loss_diversity", "out.loss_penalty", "out.features_pen", "out.prob_perplexity",
                    "out.code_perplexity", "out.diversity_loss", "out.codevector_perplexity",
                ].map { ($0, "terms beside the contrastive loss differ from the right ones") })
        case .utterancesAlone:
            ["out.logits": "in the batch, the reference reads padding", "out.lprobs": "the same"]
        }
    }
}

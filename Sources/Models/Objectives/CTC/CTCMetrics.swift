/// The validation metrics of recognition by CTC.
public enum CTCMetrics {
    /// The word error rate.
    public static let wordErrors = Metric(
        "wer", .mean, title: "Word error rate", format: .percent, better: .lower, label: "WER")
    /// The character error rate.
    public static let characterErrors = Metric(
        "cer", .mean, title: "Character error rate", format: .percent, better: .lower, label: "CER")
    /// The word error rate of the best path with specials such as `<pad>` spelled out: fairseq's `raw_wer`.
    public static let rawWordErrors = Metric(
        "raw_wer", .mean, title: "Raw word error rate", format: .percent, better: .lower)
    /// The error rate over the dictionary's symbols, word boundaries included: fairseq's `uer`.
    public static let unitErrors = Metric(
        "uer", .mean, title: "Unit error rate", format: .percent, better: .lower)

    /// All metrics, in display order.
    public static let all = [wordErrors, characterErrors, rawWordErrors, unitErrors]
}

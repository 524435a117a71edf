/// The metrics of pre-training by the contrastive objective.
public enum ContrastiveMetrics {
    /// The contrastive term (paper, equation 3), in nats per masked frame.
    public static let contrastive = Metric("contrastive", .mean, title: "Contrastive term", better: .lower)
    /// The weighted diversity term (paper, equation 4), in nats per masked frame.
    public static let diversity = Metric("diversity", .mean, title: "Diversity term", better: .lower)
    /// The weighted penalty on the features' energy, in nats per masked frame.
    public static let penalty = Metric("penalty", .mean, title: "Feature penalty", better: .lower)
    /// The share of masked frames whose most similar candidate is the true vector.
    public static let accuracy = Metric(
        "accuracy", .mean, title: "Accuracy", format: .percent, better: .higher, label: "accuracy")
    /// The perplexity of the chosen entries, summed over code books.
    public static let codePerplexity = Metric(
        "code_perplexity", .mean, title: "Code perplexity", better: .higher, label: "codes")
    /// The perplexity of the entries' mean probabilities, summed over code books.
    public static let probPerplexity = Metric(
        "prob_perplexity", .mean, title: "Perplexity of code probabilities", better: .higher)
    /// The Gumbel softmax's temperature.
    public static let temperature = Metric("temperature", .latest, title: "Gumbel temperature")
    /// The number of times that each code book entry was chosen in validation.
    public static let codesUsed = Metric(
        "codes_used", .histogram, title: "Codes used", better: .higher, label: "codes used",
        tag: "code_use/group_")

    /// All metrics, in display order.
    public static let all = [
        contrastive, diversity, penalty, accuracy, codePerplexity, probPerplexity, temperature, codesUsed,
    ]
}

/// A number that an objective reports, and how the numbers of batches, processes and updates become one.
///
/// What is declared here reaches the sum over processes, `metrics.jsonl` and TensorBoard, in training and in validation; with
/// a label also the lines on the console, the report and the learning curves. Nothing else has to know of it.
public struct Metric: Sendable, Hashable, Codable {
    /// How reported values are put together.
    public enum Reduction: String, Sendable, Codable {
        /// The sum of all values.
        case sum
        /// The sum of all values over the sum of their weights.
        case mean
        /// The smallest value.
        case minimum
        /// The largest value.
        case maximum
        /// The newest value, as of a schedule.
        case latest
        /// Counts of bins, added bin by bin; as one number, the bins that are not empty.
        case histogram
    }

    /// How a value is written for people.
    public enum Format: String, Sendable, Codable {
        /// As it is.
        case number
        /// In percent of 1.
        case percent
    }

    /// Which values are better.
    public enum Direction: String, Sendable, Codable {
        case lower
        case higher
    }

    /// The key in `metrics.jsonl` and in TensorBoard, in snake case.
    public let name: String
    /// The heading of its chart.
    public let title: String
    /// How values are put together.
    public let reduction: Reduction
    /// How a value is written for people.
    public let format: Format
    /// Which values are better, where there is a better.
    public let better: Direction?
    /// The metric's name in the console's lines; `nil` to leave it out of them, and out of reports' charts.
    public let label: String?
    /// The tag of a histogram's parts in TensorBoard, before the part's number; `nil` for other metrics.
    public let tag: String?

    /// Declares a metric.
    ///
    /// - Parameters:
    ///   - name: The key in `metrics.jsonl`, in snake case and no other metric's.
    ///   - title: The heading of its chart; the name in words if absent.
    ///   - format: How a value is written for people.
    ///   - better: Which values are better, where there is a better.
    ///   - label: The metric's name in the console's lines; `nil` to leave it out of them.
    ///   - tag: The tag of a histogram's parts in TensorBoard, before the part's number.
    public init(
        _ name: String, _ reduction: Reduction, title: String? = nil, format: Format = .number,
        better: Direction? = nil, label: String? = nil, tag: String? = nil
    ) {
        self.tag = reduction == .histogram ? tag ?? "\(name)/part_" : nil
        self.name = name
        self.reduction = reduction
        let words = name.split(separator: "_").joined(separator: " ")
        self.title = title ?? words.prefix(1).uppercased() + words.dropFirst()
        self.format = format
        self.better = better
        self.label = label
    }
}

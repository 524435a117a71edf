/// A number that an objective reports, and the way in which values of batches, processes and updates are combined.
///
/// A declared metric is summed over processes and written to `metrics.jsonl` and TensorBoard, in training and
/// validation; with a label it also appears in the console's lines, the report and the learning curves. Nothing else
/// has to be changed.
public struct Metric: Sendable, Hashable, Codable {
    /// The way in which values are combined.
    public enum Reduction: String, Sendable, Codable {
        /// The sum of all values.
        case sum
        /// The sum of all values over the sum of their weights.
        case mean
        /// The smallest value.
        case minimum
        /// The largest value.
        case maximum
        /// The newest value, such as that of a schedule.
        case latest
        /// Counts of bins, added bin by bin; as a single number, the number of nonempty bins.
        case histogram
    }

    /// The way in which a value is shown.
    public enum Format: String, Sendable, Codable {
        /// As a plain number.
        case number
        /// As a percentage.
        case percent
    }

    /// The direction in which values improve.
    public enum Direction: String, Sendable, Codable {
        case lower
        case higher
    }

    /// The key in `metrics.jsonl` and in TensorBoard, in snake case.
    public let name: String
    /// The heading of its chart.
    public let title: String
    /// The way in which values are combined.
    public let reduction: Reduction
    /// The way in which a value is shown.
    public let format: Format
    /// The direction in which values improve, if there is one.
    public let better: Direction?
    /// The metric's name in the console's lines; `nil` omits it from them and from reports' charts.
    public let label: String?
    /// The TensorBoard tag of a histogram's parts, before the part's number; `nil` for other metrics.
    public let tag: String?

    /// Declares a metric.
    ///
    /// - Parameters:
    ///   - name: The key in `metrics.jsonl`, in snake case, unique among metrics.
    ///   - title: The heading of its chart; the name in words if absent.
    ///   - format: The way in which a value is shown.
    ///   - better: The direction in which values improve, if there is one.
    ///   - label: The metric's name in the console's lines; `nil` omits it from them.
    ///   - tag: The TensorBoard tag of a histogram's parts, before the part's number.
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

import W2VBackbone
import W2VTorch

/// The result of an objective for a batch: the loss to minimize, and the values of its metrics.
///
/// Values stay on the device and are read in one transfer, since each transfer synchronizes with the device.
public struct LossTerms {
    /// The way in which the numbers of one metric are read.
    fileprivate struct Reading: Sendable {
        let metric: Metric
        /// The weights of the numbers, one each.
        let weights: [Double]
        /// Whether the numbers already are sums, so that they are not multiplied by their weights.
        let areSums: Bool
    }

    /// The loss summed over the batch, a scalar.
    public private(set) var loss: Tensor
    private var tensors: [Tensor] = []
    private var readings: [Reading] = []
    private var codes: [(metric: Metric, codes: Tensor, entries: Int)] = []

    /// Starts with a loss.
    public init(_ loss: Tensor) { self.loss = loss }

    /// Reports a sum, or a single value.
    ///
    /// - Parameter weight: The divisor of a mean.
    /// - Throws: `TorchError.shape` for more than one number.
    public mutating func report(_ metric: Metric, _ total: Tensor, weight: Int = 1) throws {
        try add(metric, total, weights: [Double(weight)], areSums: true)
    }

    /// Reports the means of parts of the batch.
    ///
    /// - Parameters:
    ///   - means: One number per part.
    ///   - weights: The weight of each part.
    /// - Throws: `TorchError.shape` for another number of parts.
    public mutating func report(_ metric: Metric, means: Tensor, weights: [Int]) throws {
        try add(metric, means, weights: weights.map(Double.init), areSums: false)
    }

    /// Reports sums over parts of the batch.
    ///
    /// - Parameters:
    ///   - sums: One number per part.
    ///   - weights: The divisor of each in a mean.
    /// - Throws: `TorchError.shape` for another number of parts.
    public mutating func report(_ metric: Metric, sums: Tensor, weights: [Int]) throws {
        try add(metric, sums, weights: weights.map(Double.init), areSums: true)
    }

    /// Reports choices, which a histogram counts; they are read in validation only.
    ///
    /// - Parameters:
    ///   - codes: The chosen bin of each row in each part: int64 [rows, parts].
    ///   - entries: The number of bins of a part: codes are in 0..<entries.
    /// - Throws: `TorchError.shape` for a metric that is not a histogram, or codes that are not such a matrix.
    public mutating func report(_ metric: Metric, codes: Tensor, entries: Int) throws {
        guard metric.reduction == .histogram, codes.rank == 2, codes.dtype == .int64 else {
            throw TorchError.shape(
                "metric \(metric.name) is reported with codes of shape \(codes.shape) and type \(codes.dtype): a histogram "
                    + "takes int64 codes, [rows, parts]")
        }
        self.codes.append((metric, codes, entries))
    }

    private mutating func add(_ metric: Metric, _ numbers: Tensor, weights: [Double], areSums: Bool) throws {
        guard metric.reduction != .histogram else {
            throw TorchError.shape("metric \(metric.name) is a histogram, which takes codes in place of numbers")
        }
        guard numbers.count == weights.count else {
            throw TorchError.shape(
                "metric \(metric.name) is reported with \(numbers.count) numbers and \(weights.count) weights")
        }
        tensors.append(numbers)
        readings.append(Reading(metric: metric, weights: weights, areSums: areSums))
    }

    /// Checks terms against their objective's declaration.
    ///
    /// - Throws: `TorchError.shape` for a loss that is not a scalar; `ConfigurationError` for an undeclared metric.
    func check(_ objective: any Objective.Type) throws {
        guard loss.count == 1 else {
            throw TorchError.shape(
                "the loss of objective \(objective.name) has shape \(loss.shape), where a single number is expected")
        }
        let declared = Set(objective.metrics.map(\.name))
        for metric in readings.map(\.metric) + codes.map(\.metric) where !declared.contains(metric.name) {
            throw ConfigurationError(
                "objective \(objective.name) reports '\(metric.name)', which is not one of its metrics",
                "declare it there")
        }
    }

    /// Adds another objective's loss and metrics.
    public mutating func add(_ other: LossTerms) throws {
        loss = try loss + other.loss
        tensors += other.tensors
        readings += other.readings
        codes += other.codes
    }

    /// Returns the loss, summed over the batch, and all metrics' sums, including histograms.
    public func sums() throws -> (loss: Double, metrics: MetricSums) {
        var (loss, metrics) = try summation(try numbers())
        for (metric, codes, entries) in codes {
            let parts = codes.size(1)
            var bins = [[Int]](repeating: [Int](repeating: 0, count: entries), count: parts)
            for (index, code) in try codes.elements(Int64.self).enumerated() {
                guard bins[index % parts].indices.contains(Int(code)) else {
                    throw TorchError.shape("metric \(metric.name) has code \(code), and only \(entries) entries")
                }
                bins[index % parts][Int(code)] += 1
            }
            metrics.add(metric, bins: bins)
        }
        return (loss, metrics)
    }

    /// Returns the loss and all values in one tensor, without history: FP64 [count].
    public func numbers() throws -> Tensor {
        try withoutGradient {
            // Most numbers are FP32 and are converted together: each operator is a launch on a GPU.
            let rows = try ([loss] + tensors).map { try $0.reshaped(-1) }
            let isUniform = rows.allSatisfy { $0.dtype == rows[0].dtype }
            let alike = try isUniform ? rows : rows.map { try $0.to(dtype: .float64) }
            return try Tensor.concatenate(alike).to(dtype: .float64)
        }
    }

    /// The conversion of ``numbers()`` to sums, shared by batches of one shape.
    public var summation: Summation { Summation(readings: readings) }

    /// A conversion of a batch's numbers to sums.
    public struct Summation: Sendable {
        fileprivate let readings: [Reading]

        /// Returns the loss, summed over the batch, and the metrics' sums.
        ///
        /// - Parameter numbers: The value of ``LossTerms/numbers()`` for a batch of the same shape.
        /// - Throws: `TorchError` if the numbers cannot be read.
        public func callAsFunction(_ numbers: Tensor) throws -> (loss: Double, metrics: MetricSums) {
            let numbers = try numbers.elements(Double.self)
            var metrics = MetricSums()
            var place = 1
            for reading in readings {
                for weight in reading.weights {
                    let number = numbers[place]
                    metrics.add(reading.metric, reading.areSums ? number : number * weight, weight: weight)
                    place += 1
                }
            }
            return (numbers[0], metrics)
        }
    }
}

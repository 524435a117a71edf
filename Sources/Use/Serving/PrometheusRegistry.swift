import CoreMetrics
import Foundation
import Synchronization

/// A back end of swift-metrics that writes what it has received in Prometheus' text format.
///
/// Source: https://prometheus.io/docs/instrumenting/exposition_formats/
final class PrometheusRegistry: MetricsFactory {
    /// What a metric measures.
    enum Kind: Sendable {
        case counter, gauge
        /// Counts of values up to each of these bounds.
        case histogram([Double])

        var name: String {
            switch self {
            case .counter: "counter"
            case .gauge: "gauge"
            case .histogram: "histogram"
            }
        }
    }

    /// A metric; it has a series of values for each combination of labels.
    struct Metric: Sendable {
        var name: String
        var kind: Kind
        var help: String

        init(_ name: String, _ kind: Kind, _ help: String) {
            self.name = name
            self.kind = kind
            self.help = help
        }
    }

    private let prefix: String
    private let metrics: [Metric]
    private let series = Mutex<[String: [String: Series]]>([:])

    /// Makes a registry.
    ///
    /// - Parameters:
    ///   - prefix: The text before each name.
    ///   - metrics: The metrics, in the order in which they are written; values of others are dropped.
    init(prefix: String, _ metrics: [Metric]) {
        self.prefix = prefix
        self.metrics = metrics
    }

    /// All values.
    var text: String {
        let series = series.withLock { $0 }
        var lines: [String] = []
        for metric in metrics {
            let name = prefix + metric.name
            lines += ["# HELP \(name) \(metric.help)", "# TYPE \(name) \(metric.kind.name)"]
            let all = series[name] ?? [:]
            // A metric without labels has a value from the start.
            guard !all.isEmpty else {
                if case .counter = metric.kind { continue }
                lines += Series(metric.kind).lines(name, "")
                continue
            }
            for (labels, values) in all.sorted(by: { $0.key < $1.key }) { lines += values.lines(name, labels) }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        found(label, dimensions)
    }

    func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler { found(label, dimensions) }

    func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler { found(label, dimensions) }

    func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        found(label, dimensions)
    }

    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler { found(label, dimensions) }

    // A counter keeps its value while no one holds a reference to it.
    func destroyCounter(_ handler: any CounterHandler) {}
    func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    func destroyMeter(_ handler: any MeterHandler) {}
    func destroyRecorder(_ handler: any RecorderHandler) {}
    func destroyTimer(_ handler: any TimerHandler) {}

    private func found(_ name: String, _ dimensions: [(String, String)]) -> Series {
        let labels = dimensions.map { "\($0)=\"\(Self.escaped($1))\"" }.joined(separator: ",")
        let kind = metrics.first { prefix + $0.name == name }?.kind ?? .gauge
        return series.withLock { series in
            if let known = series[name]?[labels] { return known }
            let new = Series(kind)
            series[name, default: [:]][labels] = new
            return new
        }
    }

    private static func escaped(_ label: String) -> String {
        label.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\"")
            .replacingOccurrences(of: "\n", with: "\\n")
    }
}

/// The values of a metric with the same labels.
private final class Series: CounterHandler, FloatingPointCounterHandler, MeterHandler, RecorderHandler, TimerHandler {
    private struct State {
        var value = 0.0
        var isWhole = true
        /// The number of values in each bucket of a histogram; the last has those beyond all bounds.
        var counts: [Int]
    }

    private let bounds: [Double]?
    private let state: Mutex<State>

    init(_ kind: PrometheusRegistry.Kind) {
        if case .histogram(let bounds) = kind { self.bounds = bounds } else { bounds = nil }
        state = Mutex(State(counts: Array(repeating: 0, count: (bounds?.count ?? 0) + 1)))
    }

    func increment(by amount: Int64) { state.withLock { $0.value += Double(amount) } }

    func increment(by amount: Double) {
        state.withLock { state in
            state.value += amount
            state.isWhole = false
        }
    }

    func decrement(by amount: Double) { increment(by: -amount) }

    func reset() { state.withLock { $0.value = 0 } }

    func set(_ value: Int64) { record(value) }
    func set(_ value: Double) { record(value) }

    func record(_ value: Int64) { record(Double(value), isWhole: true) }
    func record(_ value: Double) { record(value, isWhole: false) }
    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }

    private func record(_ value: Double, isWhole: Bool) {
        state.withLock { state in
            guard let bounds else {
                (state.value, state.isWhole) = (value, isWhole)
                return
            }
            state.counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
            state.value += value
        }
    }

    /// Returns the lines of the text format.
    func lines(_ name: String, _ labels: String) -> [String] {
        let state = state.withLock { $0 }
        let suffix = labels.isEmpty ? "" : "{\(labels)}"
        guard let bounds else {
            return ["\(name)\(suffix) \(state.isWhole ? String(Int(state.value)) : String(state.value))"]
        }
        var total = 0
        var lines: [String] = []
        for (bound, count) in zip(bounds.map { String(format: "%g", $0) } + ["+Inf"], state.counts) {
            total += count
            let all = (labels.isEmpty ? "" : labels + ",") + "le=\"\(bound)\""
            lines.append("\(name)_bucket{\(all)} \(total)")
        }
        return lines + ["\(name)_sum\(suffix) \(state.value)", "\(name)_count\(suffix) \(total)"]
    }
}

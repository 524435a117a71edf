import Foundation
import Synchronization

/// Counters of a server's work, in Prometheus' format.
final class Metrics: Sendable {
    private struct Key: Hashable, Comparable {
        var route: String
        var status: Int

        static func < (first: Key, second: Key) -> Bool {
            (first.route, first.status) < (second.route, second.status)
        }
    }

    private struct State {
        var requests: [Key: Int] = [:]
        var open = 0
        var live = 0
        var audioSeconds = 0.0
        var seconds = BucketedCounts(bounds: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800])
        var recordings = BucketedCounts(bounds: [1, 2, 4, 8, 16, 32, 64])
    }

    private struct BucketedCounts {
        let bounds: [Double]
        var counts: [Int]
        var sum = 0.0

        init(bounds: [Double]) {
            self.bounds = bounds
            counts = Array(repeating: 0, count: bounds.count + 1)
        }

        mutating func add(_ value: Double) {
            counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
            sum += value
        }

        func lines(_ name: String) -> [String] {
            var total = 0
            var lines: [String] = []
            for (bound, count) in zip(bounds.map { String(format: "%g", $0) } + ["+Inf"], counts) {
                total += count
                lines.append("\(name)_bucket{le=\"\(bound)\"} \(total)")
            }
            return lines + ["\(name)_sum \(sum)", "\(name)_count \(total)"]
        }
    }

    private let state = Mutex(State())

    /// The number of open live inputs.
    var liveCount: Int { state.withLock { $0.live } }

    /// Counts a new request.
    func requestBegins() { state.withLock { $0.open += 1 } }

    /// Counts an answered request.
    ///
    /// - Parameters:
    ///   - request: The request.
    ///   - route: The route's path, or `other` if the request matches no route.
    func requestEnds(_ request: ServedRequest, route: String) {
        state.withLock { state in
            state.open -= 1
            state.requests[Key(route: route, status: request.status), default: 0] += 1
            // The audio of live input was counted as it was processed.
            guard request.audioSeconds > 0, request.status == 200 else { return }
            state.audioSeconds += request.audioSeconds
            state.seconds.add(request.seconds)
        }
    }

    /// Counts a new live input if fewer than this many are open; returns whether it did.
    func liveBegins(most: Int) -> Bool {
        state.withLock { state in
            guard state.live < most else { return false }
            state.live += 1
            return true
        }
    }

    /// Counts audio of a live input that the model has processed.
    func liveHeard(seconds: Double) { state.withLock { $0.audioSeconds += seconds } }

    /// The seconds of audio recognized so far.
    var audioSeconds: Double { state.withLock { $0.audioSeconds } }

    /// Counts the end of a live input.
    func liveEnds() { state.withLock { $0.live -= 1 } }

    /// Counts a pass of the model with this many recordings.
    func passes(recordings: Int) { state.withLock { $0.recordings.add(Double(recordings)) } }

    /// Returns all metrics in Prometheus' text format.
    ///
    /// - Parameters:
    ///   - counts: The numbers of requests that wait for the model and that it works on.
    ///   - uptime: The seconds since the server started.
    /// - Returns: The text.
    func text(_ counts: WaitingRoom.Counts, uptime: Double) -> String {
        let state = state.withLock { $0 }
        var lines: [String] = []
        func add(_ name: String, _ kind: String, _ help: String, _ values: [String]) {
            lines += ["# HELP wav2vec2_\(name) \(help)", "# TYPE wav2vec2_\(name) \(kind)"]
            lines += values.map { "wav2vec2_" + $0 }
        }
        add(
            "requests_total", "counter", "Requests answered, by route and status.",
            state.requests.sorted { $0.key < $1.key }.map {
                "requests_total{route=\"\($0.key.route)\",status=\"\($0.key.status)\"} \($0.value)"
            })
        add(
            "audio_seconds_total", "counter", "Seconds of audio recognized.",
            ["audio_seconds_total \(state.audioSeconds)"])
        add(
            "request_seconds", "histogram",
            "Seconds from a request's first byte to its answer, for recordings recognized.",
            state.seconds.lines("request_seconds"))
        add(
            "batch_recordings", "histogram", "Short recordings in a batch.",
            state.recordings.lines("batch_recordings"))
        add(
            "requests_open", "gauge", "Requests not answered yet, including uploads.",
            ["requests_open \(state.open)"])
        add("requests_waiting", "gauge", "Requests waiting for the model.", ["requests_waiting \(counts.waiting)"])
        add(
            "requests_in_flight", "gauge", "Requests that the model is processing.",
            ["requests_in_flight \(counts.running)"]
        )
        add("live_inputs", "gauge", "Open live inputs.", ["live_inputs \(state.live)"])
        add("uptime_seconds", "gauge", "Seconds since the server started.", ["uptime_seconds \(uptime)"])
        return lines.joined(separator: "\n") + "\n"
    }
}

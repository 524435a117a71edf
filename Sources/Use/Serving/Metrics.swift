import CoreMetrics
import Synchronization

/// Counts of a server's work, for `GET /metrics` and for the metrics system of the program.
final class Metrics: Sendable {
    private struct State {
        var open = 0
        var live = 0
    }

    private let registry = PrometheusRegistry(
        prefix: "wav2vec2_",
        [
            .init("requests_total", .counter, "Requests answered, by route and status."),
            .init("audio_seconds_total", .counter, "Seconds of audio recognized."),
            .init(
                "request_seconds",
                .histogram([0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800]),
                "Seconds from the end of a request's head to its answer, for recordings recognized."),
            .init("batch_recordings", .histogram([1, 2, 4, 8, 16, 32, 64]), "Short recordings in a batch."),
            .init("requests_open", .gauge, "Requests not answered yet, including uploads."),
            .init("requests_waiting", .gauge, "Requests waiting for the model."),
            .init("requests_in_flight", .gauge, "Requests that the model is processing."),
            .init("live_inputs", .gauge, "Open live inputs."),
            .init("uptime_seconds", .gauge, "Seconds since the server started."),
        ])
    private let factory: any MetricsFactory
    private let seconds: Recorder
    private let recordings: Recorder
    private let audio: FloatingPointCounter
    private let state = Mutex(State())

    init() {
        factory = MultiplexMetricsHandler(factories: [registry, MetricsSystem.factory])
        seconds = Recorder(label: "wav2vec2_request_seconds", factory: factory)
        recordings = Recorder(label: "wav2vec2_batch_recordings", factory: factory)
        audio = FloatingPointCounter(label: "wav2vec2_audio_seconds_total", factory: factory)
    }

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
        Counter(
            label: "wav2vec2_requests_total", dimensions: [("route", route), ("status", String(request.status))],
            factory: factory
        ).increment()
        // The audio of live input was counted as it was processed.
        let isRecognized = request.audioSeconds > 0 && request.status == 200
        state.withLock { $0.open -= 1 }
        guard isRecognized else { return }
        audio.increment(by: request.audioSeconds)
        seconds.record(request.seconds)
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
    func liveHeard(seconds: Double) { audio.increment(by: seconds) }

    /// Counts the end of a live input.
    func liveEnds() { state.withLock { $0.live -= 1 } }

    /// Counts a pass of the model with this many recordings.
    func passes(recordings count: Int) { recordings.record(count) }

    /// Returns all metrics in Prometheus' text format.
    ///
    /// - Parameters:
    ///   - counts: The numbers of requests that wait for the model and that it works on.
    ///   - uptime: The seconds since the server started.
    /// - Returns: The text.
    func text(_ counts: WaitingRoom.Counts, uptime: Double) -> String {
        let (open, live) = state.withLock { ($0.open, $0.live) }
        for (name, value) in [
            ("requests_open", open), ("requests_waiting", counts.waiting), ("requests_in_flight", counts.running),
            ("live_inputs", live),
        ] { Gauge(label: "wav2vec2_\(name)", factory: factory).record(value) }
        Gauge(label: "wav2vec2_uptime_seconds", factory: factory).record(uptime)
        return registry.text
    }
}

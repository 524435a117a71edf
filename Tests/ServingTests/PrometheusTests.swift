import CoreMetrics
import Testing

@testable import W2VServing

@Suite struct PrometheusTests {
    @Test func valuesAreWrittenByLabels() {
        let registry = PrometheusRegistry(
            prefix: "x_",
            [
                .init("asked_total", .counter, "Requests."), .init("heard_total", .counter, "Seconds."),
                .init("seconds", .histogram([0.5, 1]), "Times."), .init("open", .gauge, "Open."),
            ])
        for name in ["b", "a", "a"] {
            Counter(label: "x_asked_total", dimensions: [("route", name)], factory: registry).increment()
        }
        Counter(label: "x_asked_total", dimensions: [("route", "\"\\\n")], factory: registry).increment(by: 5)
        FloatingPointCounter(label: "x_heard_total", factory: registry).increment(by: 1.25)
        for time in [0.5, 0.75, 7] { Recorder(label: "x_seconds", factory: registry).record(time) }
        Gauge(label: "x_open", factory: registry).record(3)
        Gauge(label: "x_unknown", factory: registry).record(3)
        #expect(
            registry.text == """
                # HELP x_asked_total Requests.
                # TYPE x_asked_total counter
                x_asked_total{route="\\"\\\\\\n"} 5
                x_asked_total{route="a"} 2
                x_asked_total{route="b"} 1
                # HELP x_heard_total Seconds.
                # TYPE x_heard_total counter
                x_heard_total 1.25
                # HELP x_seconds Times.
                # TYPE x_seconds histogram
                x_seconds_bucket{le="0.5"} 1
                x_seconds_bucket{le="1"} 2
                x_seconds_bucket{le="+Inf"} 3
                x_seconds_sum 8.25
                x_seconds_count 3
                # HELP x_open Open.
                # TYPE x_open gauge
                x_open 3

                """)
    }
}

import W2VReporting
import W2VTorch

/// One process's activities in a step, in microseconds from the step's start.
struct StepTrace: Codable {
    /// An activity with its start and end.
    struct Span: Codable {
        var name: String
        var start: Double
        var end: Double
    }

    var rank: Int
    /// Computations, one after another.
    var work: [Span]
    /// Transfers of gradient buckets, possibly several at once.
    var transfers: [Span]

    /// Traces a process's step.
    ///
    /// - Parameters:
    ///   - rank: The process's rank.
    ///   - times: The starts and ends of the step's parts.
    ///   - transfers: Its buckets.
    ///   - exchanges: Whether processes exchange parameters after the step, as with a sharded optimizer.
    init(rank: Int, _ times: GradientSums.Times, _ transfers: [GradientReducer.Transfer], exchanges: Bool) {
        func since(_ instant: ContinuousClock.Instant) -> Double { (instant - times.start) / .microseconds(1) }
        func span(_ name: String, _ start: ContinuousClock.Instant, _ end: ContinuousClock.Instant) -> Span {
            Span(name: name, start: since(start), end: since(end))
        }
        self.rank = rank
        work =
            [
                span("forward", times.start, times.forwardEnd), span("backward", times.forwardEnd, times.backwardEnd),
                span("wait for sums", times.backwardEnd, times.sumsEnd),
                span("clip and Adam", times.sumsEnd, times.optimizerEnd),
            ] + (exchanges ? [span("exchange of parameters", times.optimizerEnd, times.end)] : [])
        self.transfers = transfers.enumerated().map { number, transfer in
            let size = decimal(Double(transfer.bytes) / 1_048_576, 1)
            return span("bucket \(number) (\(size) MB)", transfer.sent, transfer.ended ?? times.sumsEnd)
        }
    }

    /// Draws traces: every rank's computations, with its transfers below.
    static func timeline(_ traces: [StepTrace], subtitle: String) -> TimelineChart {
        let colors = [
            "forward": 0, "backward": 1, "wait for sums": 2, "clip and Adam": 3, "exchange of parameters": 2,
        ]
        func spans(_ spans: [Span], _ color: (Span) -> Int) -> [TimelineChart.Span] {
            spans.map { .init(name: $0.name, start: $0.start / 1000, end: $0.end / 1000, color: color($0)) }
        }
        return TimelineChart(
            title: "A step of \(traces.count) processes", subtitle: subtitle,
            legend: ["forward", "backward", "wait for sums, sums", "clip and Adam"],
            lanes: traces.flatMap { trace in
                [
                    TimelineChart.Lane(name: "rank \(trace.rank)", spans: spans(trace.work) { colors[$0.name] ?? 0 }),
                    TimelineChart.Lane(name: "its sums", spans: spans(trace.transfers) { _ in 2 }),
                ]
            }, unit: "ms")
    }

    /// Makes the timeline of several processes.
    static func chrome(_ traces: [StepTrace]) -> ChromeTrace {
        var timeline = ChromeTrace()
        for trace in traces {
            timeline.name(process: trace.rank, "rank \(trace.rank)")
            for span in trace.work {
                timeline.add(
                    span.name, category: "compute", process: trace.rank, start: span.start, end: span.end)
            }
            for (number, span) in trace.transfers.enumerated() {
                timeline.addAsynchronous(
                    span.name, category: "gradient sums", process: trace.rank, identifier: "\(trace.rank).\(number)",
                    start: span.start, end: span.end)
            }
        }
        return timeline
    }
}

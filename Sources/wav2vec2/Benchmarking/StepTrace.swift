import Foundation
import Torch

/// What one process did in a step, in microseconds from the step's beginning.
struct StepTrace: Codable {
    /// Something with a beginning and an end.
    struct Span: Codable {
        var name: String
        var start: Double
        var end: Double
    }

    var rank: Int
    /// What the process computed, one after the other.
    var work: [Span]
    /// Buckets of gradients on their way, several at once.
    var transfers: [Span]

    init(rank: Int, _ times: GradientSums.Times, _ transfers: [GradientReducer.Transfer]) {
        func since(_ instant: ContinuousClock.Instant) -> Double { (instant - times.start) / .microseconds(1) }
        func span(_ name: String, _ start: ContinuousClock.Instant, _ end: ContinuousClock.Instant) -> Span {
            Span(name: name, start: since(start), end: since(end))
        }
        self.rank = rank
        work = [
            span("forward", times.start, times.forwardEnd), span("backward", times.forwardEnd, times.backwardEnd),
            span("wait for sums", times.backwardEnd, times.sumsEnd), span("clip and Adam", times.sumsEnd, times.end),
        ]
        self.transfers = transfers.enumerated().map { number, transfer in
            let size = decimal(Double(transfer.bytes) / 1_048_576, 1)
            return span("bucket \(number) (\(size) MB)", transfer.sent, transfer.ended ?? times.sumsEnd)
        }
    }

    /// The timeline of several processes.
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

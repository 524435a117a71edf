import ArgumentParser
import Foundation
import W2VBackbone
import W2VTorch

/// Options for profiling a benchmark.
struct ProfileOptions: ParsableArguments {
    @Flag(help: "Break the time down by stage, forward and backward, and write a trace of the last step.")
    var profile = false

    @Option(
        help: ArgumentHelp(
            "Trace to write, for ui.perfetto.dev or chrome://tracing. (default: wav2vec2-TASK.trace.json)",
            valueName: "file"),
        completion: .file(extensions: ["json"]))
    var trace: String?

    func validate() throws {
        if trace != nil, !profile { throw ValidationError("--trace goes with --profile.") }
    }

    /// Summarizes profiles, and writes the trace.
    ///
    /// - Parameters:
    ///   - profiles: The profiles of all steps; may be empty.
    ///   - kernels: A device's activities in one further step; `nil` for a CPU.
    ///   - task: The timed task.
    /// - Returns: The report; `nil` without profiles.
    /// - Throws: Foundation's error if the trace cannot be written.
    func report(
        of profiles: [Profile], kernels: [DeviceActivity]?, _ task: BenchmarkedTask
    ) throws -> ProfileReport? {
        guard let last = profiles.last else { return nil }
        let file = trace ?? "wav2vec2-\(task.rawValue).trace.json"
        try ProfileReport.timeline(of: last, task.rawValue).write(to: fileURL(file))
        return ProfileReport(profiles, kernels: kernels, trace: file)
    }
}

/// A step's time by stage: the mean of all profiled steps.
struct ProfileReport: Encodable {
    struct Row: Encodable {
        var stage: String
        var forwardS: Double
        var backwardS: Double
        /// The stage's share of the step.
        var share: Double
    }

    /// A kernel of a GPU, or its copies.
    struct Kernel: Encodable {
        var name: String
        var count: Int
        var seconds: Double
        /// The kernel's share of all kernels' time.
        var share: Double
    }

    var stages: [Row]
    var stepS: Double
    var trace: String
    /// The kernels of one step without stages, the longest first; `nil` for a CPU.
    var kernels: [Kernel]?

    /// The order of stages in tables; unlisted ones come before ``Profile/Stage/other``, the last.
    private static let order: [Profile.Stage] = [
        .dataWait, .draws, .firstConvolution, .convolutions, .projection, .positionalConvolution, .attention,
        .feedForward, .elementwise, .quantizer, .contrastive, .labels, .optimizer,
    ]

    init(_ profiles: [Profile], kernels activities: [DeviceActivity]?, trace: String) {
        let steps = Double(max(1, profiles.count))
        let stepS = profiles.reduce(0) { $0 + $1.seconds } / steps
        var sums: [Profile.Stage: Profile.Times] = [:]
        for (stage, times) in profiles.flatMap(\.times) {
            sums[stage, default: .init()].forward += times.forward / steps
            sums[stage, default: .init()].backward += times.backward / steps
        }
        let unplaced = sums.keys.filter { !Self.order.contains($0) && $0 != .other }.sorted { $0.name < $1.name }
        stages = (Self.order + unplaced + [.other]).compactMap { stage in
            sums[stage].map {
                Row(
                    stage: stage.name, forwardS: $0.forward, backwardS: $0.backward,
                    share: $0.total / max(stepS, .leastNormalMagnitude))
            }
        }
        self.stepS = stepS
        self.trace = trace
        let sum = (activities ?? []).reduce(0) { $0 + $1.seconds }
        kernels = activities?.map {
            Kernel(
                name: $0.name, count: $0.count, seconds: $0.seconds,
                share: $0.seconds / max(sum, .leastNormalMagnitude))
        }
    }

    var text: String {
        func row(_ name: String, _ forward: String, _ backward: String, _ share: String) -> String {
            "  " + name.padding(toLength: 24, withPad: " ", startingAt: 0) + column(forward, 11) + column(backward, 11)
                + column(share, 9)
        }
        func row(_ name: String, _ forward: Double, _ backward: Double, _ share: Double) -> String {
            row(
                name, decimal(forward, 4) + " s", backward > 0 ? decimal(backward, 4) + " s" : "-",
                decimal(share * 100, 1) + " %")
        }
        let (forward, backward) = stages.reduce((0.0, 0.0)) { ($0.0 + $1.forwardS, $0.1 + $1.backwardS) }
        return
            ([row("stage", "forward", "backward", "share")]
            + stages.map { row($0.stage, $0.forwardS, $0.backwardS, $0.share) }
            + [row("sum", forward, backward, stages.reduce(0) { $0 + $1.share }), "  trace of the last step: \(trace)"])
            .joined(separator: "\n") + (kernels.map { "\n\n" + Self.table(of: $0) } ?? "")
    }

    /// Number of kernels in the table; JSON has all.
    private static let tableLength = 40

    private static func table(of kernels: [Kernel]) -> String {
        func row(_ milliseconds: String, _ count: String, _ share: String, _ name: String) -> String {
            column(milliseconds, 13) + column(count, 8) + column(share, 9) + "  " + name
        }
        let (count, seconds) = kernels.reduce((0, 0.0)) { ($0.0 + $1.count, $0.1 + $1.seconds) }
        return
            ([row("kernels", "count", "share", "")]
            + kernels.prefix(tableLength).map {
                row(decimal($0.seconds * 1000, 3) + " ms", "\($0.count)", decimal($0.share * 100, 1) + " %", $0.name)
            } + [row(decimal(seconds * 1000, 3) + " ms", "\(count)", "", "sum of \(kernels.count)")])
            .joined(separator: "\n")
    }

    /// Makes the timeline of one step: stages and functions of the backward pass, with LibTorch's operators within
    /// them.
    static func timeline(of profile: Profile, _ name: String) -> ChromeTrace {
        var timeline = ChromeTrace()
        timeline.name(process: 0, "wav2vec2 \(name)")
        var threads: [UInt64: Int] = [:]
        for span in profile.spans {
            let thread = threads[span.thread] ?? threads.count
            threads[span.thread] = thread
            timeline.add(
                span.kind == .backward ? "\(span.stage.name): \(span.name)" : span.name, category: span.kind.rawValue,
                process: 0, thread: thread, start: span.start * 1e6, end: span.end * 1e6,
                arguments: ["stage": span.stage.name])
        }
        return timeline
    }
}

/// Pads a text to the right edge of a column.
func column(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(1, width - text.count)) + text
}

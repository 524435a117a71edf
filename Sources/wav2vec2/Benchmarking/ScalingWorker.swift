import Cluster
import Foundation
import Torch

extension ScalingMeasurement {
    /// Measures pre-training steps together with other processes.
    ///
    /// Steps without sums, with sums after and with sums during the backward pass take turns, so that a machine that others
    /// use too is equally fast for all of them.
    ///
    /// - Parameters:
    ///   - shape: The model, its batch, and how often steps are timed.
    ///   - bucketBytes: The gradients that are sent at once, in bytes.
    ///   - cluster: The processes; `nil` for one on its own.
    /// - Returns: What this process saw; traces are those of all.
    /// - Throws: `TorchError`, or the first cause in another process.
    static func measure(
        _ shape: BenchmarkShapeOptions, bucketBytes: Int, among cluster: Cluster?
    ) throws -> ScalingMeasurement {
        let device = shape.compute.device(among: cluster)
        let benchmark = try PretrainingBenchmark(
            shape.configuration, audio: BenchmarkAudio(noise: shape.utterances.samples, device), device: device,
            sums: SumOptions(cluster: cluster, bucketBytes: bucketBytes))
        guard let sums = benchmark.sums else { throw TorchError.runtime("the benchmark notes no times") }
        let modes: [GradientSums.Mode] = cluster == nil ? [.never] : GradientSums.Mode.allCases
        var steps: [GradientSums.Mode: [GradientSums.Times]] = [:]
        var overlapped: [Double] = []
        var (hidden, first): ([Double], [Double]) = ([], [])
        for repetition in 0...shape.repetitions {
            for mode in modes {
                try cluster?.group.barrier()
                sums.mode = mode
                _ = try benchmark.step(repetition)
                // The first round warms up, and agrees on the order of the buckets.
                guard repetition > 0 else { continue }
                steps[mode, default: []].append(sums.times)
                guard mode == .during, let report = sums.report else { continue }
                overlapped.append(Double(report.overlapped))
                hidden.append(hiddenShare(sums))
                first.append(firstBucketShare(sums))
            }
            if cluster?.isLeader ?? true {
                Console.progress(
                    "benchmark: \(cluster?.size ?? 1) processes, round \(repetition) of \(shape.repetitions)")
            }
        }
        func time(
            _ mode: GradientSums.Mode, _ from: KeyPath<GradientSums.Times, ContinuousClock.Instant>,
            _ to: KeyPath<GradientSums.Times, ContinuousClock.Instant>
        ) -> Double? {
            steps[mode].map { median($0.map { ($0[keyPath: to] - $0[keyPath: from]) / .seconds(1) }) }
        }
        let own = StepTrace(rank: cluster?.rank ?? 0, sums.times, sums.transfers)
        return ScalingMeasurement(
            processes: cluster?.size ?? 1, threads: LibTorch.threads,
            stepS: time(.never, \.start, \.end) ?? 0, forwardS: time(.never, \.start, \.forwardEnd) ?? 0,
            backwardS: time(.never, \.forwardEnd, \.backwardEnd) ?? 0,
            updateS: time(.never, \.sumsEnd, \.end) ?? 0, summingAfterS: time(.after, \.start, \.end),
            summingDuringS: time(.during, \.start, \.end), bytes: sums.bytes, buckets: sums.report?.buckets,
            bucketsSentDuringBackward: overlapped.isEmpty ? nil : overlapped.reduce(0, +) / Double(overlapped.count),
            lastBucketBytes: sums.transfers.last?.bytes, hiddenShare: hidden.isEmpty ? nil : median(hidden),
            firstBucketShare: first.isEmpty ? nil : median(first),
            allReduce: try cluster.map { try allReduces($0, like: sums.device) } ?? [],
            traces: try cluster?.exchange(own) ?? [own])
    }

    /// The share of the time with transfers under way that lies within the backward pass.
    private static func hiddenShare(_ sums: GradientSums) -> Double {
        var (all, within): (Duration, Duration) = (.zero, .zero)
        var reached = sums.times.forwardEnd
        for transfer in sums.transfers.sorted(by: { $0.sent < $1.sent }) {
            guard let ended = transfer.ended, ended > reached else { continue }
            let start = max(transfer.sent, reached)
            all += ended - start
            if start < sums.times.backwardEnd { within += min(ended, sums.times.backwardEnd) - start }
            reached = ended
        }
        return all > .zero ? within / all : 0
    }

    private static func firstBucketShare(_ sums: GradientSums) -> Double {
        guard let first = sums.transfers.map(\.sent).min() else { return 1 }
        let backward = sums.times.backwardEnd - sums.times.forwardEnd
        return min(1, max(0, (first - sums.times.forwardEnd) / backward))
    }

    /// All-reduces from a message to a large bucket.
    private static func allReduces(_ cluster: Cluster, like device: Device) throws -> [AllReduce] {
        let group = try cluster.group(on: device)
        return try [4 << 10, 64 << 10, 1 << 20, 8 << 20, 32 << 20].map { bytes in
            let tensor = try Tensor.zeros([bytes / 4], device: device)
            var times: [Double] = []
            for repetition in 0..<8 {
                try cluster.group.barrier()
                let began = ContinuousClock.now
                try group.allReduce(tensor).wait()
                if repetition > 1 { times.append((ContinuousClock.now - began) / .seconds(1)) }
            }
            return AllReduce(bytes: bytes, seconds: median(times))
        }
    }
}

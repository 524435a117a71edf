import Foundation
import W2VCluster
import W2VTorch

extension ScalingMeasurement {
    /// Measures pre-training steps together with other processes.
    ///
    /// Steps without summation, with summation after and with summation during the backward pass alternate, so that load
    /// from other programs affects all of them equally.
    ///
    /// - Parameters:
    ///   - shape: The model, its batch, and the number of timed steps.
    ///   - options: The processes, and how they sum gradients.
    /// - Returns: This process's measurements, with the traces of all.
    /// - Throws: `TorchError`, or the first cause in another process.
    static func measure(
        _ shape: BenchmarkShapeOptions, _ options: SumOptions
    ) throws -> ScalingMeasurement {
        let cluster = options.cluster
        let device = shape.compute.device(among: cluster)
        var made: GradientSums?
        // Masks are drawn within their own step, so that a step's parts belong to it.
        let training = try BenchmarkedModel(shape.configuration).pretrainingBenchmark(
            on: BenchmarkAudio(noise: shape.utterances.samples, isReadAhead: false), device: device,
            shardedOver: options.shards(on: device)
        ) { parameters in
            let sums = try GradientSums(parameters, options)
            made = sums
            return sums
        }
        guard let sums = made else { throw TorchError.runtime("the model has no parameters that learn") }
        var steps: [GradientSums.Mode: [GradientSums.Times]] = [:]
        var (hidden, first): ([Double], [Double]) = ([], [])
        for repetition in 0...shape.repetitions {
            for mode in sums.modes {
                try cluster?.group.barrier()
                sums.mode = mode
                try sums.timing { _ = try training.step() }
                // The first round warms up, and determines the order of the buckets.
                guard repetition > 0 else { continue }
                steps[mode, default: []].append(sums.times)
                guard mode == .during else { continue }
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
        func waiting(_ mode: GradientSums.Mode) -> Double? {
            guard let alone = steps[.never], let summing = steps[mode] else { return nil }
            return median(zip(summing, alone).map { ($0.end - $0.start - ($1.end - $1.start)) / .seconds(1) })
        }
        let own = StepTrace(
            rank: cluster?.rank ?? 0, sums.times, sums.transfers, exchanges: options.zeroSharding && cluster != nil)
        return ScalingMeasurement(
            processes: cluster?.size ?? 1, threads: LibTorch.threads,
            stepS: time(.never, \.start, \.end) ?? 0, forwardS: time(.never, \.start, \.forwardEnd) ?? 0,
            backwardS: time(.never, \.forwardEnd, \.backwardEnd) ?? 0,
            updateS: time(.never, \.sumsEnd, \.optimizerEnd) ?? 0, summingAfterS: time(.after, \.start, \.end),
            summingDuringS: time(.during, \.start, \.end), reducerS: time(.reducer, \.start, \.end),
            waitingDuringS: waiting(.during), waitingReducerS: waiting(.reducer),
            exchangeS: options.zeroSharding ? time(.during, \.optimizerEnd, \.end) : nil,
            bytes: sums.bytes, buckets: sums.report?.buckets, bucketsSentDuringBackward: sums.report?.overlapped,
            lastBucketBytes: sums.transfers.last?.bytes, hiddenShare: hidden.isEmpty ? nil : median(hidden),
            firstBucketShare: first.isEmpty ? nil : median(first),
            allReduce: try cluster.map { try allReduces($0, like: sums.device) } ?? [],
            traces: try cluster?.exchange(own) ?? [own])
    }

    /// Returns the share of transfer time that lies within the backward pass.
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

    /// Measures all-reduces, from a small message to a large bucket.
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

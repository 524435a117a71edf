import Foundation

/// Predicts the duration of an update for any number of GPUs, from measured parts.
///
/// An update has a fixed number of micro-batches, distributed over the GPUs; each GPU then makes one optimizer step.
/// Gradients are summed once per update, by a ring over all GPUs, during the last backward pass. The part that does not
/// fit into that pass, and in any case the last bucket, has to be waited for. If the optimizer's state is sharded, a
/// GPU updates its share, and the second half of the all-reduce becomes the exchange of parameters afterwards.
struct ScalingModel: Codable {
    /// A connection between processes.
    struct Link: Codable {
        /// Bytes per second in each direction.
        var bandwidth: Double
        /// Seconds per message.
        var latency: Double
    }

    /// The prediction for a number of GPUs.
    struct Point: Codable {
        var gpus: Int
        var nodes: Int
        /// Bytes that a GPU sends per update.
        var sentBytes: Double
        /// Duration of the all-reduce, in seconds.
        var allReduceS: Double
        /// The part of it that is waited for, in seconds.
        var waitingS: Double
        /// Duration of an update, in seconds; `nil` if there are more GPUs than micro-batches.
        var updateS: Double?
        /// The speed relative to a single GPU's.
        var speedup: Double?
        /// The share of its time that a GPU computes, if each has one micro-batch per update.
        var weakEfficiency: Double
        /// NVIDIA's published speedup for this number of GPUs.
        var nvidiaSpeedup: Double?
    }

    /// Number of micro-batches per update.
    var microBatches: Int
    /// Forward and backward pass of a micro-batch, in seconds.
    var microBatchS: Double
    /// The backward pass of a micro-batch, in seconds.
    var backwardS: Double
    /// Clipping and optimizer, in seconds.
    var optimizerS: Double
    /// Bytes that a process contributes to the sums.
    var bytes: Int
    /// Size of the last bucket in bytes.
    var lastBucketBytes: Int
    /// The elapsed share of the backward pass when the first bucket is sent.
    var firstBucketShare: Double
    /// Whether the optimizer's state is sharded over the GPUs.
    var zeroSharding: Bool
    /// The link between the GPUs of a machine.
    var local: Link
    /// The link between machines.
    var network: Link
    /// Number of GPUs per machine.
    var gpusPerNode: Int

    /// Strong scaling of pre-training BASE in mixed precision on a DGX A100 80 GB, 8 concatenated batches in all: README of
    /// NVIDIA's DeepLearningExamples, PyTorch/SpeechRecognition/wav2vec2, "Training performance results".
    static let nvidiaSpeedups = [1: 1.00, 4: 3.69, 8: 6.96]

    /// Predicts numbers of GPUs from one to several machines.
    func points(nodes: Int) -> [Point] {
        var counts: [Int] = []
        var count = 1
        while count < gpusPerNode {
            counts.append(count)
            count *= 2
        }
        var machines = 1
        while machines <= nodes {
            counts.append(gpusPerNode * machines)
            machines *= 2
        }
        return counts.map(point(gpus:))
    }

    private func point(gpus: Int) -> Point {
        let nodes = (gpus + gpusPerNode - 1) / gpusPerNode
        let all = allReduce(gpus: gpus, over: nodes > 1 ? network : local)
        let sum = zeroSharding ? all / 2 : all
        let last = sum * Double(lastBucketBytes) / Double(max(1, bytes))
        let waiting = gpus == 1 ? 0 : max(last, sum - backwardS * (1 - firstBucketShare)) + all - sum
        let step = zeroSharding ? optimizerS / Double(gpus) : optimizerS
        func update(_ own: Int, waiting: Double) -> Double { Double(own) * microBatchS + waiting + step }
        let whole = gpus <= microBatches ? update((microBatches + gpus - 1) / gpus, waiting: waiting) : nil
        return Point(
            gpus: gpus, nodes: nodes, sentBytes: sentBytes(gpus: gpus), allReduceS: all, waitingS: waiting,
            updateS: whole, speedup: whole.map { (Double(microBatches) * microBatchS + optimizerS) / $0 },
            weakEfficiency: update(1, waiting: 0) / update(1, waiting: waiting),
            nvidiaSpeedup: Self.nvidiaSpeedups[gpus])
    }

    /// Returns the duration of a ring all-reduce: each of G GPUs sends 2 (G − 1)/G of the bytes, in 2 (G − 1) messages.
    private func allReduce(gpus: Int, over link: Link) -> Double {
        sentBytes(gpus: gpus) / link.bandwidth + 2 * Double(gpus - 1) * link.latency
    }

    private func sentBytes(gpus: Int) -> Double { 2 * Double(gpus - 1) / Double(gpus) * Double(bytes) }
}

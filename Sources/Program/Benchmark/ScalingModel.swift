import Foundation

/// A small model of how long an update takes on any number of GPUs, from parts that were measured.
///
/// An update has a fixed number of micro-batches, dealt out over the GPUs; each GPU then steps once. Gradients are summed
/// once an update, by a ring over all GPUs, during the last backward pass. What does not fit into that pass, and
/// in any case the bucket that is complete last, has to be waited for. Where the optimizer's state is sharded, a GPU makes
/// its share of the step, and the second half of the all-reduce becomes the exchange of parameters after it.
struct ScalingModel: Codable {
    /// What connects processes.
    struct Link: Codable {
        /// Bytes a second in each direction.
        var bandwidth: Double
        /// Seconds a message.
        var latency: Double
    }

    /// A prediction.
    struct Point: Codable {
        var gpus: Int
        var nodes: Int
        /// What a GPU sends an update, in bytes.
        var sentBytes: Double
        /// The all-reduce by itself, in seconds.
        var allReduceS: Double
        /// The part of it that is waited for, in seconds.
        var waitingS: Double
        /// An update of all micro-batches, in seconds; `nil` where there are more GPUs than micro-batches.
        var updateS: Double?
        /// How many times as fast as one GPU makes the same update.
        var speedup: Double?
        /// The share of its time that a GPU computes, where each has one micro-batch an update.
        var weakEfficiency: Double
        /// NVIDIA's published speedup for this number of GPUs.
        var nvidiaSpeedup: Double?
    }

    /// Micro-batches of an update.
    var microBatches: Int
    /// Forward and backward pass of a micro-batch, in seconds.
    var microBatchS: Double
    /// The backward pass among it, in seconds.
    var backwardS: Double
    /// Clipping and optimizer, in seconds.
    var optimizerS: Double
    /// What a process contributes to the sums, in bytes.
    var bytes: Int
    /// The bytes of the bucket that is complete last.
    var lastBucketBytes: Int
    /// How much of the backward pass has gone by when the first bucket is sent.
    var firstBucketShare: Double
    /// Whether the optimizer's state is sharded over the GPUs.
    var zeroSharding: Bool
    /// Between the GPUs of a machine.
    var local: Link
    /// Between machines.
    var network: Link
    /// GPUs of a machine.
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

    /// A ring: each GPU sends 2 (G − 1)/G of the bytes, in 2 (G − 1) messages.
    private func allReduce(gpus: Int, over link: Link) -> Double {
        sentBytes(gpus: gpus) / link.bandwidth + 2 * Double(gpus - 1) * link.latency
    }

    private func sentBytes(gpus: Int) -> Double { 2 * Double(gpus - 1) / Double(gpus) * Double(bytes) }
}

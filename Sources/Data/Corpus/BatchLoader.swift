import Foundation

/// Decodes a plan's batches on background threads ahead of the consumer, and hands them over in the plan's order.
///
/// At most `prefetch` batches are decoded or being decoded at any time. The batches' contents depend neither on the
/// number of threads nor on where loading began.
public final class BatchLoader: Sendable {
    let queue: PrefetchQueue

    /// Starts decoding.
    ///
    /// - Parameters:
    ///   - manifest: The utterances.
    ///   - plan: The batches' utterances; made from the same manifest.
    ///   - positions: The positions of the plan's batches to load, in this order; `nil` for all. A resumed run starts
    ///     in the middle, and each of several processes takes its share.
    ///   - dictionary: Encodes the labels; without it batches have no labels.
    ///   - normalize: Whether each utterance is normalized to zero mean and unit variance, before it is cropped.
    ///   - epsilon: A constant added to the variance.
    ///   - prefetch: The most batches decoded ahead, at least 1.
    ///   - workers: Number of decoding threads, at least 1.
    /// - Throws: `CorpusError` if an option is impossible, or labels are requested that the manifest does not have.
    public init(
        manifest: Manifest, plan: BatchPlan, positions: [Int]? = nil, dictionary: LabelDictionary? = nil,
        normalize: Bool = false, epsilon: Double = 1e-5, prefetch: Int = 4, workers: Int = 2
    ) throws {
        for (name, value) in [("prefetch", prefetch), ("workers", workers)] where value < 1 {
            throw CorpusError.badOption(name: name, reason: "expected a whole number of at least 1, found \(value)")
        }
        let positions = positions ?? Array(0..<plan.count)
        if let wrong = positions.first(where: { !(0..<plan.count).contains($0) }) {
            throw CorpusError.badOption(
                name: "positions", reason: "expected batches from 0 to \(plan.count - 1), found \(wrong)")
        }
        if dictionary != nil && !manifest.hasLabels { throw CorpusError.noLabels(manifest: manifest.name) }
        let decoder = BatchDecoder(
            manifest: manifest, plan: plan, dictionary: dictionary, normalize: normalize, epsilon: epsilon)
        let queue = PrefetchQueue(count: positions.count, capacity: prefetch)
        self.queue = queue
        // The threads hold the queue, not the loader, so that releasing the loader ends them.
        for number in 0..<min(workers, prefetch, positions.count) {
            let thread = Thread { queue.work { number in try decoder.decode(positions[number]) } }
            thread.name = "decode \(number)"
            thread.start()
        }
    }

    deinit { queue.cancel() }

    /// Returns the next batch, waiting for it if needed; nil after the last one and after `cancel`.
    ///
    /// - Throws: The error of decoding this batch; the next call continues with the batch after it.
    public func next() throws -> AudioBatch? { try queue.next()?.get() }

    /// Total time that `next` has waited for batches, in seconds.
    public var waitSeconds: Double { queue.status.waitSeconds }

    /// The most batches that were decoded or being decoded at one time.
    var peakInFlight: Int { queue.status.peakInFlight }

    /// Stops decoding; batches that are ready are dropped.
    public func cancel() { queue.cancel() }
}

/// Results of numbered work, produced out of order by several threads and consumed in order by one.
///
/// `@unchecked Sendable` is safe: every access to the mutable state is made while `condition` is locked.
final class PrefetchQueue: @unchecked Sendable {
    private let condition = NSCondition()
    private let end: Int
    private let capacity: Int
    private var nextToDecode = 0
    private var nextToDeliver = 0
    private var ready: [Int: Result<AudioBatch, any Error>] = [:]
    private var cancelled = false
    private var waitSeconds = 0.0
    private var peakInFlight = 0

    init(count: Int, capacity: Int) {
        end = count
        self.capacity = capacity
    }

    var status: (waitSeconds: Double, peakInFlight: Int) {
        condition.withLock { (waitSeconds, peakInFlight) }
    }

    /// Runs one thread: takes a number, decodes, stores the result, until no work is left.
    func work(_ decode: (Int) throws -> AudioBatch) {
        while let position = take() {
            let result = Result { try decode(position) }
            condition.withLock {
                if !cancelled { ready[position] = result }
                condition.broadcast()
            }
        }
    }

    private func take() -> Int? {
        condition.withLock {
            while !cancelled && nextToDecode < end && nextToDecode - nextToDeliver >= capacity { condition.wait() }
            guard !cancelled && nextToDecode < end else { return nil }
            defer { nextToDecode += 1 }
            peakInFlight = max(peakInFlight, nextToDecode + 1 - nextToDeliver)
            return nextToDecode
        }
    }

    func next() -> Result<AudioBatch, any Error>? {
        condition.withLock {
            guard !cancelled && nextToDeliver < end else { return nil }
            if ready[nextToDeliver] == nil {
                let began = ContinuousClock.now
                while !cancelled && ready[nextToDeliver] == nil { condition.wait() }
                let waited = (ContinuousClock.now - began).components
                waitSeconds += Double(waited.seconds) + Double(waited.attoseconds) * 1e-18
            }
            guard let result = ready.removeValue(forKey: nextToDeliver) else { return nil }
            nextToDeliver += 1
            condition.broadcast()
            return result
        }
    }

    func cancel() {
        condition.withLock {
            cancelled = true
            ready = [:]
            condition.broadcast()
        }
    }
}

import Foundation
import W2VTorch

/// Prepares micro-batches for the model in the order of the updates: reads them, makes their random draws, and uploads
/// all of it in one piece.
///
/// With a GPU a thread does so, up to two micro-batches ahead, in a stream of its own: neither host nor GPU waits. On a
/// CPU it would take time from the cores that compute, so there a micro-batch is prepared, by all cores, when its turn
/// comes.
final class MicroBatchPreparer {
    /// Whether a thread prepares; `nil`, outside of tests, chooses by the device.
    @TaskLocal static var runsInBackground: Bool?

    /// Number of micro-batches that are prepared ahead.
    private static let depth = 2

    private let preparation: Preparation
    private let queue: PreparedQueue?
    private let lastUpdate: Int

    /// Prepares the micro-batches of updates.
    ///
    /// - Parameters:
    ///   - task: The model and its objectives.
    ///   - data: The source, before its next update.
    ///   - first: That update's number.
    ///   - last: The last update's number.
    /// - Throws: `TorchError.operation` if the device cannot be used.
    init(_ task: any TrainingTask, _ data: any MicroBatchSource, from first: Int, through last: Int) throws {
        let device = task.groups.first?.parameters.values.device ?? .cpu
        preparation = Preparation(task, data.makeReader(), device, try DeviceStream(beside: device), first)
        lastUpdate = last
        guard Self.runsInBackground ?? (device != .cpu), data.isReadAhead else {
            queue = nil
            return
        }
        let queue = PreparedQueue(depth: Self.depth)
        self.queue = queue
        // The thread does not hold this object, whose end ends it.
        let thread = Thread { [preparation] in queue.fill { preparation.next(through: $0) } }
        thread.name = "prepare"
        thread.start()
    }

    deinit {
        preparation.reader.cancel()
        // A thread that still used the GPU while the process ends could make it fail.
        queue?.close()
    }

    /// Total time that updates have waited for data, in seconds.
    var waitSeconds: Double { queue?.waitSeconds ?? preparation.reader.waitSeconds }

    /// Returns a micro-batch, ready for work that this thread starts on the device.
    ///
    /// - Parameters:
    ///   - number: The micro-batch's number in the update.
    ///   - update: The update's number; never less than in earlier calls.
    /// - Throws: The error that prevented this micro-batch.
    func next(_ number: Int, of update: Int) throws -> any PreparedMicroBatch {
        while true {
            let found =
                queue.map { queue in
                    profiled(.dataWait) { queue.take(through: min(update + Self.depth, max(update, lastUpdate))) }
                } ?? preparation.next(through: update)
            guard let found else { throw TrainingError.missingMicroBatch(update: update, number: number) }
            let ready = try found.get()
            // What an interrupted update has left.
            if ready.update < update { continue }
            guard ready.update == update, ready.number == number else {
                throw TrainingError.missingMicroBatch(update: update, number: number)
            }
            return try ready.arrived()
        }
    }
}

/// A micro-batch on its way to the device.
private struct ReadyMicroBatch {
    let update: Int
    let number: Int
    let prepared: any PreparedMicroBatch
    let upload: Upload
    /// Its arrival; `nil` if it is there.
    let arrival: DeviceEvent?

    /// Makes the device wait for it, not the host.
    func arrived() throws -> any PreparedMicroBatch {
        guard let arrival else {
            try upload.publish()
            return prepared
        }
        try arrival.precedeLaterWork()
        for tensor in prepared.tensors { try tensor.useInCurrentStream() }
        try upload.publish()
        return prepared
    }
}

/// The work of preparing.
///
/// `@unchecked Sendable` is safe: only one thread ever calls ``next(through:)``, the one that the preparer starts or else
/// the one that makes the updates; a task prepares without reading what passes and updates change; and any thread may
/// cancel the reader.
private final class Preparation: @unchecked Sendable {
    let reader: any MicroBatchReader
    private let task: any TrainingTask
    private let device: Device
    private let stream: DeviceStream?
    private let first: Int
    /// The size of the largest upload so far and an eighth more, in bytes: the next one hardly ever needs more.
    private var capacity = 0

    init(
        _ task: any TrainingTask, _ reader: any MicroBatchReader, _ device: Device, _ stream: DeviceStream?,
        _ first: Int
    ) {
        (self.task, self.reader, self.device, self.stream, self.first) = (task, reader, device, stream, first)
    }

    /// Prepares the next micro-batch.
    ///
    /// - Returns: `nil` if it belongs to a later update; an error if it cannot be read or prepared.
    func next(through update: Int) -> Result<ReadyMicroBatch, any Error>? {
        do {
            guard let found = try profiled(.dataWait, { try reader.next(through: update - first) }) else { return nil }
            return .success(
                try profiled(.draws) { try stream.map { try $0.run { try prepare(found) } } ?? prepare(found) })
        } catch {
            return .failure(error)
        }
    }

    private func prepare(_ found: NumberedMicroBatch) throws -> ReadyMicroBatch {
        let update = first + found.update
        while true {
            let upload = try Upload(to: device, capacity: capacity)
            let prepared = try task.prepare(found.batch, update: update, microBatch: found.number, through: upload)
            guard upload.fits else {
                // Draws depend on seed, update and sub-batch only: they are the same the next time.
                capacity = upload.bytes + upload.bytes / 8
                continue
            }
            try upload.send()
            return ReadyMicroBatch(
                update: update, number: found.number, prepared: prepared, upload: upload, arrival: try stream?.mark())
        }
    }
}

/// Prepared micro-batches, made by one thread and taken by another.
///
/// `@unchecked Sendable` is safe: `condition` is locked for every access to the mutable state, and a micro-batch belongs
/// to one thread at a time.
private final class PreparedQueue: @unchecked Sendable {
    private let condition = NSCondition()
    private let depth: Int
    private var ready: [Result<ReadyMicroBatch, any Error>] = []
    /// The last update that may be read.
    private var limit = Int.min
    /// The update for which the source had nothing more.
    private var exhausted = Int.min
    private var isClosed = false
    private var isFilling = true
    private var waited = 0.0

    init(depth: Int) { self.depth = depth }

    /// Total time that ``take(through:)`` has waited, in seconds.
    var waitSeconds: Double { condition.withLock { waited } }

    /// Runs the thread that prepares: until the queue is closed, or the first error.
    func fill(_ next: (_ update: Int) -> Result<ReadyMicroBatch, any Error>?) {
        defer {
            condition.withLock {
                isFilling = false
                condition.broadcast()
            }
        }
        while let update = place() {
            let found = next(update)
            let isLast = condition.withLock {
                if let found { ready.append(found) } else { exhausted = update }
                condition.broadcast()
                if case .failure = found { return true }
                return false
            }
            if isLast { return }
        }
    }

    /// Waits for a free place, and returns the last update that may be read; `nil` if the queue is closed.
    private func place() -> Int? {
        condition.withLock {
            while !isClosed && (ready.count >= depth || limit <= exhausted) { condition.wait() }
            return isClosed ? nil : limit
        }
    }

    /// Takes the next micro-batch, waiting for it if needed.
    ///
    /// - Parameter update: The last update that may be read ahead.
    /// - Returns: `nil` if there is none.
    func take(through update: Int) -> Result<ReadyMicroBatch, any Error>? {
        condition.withLock {
            limit = max(limit, update)
            condition.broadcast()
            let began = ContinuousClock.now
            while ready.isEmpty && isFilling && exhausted < limit { condition.wait() }
            waited += (ContinuousClock.now - began) / .seconds(1)
            guard !ready.isEmpty else { return nil }
            defer { condition.broadcast() }
            return ready.removeFirst()
        }
    }

    /// Drops what is ready, and waits for the end of the thread that prepares.
    func close() {
        condition.withLock {
            isClosed = true
            condition.broadcast()
            while isFilling { condition.wait() }
            ready = []
        }
    }
}

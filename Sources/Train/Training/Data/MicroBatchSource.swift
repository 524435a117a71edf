/// A source of audio for updates: a run's manifests, or a benchmark's synthetic data.
package protocol MicroBatchSource: AnyObject {
    /// Starts an update: its data count as used.
    ///
    /// - Returns: This process's micro-batches by their numbers in the update.
    /// - Throws: `CorpusError`.
    func beginUpdate() throws -> [Int]

    /// Makes a reader of the micro-batches of the updates from the next one on.
    func makeReader() -> any MicroBatchReader

    /// Whether micro-batches may be read before their update starts.
    var isReadAhead: Bool { get }

    /// Returns the name of an utterance for errors, given its index as in ``MicroBatch/utterances``.
    func identifier(_ utterance: Int) -> String
}

/// Reads this process's micro-batches, update after update.
///
/// A single thread reads, not always the one that makes the updates; any thread may cancel.
package protocol MicroBatchReader: AnyObject {
    /// Returns the next micro-batch.
    ///
    /// - Parameter update: The last update to read, counted from 0 where the reader began.
    /// - Returns: `nil` if the next micro-batch belongs to a later update, or there is none.
    /// - Throws: An error of the manifest or of decoding; nothing can be read after it.
    func next(through update: Int) throws -> NumberedMicroBatch?

    /// Total time that reading has waited for audio, in seconds.
    var waitSeconds: Double { get }

    /// Ends reading: a call of ``next(through:)`` that waits returns.
    func cancel()
}

/// A micro-batch with its place.
package struct NumberedMicroBatch {
    /// Its update, counted from 0 where the reader began.
    package let update: Int
    /// Its number in the update.
    package let number: Int
    /// The utterances.
    package let batch: MicroBatch

    /// Makes a micro-batch with its place.
    package init(update: Int, number: Int, batch: MicroBatch) {
        (self.update, self.number, self.batch) = (update, number, batch)
    }
}

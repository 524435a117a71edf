/// A source of audio for updates: a run's manifests, or a benchmark's synthetic data.
package protocol MicroBatchSource: AnyObject {
    /// Starts an update.
    ///
    /// - Returns: This process's micro-batches by their numbers in the update; ``next(_:)`` gives them in this order.
    /// - Throws: `CorpusError`.
    func beginUpdate() throws -> [Int]

    /// Returns this process's next micro-batch.
    ///
    /// - Parameter number: Its number in the update.
    /// - Throws: An error of decoding.
    func next(_ number: Int) throws -> MicroBatch

    /// The number of this process's first micro-batch in the next update; `nil` if it cannot be taken in advance.
    var firstMicroBatchOfNextUpdate: Int? { get }

    /// Takes that micro-batch before its update starts; ``next(_:)`` returns those after it.
    ///
    /// - Parameter number: ``firstMicroBatchOfNextUpdate``.
    /// - Throws: An error of decoding.
    func takeFromNextUpdate(_ number: Int) throws -> MicroBatch

    /// Returns the name of an utterance for errors, given its index as in ``MicroBatch/utterances``.
    func identifier(_ utterance: Int) -> String
}

extension TrainingData: MicroBatchSource {
    func identifier(_ utterance: Int) -> String { manifest.identifier(utterance) }
}

/// Where updates get their audio from: a run's manifests, or what a benchmark makes up.
package protocol MicroBatchSource: AnyObject {
    /// Begins an update.
    ///
    /// - Returns: This process's micro-batches by their numbers in the update; ``next(_:)`` gives them in this order.
    /// - Throws: `CorpusError`.
    func beginUpdate() throws -> [Int]

    /// The next micro-batch of this process.
    ///
    /// - Parameter number: Its number in the update.
    /// - Returns: The micro-batch.
    /// - Throws: What decoding threw.
    func next(_ number: Int) throws -> MicroBatch

    /// This process's first micro-batch of the update that will begin next, by its number in it; `nil` if it cannot be
    /// taken ahead.
    var firstMicroBatchOfNextUpdate: Int? { get }

    /// Takes that micro-batch before its update begins; ``next(_:)`` gives those after it.
    ///
    /// - Parameter number: ``firstMicroBatchOfNextUpdate``.
    /// - Returns: The micro-batch.
    /// - Throws: What decoding threw.
    func takeFromNextUpdate(_ number: Int) throws -> MicroBatch

    /// The name of an utterance, for errors.
    ///
    /// - Parameter utterance: Its index, as of ``MicroBatch/utterances``.
    /// - Returns: The name.
    func identifier(_ utterance: Int) -> String
}

extension TrainingData: MicroBatchSource {
    func identifier(_ utterance: Int) -> String { manifest.identifier(utterance) }
}

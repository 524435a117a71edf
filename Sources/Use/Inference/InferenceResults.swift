/// How far a run over recordings is.
public struct InferenceProgress: Sendable, Equatable {
    /// The recordings that are done.
    public var recordings = 0
    /// The same with the part of the next one that has gone through the model, by its expected length.
    public var position = 0.0
    /// The seconds of audio that have gone through the model.
    public var seconds = 0.0

    /// Begins with nothing done.
    public init() {}
}

/// What a pass of the model has brought.
public struct InferencePass<Value: Sendable>: Sendable {
    /// A recording that is done.
    public struct Finished: Sendable {
        /// Its place among the recordings.
        public var index: Int
        /// What was made of it, or what is wrong with it.
        public var result: Result<Value, any Error>

        /// Makes a result.
        public init(index: Int, result: Result<Value, any Error>) {
            self.index = index
            self.result = result
        }
    }

    /// The recordings that are done with this pass, in their order; often none or one, where they are long.
    public var finished: [Finished]
    /// How far the run is.
    public var progress: InferenceProgress

    /// Makes a pass.
    public init(finished: [Finished], progress: InferenceProgress) {
        self.finished = finished
        self.progress = progress
    }
}

/// The results of recordings, pass by pass and in the recordings' order.
///
///     for try await pass in recognizer.transcriptions(of: recordings) {
///         for finished in pass.finished { print(try finished.result.get().text) }
///     }
///
/// Nothing runs ahead of who iterates but the reading of the next pass's audio. Results can be iterated once.
public struct InferenceResults<Value: Sendable>: AsyncSequence, Sendable {
    /// A pass at a time.
    public typealias Element = InferencePass<Value>
    /// Errors of the model and of the one who iterates; those of recordings are results.
    public typealias Failure = any Error

    /// Gives one pass after another.
    public struct AsyncIterator: AsyncIteratorProtocol, Sendable {
        fileprivate let nextPass: @Sendable () async throws -> InferencePass<Value>?

        /// The next pass; nil when all recordings are done.
        ///
        /// - Throws: `CancellationError` when the task is cancelled; what the model throws.
        public mutating func next() async throws -> InferencePass<Value>? { try await nextPass() }
    }

    private let nextPass: @Sendable () async throws -> InferencePass<Value>?

    /// Makes results of what gives one pass after another, and nil at the end.
    public init(_ nextPass: @escaping @Sendable () async throws -> InferencePass<Value>?) { self.nextPass = nextPass }

    /// Begins to iterate.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(nextPass: nextPass) }

    /// The same passes with other results for the recordings that are done.
    ///
    /// - Parameter transform: Makes of these as many results, in the same order.
    /// - Returns: The passes; what `transform` throws ends them.
    public func mapResults<Other: Sendable>(
        _ transform: @escaping @Sendable ([InferencePass<Value>.Finished]) async throws -> [Result<Other, any Error>]
    ) -> InferenceResults<Other> {
        InferenceResults<Other> { [nextPass] in
            guard let pass = try await nextPass() else { return nil }
            let results = pass.finished.isEmpty ? [] : try await transform(pass.finished)
            return InferencePass<Other>(
                finished: zip(pass.finished, results).map { .init(index: $0.index, result: $1) },
                progress: pass.progress)
        }
    }

    /// The same passes with other values; what `transform` throws is that recording's result.
    public func mapValues<Other: Sendable>(
        _ transform: @escaping @Sendable (Int, Value) throws -> Other
    ) -> InferenceResults<Other> {
        mapResults { finished in
            finished.map { one in one.result.flatMap { value in Result { try transform(one.index, value) } } }
        }
    }

    /// All results, in the recordings' order.
    ///
    /// - Parameter progress: Called after every pass.
    /// - Returns: One result a recording.
    /// - Throws: `CancellationError` when the task is cancelled; what the model throws.
    public func all(progress: ((InferenceProgress) -> Void)? = nil) async throws -> [Result<Value, any Error>] {
        var results: [Result<Value, any Error>] = []
        for try await pass in self {
            results += pass.finished.map(\.result)
            progress?(pass.progress)
        }
        return results
    }
}

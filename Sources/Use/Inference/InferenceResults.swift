/// The progress of a run over recordings.
public struct InferenceProgress: Sendable, Equatable {
    /// The number of finished recordings.
    public var recordings = 0
    /// The number of finished recordings, plus the fraction of the next one that has passed through the model, by its
    /// expected length.
    public var position = 0.0
    /// The seconds of audio that have passed through the model.
    public var seconds = 0.0

    /// Starts with nothing done.
    public init() {}
}

/// The outcome of one pass of the model.
public struct InferencePass<Value: Sendable>: Sendable {
    /// A finished recording.
    public struct Finished: Sendable {
        /// The recording's index.
        public var index: Int
        /// The value for the recording, or the error that it failed with.
        public var result: Result<Value, any Error>

        /// Makes a result.
        public init(index: Int, result: Result<Value, any Error>) {
            self.index = index
            self.result = result
        }
    }

    /// The recordings that this pass finished, in order; often none or one when recordings are long.
    public var finished: [Finished]
    /// The progress of the run.
    public var progress: InferenceProgress

    /// Makes a pass.
    public init(finished: [Finished], progress: InferenceProgress) {
        self.finished = finished
        self.progress = progress
    }
}

/// The results of recordings, pass by pass and in order.
///
///     for try await pass in recognizer.transcriptions(of: recordings) {
///         for finished in pass.finished { print(try finished.result.get().text) }
///     }
///
/// Nothing runs ahead of the iteration except reading the next pass's audio. Results can be iterated once.
public struct InferenceResults<Value: Sendable>: AsyncSequence, Sendable {
    /// One pass.
    public typealias Element = InferencePass<Value>
    /// The model's errors and cancellation; an error of a recording is that recording's result.
    public typealias Failure = any Error

    /// Returns one pass after another.
    public struct AsyncIterator: AsyncIteratorProtocol, Sendable {
        fileprivate let nextPass: @Sendable () async throws -> InferencePass<Value>?

        /// Returns the next pass, or nil when all recordings are done.
        ///
        /// - Throws: `CancellationError` when the task is canceled; the model's errors.
        public mutating func next() async throws -> InferencePass<Value>? { try await nextPass() }
    }

    private let nextPass: @Sendable () async throws -> InferencePass<Value>?

    /// Makes results from a function that returns one pass after another, then nil.
    public init(_ nextPass: @escaping @Sendable () async throws -> InferencePass<Value>?) { self.nextPass = nextPass }

    /// Starts the iteration.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(nextPass: nextPass) }

    /// Returns the same passes with other results for the finished recordings.
    ///
    /// - Parameter transform: Maps a pass's results to as many others, in the same order.
    /// - Returns: The passes; an error of `transform` ends them.
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

    /// Returns the same passes with other values; an error of `transform` becomes that recording's result.
    public func mapValues<Other: Sendable>(
        _ transform: @escaping @Sendable (Int, Value) throws -> Other
    ) -> InferenceResults<Other> {
        mapResults { finished in
            finished.map { one in one.result.flatMap { value in Result { try transform(one.index, value) } } }
        }
    }

    /// Returns the same passes with other values, computed on a model's thread: for work with LibTorch.
    public func mapValues<Model, Other: Sendable>(
        on session: InferenceSession<Model>, _ transform: @escaping @Sendable (Int, Value) throws -> Other
    ) -> InferenceResults<Other> {
        mapResults { finished in
            await session.run { _ in
                finished.map { one in one.result.flatMap { value in Result { try transform(one.index, value) } } }
            }
        }
    }

    /// Returns all results, in the order of the recordings.
    ///
    /// - Parameter progress: Called after every pass.
    /// - Returns: One result per recording.
    /// - Throws: `CancellationError` when the task is canceled; the model's errors.
    public func all(progress: ((InferenceProgress) -> Void)? = nil) async throws -> [Result<Value, any Error>] {
        var results: [Result<Value, any Error>] = []
        for try await pass in self {
            results += pass.finished.map(\.result)
            progress?(pass.progress)
        }
        return results
    }
}

import W2VAudio
import W2VBackbone

/// The audio input that a model expects.
public struct ModelInput: Sendable {
    /// The convolutions that turn samples into frames.
    public var layers: ConvolutionLayers
    /// Whether recordings are normalized to zero mean and unit variance.
    public var normalizes: Bool
    /// The constant added to the variance in normalization.
    public var epsilon: Double
    /// The number of frames that the model groups; windows start and are cut at multiples of it.
    public var frameUnit: Int

    /// Describes a model's input.
    public init(layers: ConvolutionLayers, normalizes: Bool, epsilon: Double, frameUnit: Int = 1) {
        self.layers = layers
        self.normalizes = normalizes
        self.epsilon = epsilon
        self.frameUnit = frameUnit
    }

    /// The seconds from one frame to the next; 0.02 in the usual models.
    public var frameSeconds: Double { Double(layers.hop) / Double(AudioFile.modelSampleRate) }
}

/// A loaded model on its device, converted for its precision, with a thread of its own.
///
/// Made on that thread, by ``ModelThread/start(_:_:)``. Any number of tasks may use it; `Model` may be anything that runs a
/// model, and need not be `Sendable`.
public actor InferenceSession<Model> {
    /// The audio input that the model expects.
    public nonisolated let input: ModelInput
    /// The seconds of audio in one pass of the model, at most, unless a single window is longer.
    public nonisolated let batchSeconds: Double
    /// The windows of recordings that are too long for one pass.
    public nonisolated let windows: Windows
    private let thread: ModelThread
    private let model: Model

    /// The model's own thread.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// Makes a session of a prepared model.
    ///
    /// - Parameters:
    ///   - thread: The session's own thread; the session ends it.
    ///   - input: The audio input that the model expects.
    ///   - options: The options that the model was prepared with.
    ///   - model: The model.
    public init(on thread: ModelThread, input: ModelInput, options: InferenceOptions, model: sending Model) {
        self.thread = thread
        self.input = input
        batchSeconds = options.batchSeconds
        windows = Windows(options.windows, layers: input.layers, unit: input.frameUnit)
        self.model = model
    }

    deinit { thread.close() }

    /// Runs a function with the model, on the model's thread.
    public func run<Value: Sendable>(_ body: @Sendable (Model) throws -> Value) rethrows -> Value { try body(model) }

    /// Returns a queue of windows for one way of using the model.
    ///
    /// - Parameter body: Runs the model over several windows at once; returns, for each, its output for the frames that
    ///   are kept.
    /// - Returns: A queue, which retains the session.
    public nonisolated func passes<Part: Sendable>(
        _ body: @escaping @Sendable (Model, [Window]) throws -> [Part]
    ) -> PassQueue<Part> {
        PassQueue(budget: BatchBudget(seconds: batchSeconds)) { windows in
            try await self.run { try body($0, windows) }
        }
    }

    /// Sends recordings through the model, window by window, as the results are iterated.
    ///
    /// The next windows are decoded while a pass is in the model. Even for recordings of hours, only the audio of the
    /// next two passes and the gatherer's own state are in memory. A result never depends on what shares a pass.
    ///
    /// - Parameters:
    ///   - recordings: The recordings.
    ///   - pass: Runs the model over several windows at once.
    ///   - gatherer: Makes the gatherer of a recording's parts.
    /// - Returns: The gathered value of each recording.
    public nonisolated func results<Gatherer: WindowGatherer>(
        of recordings: Recordings, pass: @escaping @Sendable ([Window]) async throws -> [Gatherer.Part],
        gatherer: @escaping @Sendable (Recording) -> Gatherer
    ) -> InferenceResults<Gatherer.Whole> {
        let reader = WindowReader(
            recordings, windows: windows, input: input, budget: BatchBudget(seconds: batchSeconds))
        let run = InferenceRun(reader, input.layers, on: thread, of: self, pass: pass, gatherer: gatherer)
        return InferenceResults { try await run.next() }
    }
}

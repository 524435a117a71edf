import W2VAudio
import W2VBackbone

/// The form in which a model takes audio.
public struct ModelInput: Sendable {
    /// The convolutions that make frames of samples.
    public var layers: ConvolutionLayers
    /// Whether recordings are brought to zero mean and unit variance.
    public var normalizes: Bool
    /// The number that is then added to the variance.
    public var epsilon: Double
    /// The frames that the model puts together somewhere: windows begin and are cut at multiples of them.
    public var frameUnit: Int

    /// Describes a model's input.
    public init(layers: ConvolutionLayers, normalizes: Bool, epsilon: Double, frameUnit: Int = 1) {
        self.layers = layers
        self.normalizes = normalizes
        self.epsilon = epsilon
        self.frameUnit = frameUnit
    }

    /// The seconds from one frame to the next: 0.02 of the usual models.
    public var frameSeconds: Double { Double(layers.hop) / Double(AudioFile.modelSampleRate) }
}

/// A model that has been loaded, lies on its device and is converted for its precision, with a thread of its own.
///
/// Made on that thread, by ``ModelThread/start(_:_:)``. Any number of tasks may use it; `Model` may be anything that runs a
/// model, and need not be `Sendable`.
public actor InferenceSession<Model> {
    /// The form in which the model takes audio.
    public nonisolated let input: ModelInput
    /// The seconds of audio in one pass of the model, at most, unless a single window is longer.
    public nonisolated let batchSeconds: Double
    /// The windows of recordings that are too long for one pass.
    public nonisolated let windows: Windows
    private let thread: ModelThread
    private let model: Model

    /// The model's own thread.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// Makes a session of a model that is prepared.
    ///
    /// - Parameters:
    ///   - thread: The thread that the session keeps and ends.
    ///   - input: The form in which the model takes audio.
    ///   - options: What the model was prepared with.
    ///   - model: The model.
    public init(on thread: ModelThread, input: ModelInput, options: InferenceOptions, model: sending Model) {
        self.thread = thread
        self.input = input
        batchSeconds = options.batchSeconds
        windows = Windows(options.windows, layers: input.layers, unit: input.frameUnit)
        self.model = model
    }

    deinit { thread.close() }

    /// Does something with the model, on its thread.
    public func run<Value: Sendable>(_ body: @Sendable (Model) throws -> Value) rethrows -> Value { try body(model) }

    /// A queue of windows for one way of using the model.
    ///
    /// - Parameter body: Runs the model over windows at once; gives for each what it makes of the frames that are kept.
    /// - Returns: A queue, which keeps the session.
    public nonisolated func passes<Part: Sendable>(
        _ body: @escaping @Sendable (Model, [Window]) throws -> [Part]
    ) -> PassQueue<Part> {
        PassQueue(budget: BatchBudget(seconds: batchSeconds)) { windows in
            try await self.run { try body($0, windows) }
        }
    }

    /// Sends recordings through the model, window by window, when the results are iterated.
    ///
    /// What comes next is decoded while a pass is in the model; of a recording of hours no more is in memory than the next
    /// two passes need, and what the gatherer keeps. A result never depends on what shares a pass.
    ///
    /// - Parameters:
    ///   - recordings: The recordings.
    ///   - pass: Runs the model over windows at once.
    ///   - gatherer: Makes what gathers the parts of a recording.
    /// - Returns: What was gathered of each recording.
    public nonisolated func results<Gatherer: WindowGatherer>(
        of recordings: Recordings, pass: @escaping @Sendable ([Window]) async throws -> [Gatherer.Part],
        gatherer: @escaping @Sendable (Recording) -> Gatherer
    ) -> InferenceResults<Gatherer.Whole> {
        let reader = WindowReader(
            recordings, windows: windows, input: input, budget: BatchBudget(seconds: batchSeconds))
        let run = InferenceRun(reader, input.layers, pass: pass, gatherer: gatherer)
        return InferenceResults { try await run.next() }
    }
}

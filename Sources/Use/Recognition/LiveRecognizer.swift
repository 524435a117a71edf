import Foundation
import W2VAudio
import W2VInference

/// How live input is recognized; all values are seconds.
public struct LiveOptions: Sendable, Equatable {
    /// How much new audio is waited for before the model runs again.
    public var step = 0.5
    /// How much audio the model must have heard after a moment before what it says of it is settled.
    public var delay = 1.0
    /// How much audio before the moments that are not settled the model hears again, for context.
    public var context = 4.0
    /// How much silence ends a stretch of speech.
    public var pause = 0.6
    /// A stretch without a pause is ended when it is this long.
    public var longest = 10.0

    /// Makes the usual options.
    public init() {}

    /// Checks that every value is a time that live input can wait for: at most an hour.
    ///
    /// - Throws: `InferenceError.badOption`.
    func validate() throws {
        for (name, value) in [
            ("step", step), ("delay", delay), ("context", context), ("pause", pause), ("longest", longest),
        ] where !(0...3600).contains(value) {
            throw InferenceError.badOption(name: name, value: value, expected: "from 0 to 3600 seconds")
        }
    }
}

/// Recognizes speech while it is spoken.
///
///     var live = try LiveRecognizer(recognizer, sampleRate: 48_000)
///     for await samples in microphone {
///         for event in try await live.append(samples) { print(event.event, event.text) }
///     }
///     for event in try await live.finish() { print(event.event, event.text) }
///
/// The model runs whenever `step` seconds are new, over these, what is not settled, and some context before it; what is
/// settled is joined frame by frame, as in the windows of long recordings. A final event never changes. It comes at the
/// latest `longest + delay + step` seconds after its first word began, and the time that the model takes. A model
/// trained on normalized audio gets what has been heard so far at zero mean and unit variance.
///
/// Memory does not grow with the length of the input.
public struct LiveRecognizer {
    private let recognizer: Recognizer
    private let options: LiveOptions
    private let resampler: Resampler?
    private var segmenter: LiveSegmenter
    private var moments = SignalMoments()
    /// Samples that no pass has heard.
    private var pending: [Float] = []
    /// Samples from frame `bufferStart` on.
    private var buffer: [Float] = []
    private var bufferStart = 0
    /// The first frame that is not settled.
    private var settledEnd = 0

    /// Begins.
    ///
    /// - Parameters:
    ///   - recognizer: The model, which others may use at the same time.
    ///   - sampleRate: Samples per second of the input.
    ///   - options: How it is recognized.
    /// - Throws: `AudioError` when the sampling rate cannot be converted; `InferenceError` for options that are no times.
    public init(
        _ recognizer: Recognizer, sampleRate: Int = AudioFile.modelSampleRate, options: LiveOptions = LiveOptions()
    ) throws {
        try options.validate()
        self.recognizer = recognizer
        self.options = options
        resampler =
            sampleRate == AudioFile.modelSampleRate
            ? nil : try Resampler(from: sampleRate, to: AudioFile.modelSampleRate, name: "live input")
        let frames = 1 / recognizer.frameSeconds
        segmenter = LiveSegmenter(
            recognizer.transcriber, pause: Int(options.pause * frames), longest: Int(options.longest * frames))
    }

    /// The samples at 16 kHz that are kept for the passes to come.
    var heldSamples: Int { pending.count + buffer.count }

    /// Takes what was heard since the last call.
    ///
    /// Where the caller is behind, many samples at once take one pass of the model rather than many.
    ///
    /// - Parameters:
    ///   - samples: At the input's sampling rate, full scale at ±1; as many as there are.
    ///   - isolation: The caller's actor.
    /// - Returns: What is new, in order of time.
    /// - Throws: `TorchError` when the model fails; `CancellationError` when the task is cancelled.
    public mutating func append(
        _ samples: [Float], isolation: isolated (any Actor)? = #isolation
    ) async throws -> [LiveEvent] {
        if let resampler { try resampler.process(samples, into: &pending) } else { pending += samples }
        let step = max(1, samples16k(options.step))
        let most = max(1, samples16k(options.longest) / step) * step
        var events: [LiveEvent] = []
        while pending.count >= step {
            try Task.checkCancellation()
            hear(min(pending.count / step * step, most))
            events += try await pass(isLast: false)
        }
        return events
    }

    /// Ends the input.
    ///
    /// - Parameter isolation: The caller's actor.
    /// - Returns: What is left, all of it final.
    /// - Throws: `TorchError` when the model fails.
    public mutating func finish(isolation: isolated (any Actor)? = #isolation) async throws -> [LiveEvent] {
        try resampler?.finish(into: &pending)
        hear(pending.count)
        return try await pass(isLast: true)
    }

    private func samples16k(_ seconds: Double) -> Int { Int(seconds * Double(AudioFile.modelSampleRate)) }

    private mutating func hear(_ count: Int) {
        let heard = Array(pending.prefix(count))
        pending.removeFirst(count)
        if recognizer.session.input.normalizes { moments.add(heard) }
        buffer += heard
    }

    private mutating func pass(
        isLast: Bool, isolation: isolated (any Actor)? = #isolation
    ) async throws -> [LiveEvent] {
        let layers = recognizer.session.input.layers
        let end = bufferStart + layers.frames(samples: buffer.count)
        var scores: [Float] = []
        if end > settledEnd {
            let window = Window(
                samples: moments.normalize(buffer, epsilon: recognizer.session.input.epsilon),
                kept: settledEnd - bufferStart..<end - bufferStart)
            scores = try await recognizer.passes.outputs(of: [window], as: .live).first ?? []
            guard Recognizer.isFinite(scores) else { throw InferenceError.notFinite(recording: "live input") }
        }
        let delay = isLast ? 0 : Int(options.delay / recognizer.frameSeconds)
        let horizon = max(settledEnd, end - delay)
        let settled = (horizon - settledEnd) * recognizer.symbols.count
        settledEnd = horizon
        let first = max(bufferStart, settledEnd - Int(options.context / recognizer.frameSeconds))
        buffer.removeFirst((first - bufferStart) * layers.hop)
        bufferStart = first
        return try segmenter.add(scores.prefix(settled), tentative: scores.dropFirst(settled), isLast: isLast)
    }
}

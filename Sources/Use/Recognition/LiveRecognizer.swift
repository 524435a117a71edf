import Foundation
import W2VAudio
import W2VInference

/// The timing of live recognition; all values are seconds.
public struct LiveOptions: Sendable, Equatable {
    /// The amount of new audio before the model runs again.
    public var step = 0.5
    /// The amount of audio after a moment that the model must have processed before its output for the moment is
    /// settled.
    public var delay = 1.0
    /// The amount of audio before the unsettled part that the model processes again, for context.
    public var context = 4.0
    /// The amount of silence that ends a segment of speech.
    public var pause = 0.6
    /// The length at which a segment without a pause is ended.
    public var longest = 10.0

    /// Makes the default options.
    public init() {}

    /// Checks that every value is a reasonable time to wait: at most an hour.
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
/// The model runs whenever `step` seconds are new. Its input is the new audio, the unsettled part before it, and some
/// context. Settled output is joined frame by frame, as in the windows of long recordings. A final event never changes.
/// It comes at the latest `longest + delay + step` seconds after its first word began, plus the model's computing time.
/// A model trained on normalized audio gets all audio so far, normalized to zero mean and unit variance.
///
/// Memory does not grow with the length of the input.
public struct LiveRecognizer {
    private let recognizer: Recognizer
    private let options: LiveOptions
    private let resampler: Resampler?
    private var segmenter: LiveSegmenter
    private var moments = SignalMoments()
    /// The samples that no pass has processed.
    private var pending: [Float] = []
    /// The samples from frame `bufferStart` on.
    private var buffer: [Float] = []
    private var bufferStart = 0
    /// The first unsettled frame.
    private var settledEnd = 0

    /// Starts live recognition.
    ///
    /// - Parameters:
    ///   - recognizer: The model; others may use it at the same time.
    ///   - sampleRate: The samples per second of the input.
    ///   - options: The timing.
    /// - Throws: `AudioError` when the sampling rate cannot be converted; `InferenceError` for impossible times.
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

    /// The number of samples at 16 kHz that are kept for the next passes.
    var heldSamples: Int { pending.count + buffer.count }

    /// Processes the audio since the last call.
    ///
    /// When the caller is behind, many samples at once take one pass of the model rather than many.
    ///
    /// - Parameters:
    ///   - samples: Samples at the input's sampling rate, full scale at ±1; any number of them.
    ///   - isolation: The caller's actor.
    /// - Returns: The new events, in order of time.
    /// - Throws: `TorchError` when the model fails; `CancellationError` when the task is canceled.
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
    /// - Returns: The remaining events, all of them final.
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

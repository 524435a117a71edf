import ArgumentParser
import Foundation
import W2VAudio
import W2VBase
import W2VRecognition

/// The options of live input and its output.
struct LiveInputOptions: ParsableArguments {
    @Flag(
        help:
            "Transcribe audio from standard input as it arrives: raw signed 16-bit samples of one channel, or a WAV stream."
    )
    var live = false

    @Option(help: "Sampling rate of live audio, in hertz. (default: the WAV header's, or 16000)")
    var rate: Int?

    @Option(help: "Seconds of further audio to wait for before words become final.")
    var delay = LiveOptions().delay

    func validate() throws {
        if let rate, !LiveAudioInput.rates.contains(rate) {
            throw ValidationError("--rate is \(rate); it must be from 1000 to 1000000 samples a second.")
        }
        guard delay >= 0, delay <= 10 else { throw ValidationError("--delay must be from 0 to 10 seconds.") }
    }

    /// Transcribes standard input until it ends, or until Ctrl-C or SIGTERM, and writes all text recognized by then.
    ///
    /// - Parameters:
    ///   - asJSON: Whether to write every event, including partial ones, as a line of JSON.
    ///   - load: Loads the model while the first audio is already buffered.
    /// - Throws: `CommandError` when the input is not live audio; errors of loading and recognition; `ExitCode` after a
    ///   signal.
    func run(asJSON: Bool, load: () async throws -> Recognizer) async throws {
        // Half a minute is buffered: a model slower than speech makes the source wait rather than lose audio.
        let buffer = LiveBuffer()
        let signal = StopSignal { _ in Task { await buffer.end(droppingRest: true) } }
        let reading = Task { try await LivePipe().read(STDIN_FILENO, rate: rate, into: buffer) }
        var options = LiveOptions()
        options.delay = delay
        let recognizer = try await load()
        var live: LiveRecognizer?
        var seconds = 0.0
        var busy = Duration.zero
        let clock = ContinuousClock()
        var hasEnded = false
        while !hasEnded {
            let chunk = await buffer.next()
            let began = clock.now
            var events: [LiveEvent] = []
            if let chunk {
                seconds += chunk.seconds
                var current = try live ?? LiveRecognizer(recognizer, sampleRate: chunk.rate, options: options)
                // A second reference would make the recognizer copy its audio.
                live = nil
                events = try await current.append(chunk.samples)
                live = current
            } else {
                events = try await live?.finish() ?? []
                hasEnded = true
            }
            for event in events { try show(event, asJSON: asJSON) }
            busy += clock.now - began
        }
        // After a signal, the reader may still be waiting for the pipe.
        if signal.received == nil, try await reading.value {
            Console.log.warning("standard input ends in the middle of a sample; the last byte is ignored")
        }
        let work = TimedWork(audioSeconds: seconds, seconds: busy / .seconds(1), kind: ", busy for")
        Console.log.info("transcribe: \(work)", metadata: ["audio_seconds": .stringConvertible(seconds)])
        if let number = signal.received { throw ExitCode(signal: number) }
    }

    private func show(_ event: LiveEvent, asJSON: Bool) throws {
        switch event.event {
        case _ where asJSON: try Console.output(try jsonLine(event))
        case .partial: Console.live(ending(event.text))
        case .final: try Console.output(event.text)
        }
    }

    /// Returns the end of a text that fits into the terminal's line, if the line can be redrawn.
    private func ending(_ text: String) -> String {
        // A full line would wrap, and only its last row would be redrawn; the terminal may add a ^C.
        TerminalText.ending(of: text, columns: max(1, TerminalText.columns(of: STDERR_FILENO) - 3))
    }
}

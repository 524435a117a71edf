import Foundation
import W2VAudio
import W2VBase
import W2VRecognition

/// A session of live recognition: reading, recognition and sending run concurrently.
struct LiveSession: Sendable {
    /// The reason why the input ended.
    private enum End: Sendable {
        /// The client ended the input and waits for the remaining events.
        case asked(hasHalfSample: Bool)
        /// The client closes the WebSocket.
        case closed(hasHalfSample: Bool)
        /// The connection is lost.
        case gone
        /// The server is stopping.
        case stopping
        /// A message is invalid; the input before it was processed.
        case refused(String, code: UInt16)
        /// The server failed.
        case failed(any Error)
    }

    /// Confirms that a WAV header was recognized, so that a client that sends a file by mistake notices.
    private struct Format: Encodable {
        var event = "format"
        var format = "WAV file"
        var rate: Int
    }

    private struct Trouble: Encodable {
        var event = "error"
        var message: String
    }

    private let core: ServerCore
    private let identifier: String
    private let wanted: Result<(model: Int, rate: Int?), RequestError>
    private let heard: @Sendable (Double) -> Void

    /// Prepares a session.
    ///
    /// - Parameters:
    ///   - core: The server.
    ///   - identifier: The request's identifier.
    ///   - wanted: The model's index and the samples per second, if given, or the error in the request.
    ///   - heard: Called with the seconds of audio that the model has processed since the last call.
    init(
        _ core: ServerCore, _ identifier: String, _ wanted: Result<(model: Int, rate: Int?), RequestError>,
        heard: @escaping @Sendable (Double) -> Void
    ) {
        self.core = core
        self.identifier = identifier
        self.wanted = wanted
        self.heard = heard
    }

    /// Recognizes until the input ends, and closes the WebSocket.
    ///
    /// - Parameter client: The WebSocket.
    /// - Returns: The seconds of audio that were processed.
    func run(_ client: WebSocket) async -> Double {
        let rate: Int?
        let lease: ModelStore.Lease
        let recognizer: Recognizer
        do {
            let wanted = try wanted.get()
            rate = wanted.rate
            lease = try await core.lease(wanted.model, for: .text)
            recognizer = try lease.model.requireRecognizer()
        } catch {
            await refuse(client, error)
            return 0
        }
        // The model stays in memory until the session has ended.
        defer { withExtendedLifetime(lease) {} }
        let inbox = LiveBuffer()
        let reading = Task {
            let end = await read(client, rate: rate, into: inbox)
            await inbox.end()
            return end
        }
        var (samples, seconds) = (0, 0.0)
        var peak: Float = 0
        do {
            try await withTaskCancellationHandler {
                var live: LiveRecognizer?
                while let chunk = await inbox.next() {
                    try Task.checkCancellation()
                    // Added up as whole samples, so that four seconds in many chunks are four seconds.
                    samples += chunk.samples.count
                    seconds = Double(samples) / Double(chunk.rate)
                    peak = chunk.samples.reduce(peak) { max($0, $1.isNaN ? .infinity : abs($1)) }
                    var current = try live ?? LiveRecognizer(recognizer, sampleRate: chunk.rate)
                    // A second reference would make the recognizer copy its audio.
                    live = nil
                    for event in try await current.append(chunk.samples) { try await client.send(jsonLine(event)) }
                    live = current
                    heard(chunk.seconds)
                }
                let end = await reading.value
                if case .gone = end { return }
                // The input before an invalid message is not lost.
                for event in try await live?.finish() ?? [] { try await client.send(jsonLine(event)) }
                switch end {
                case .refused(let message, let code): await refuse(client, message, code: code)
                case .failed(let error): await refuse(client, error)
                case .asked(hasHalfSample: true), .closed(hasHalfSample: true):
                    client.close(code: 1000, reason: "The input ended with half a sample, which was ignored")
                case .asked, .closed: client.close(code: 1000)
                case .stopping: client.close(code: 1001)
                case .gone: break
                }
            } onCancel: {
                reading.cancel()
            }
        } catch {
            reading.cancel()
            // Otherwise the reader would wait for room in the buffer forever.
            await inbox.end()
            if !(error is CancellationError), !(error is WebSocket.Lost) {
                await refuse(client, peak > ServerCore.loudest ? RequestError.tooLoud("live audio", peak: peak) : error)
            }
        }
        return seconds
    }

    /// Closes the WebSocket because of an error, whose hidden cause is reported.
    private func refuse(_ client: WebSocket, _ error: any Error) async {
        let error = RequestError(error)
        core.tell(error, path: LiveSocket.path, identifier: identifier)
        await refuse(client, error.description, code: error.status.code < 500 ? 1008 : 1011)
    }

    private func refuse(_ client: WebSocket, _ message: String, code: UInt16) async {
        let text = (try? jsonLine(Trouble(message: message))) ?? "{}"
        try? await client.send(text)
        client.close(code: code)
    }

    private func read(_ client: WebSocket, rate: Int?, into inbox: LiveBuffer) async -> End {
        var audio = LiveAudioInput(rate: rate)
        do {
            let end = try await read(client, &audio, into: inbox)
            switch end {
            case .gone, .refused, .failed: return end
            case .asked, .closed, .stopping: break
            }
            let (samples, hasHalfSample) = try audio.finish()
            await inbox.add(samples, rate: audio.sampleRate)
            return switch end {
            case .asked: .asked(hasHalfSample: hasHalfSample)
            case .closed: .closed(hasHalfSample: hasHalfSample)
            case .gone, .refused, .failed, .stopping: end
            }
        } catch let error as LiveInputError {
            if case .otherRate(let rate, let given) = error {
                return .refused(
                    "the WAV header says \(rate) samples a second, but the parameter rate is \(given); leave it out",
                    code: 1008)
            }
            return .refused(
                "\(error.problem); send the file to /v1/transcribe, or decode it first "
                    + "(ffmpeg -i FILE -ac 1 -ar 16000 -f s16le -)", code: 1003)
        } catch {
            return error is WebSocket.Lost ? .gone : .failed(error)
        }
    }

    private func read(
        _ client: WebSocket, _ audio: inout LiveAudioInput, into inbox: LiveBuffer
    ) async throws -> End {
        var isTold = false
        while true {
            switch await client.next() {
            case .message(.binary(let bytes)):
                let samples = try audio.append(bytes)
                if audio.isWave, !isTold {
                    isTold = true
                    try await client.send(jsonLine(Format(rate: audio.sampleRate)))
                }
                await inbox.add(samples, rate: audio.sampleRate)
            case .message(.text("end")): return .asked(hasHalfSample: false)
            case .message(.text(let text)):
                return .refused(
                    "The text message \"\(text.prefix(40))\" is unknown; the only one is \"end\".", code: 1008)
            case .ended(.closed): return .closed(hasHalfSample: false)
            case .ended(.gone): return .gone
            case .ended(.stopping): return .stopping
            case .ended(.failed(let sentence, let code)): return .refused(sentence, code: code)
            }
        }
    }
}

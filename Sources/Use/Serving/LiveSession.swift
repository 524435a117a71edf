import FlyingFox
import FlyingSocks
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
        /// A message is invalid; the input before it was processed.
        case refused(String, code: UInt16)
    }

    private struct Trouble: Encodable {
        var event = "error"
        var message: String
    }

    private static let longestMessage = 4 << 20
    private let recognizer: Recognizer
    private let rate: Result<Int, RequestError>
    private let isStopping: @Sendable () -> Bool
    private let output: AsyncStream<WSFrame>.Continuation
    private let heard: @Sendable (Double) -> Void

    /// Prepares a session.
    ///
    /// - Parameters:
    ///   - recognizer: The model.
    ///   - rate: The samples per second, or the error in the request.
    ///   - isStopping: Whether the server is stopping.
    ///   - output: Receives the frames for the client.
    ///   - heard: Called with the seconds of audio that the model has processed since the last call.
    init(
        _ recognizer: Recognizer, rate: Result<Int, RequestError>, isStopping: @escaping @Sendable () -> Bool,
        output: AsyncStream<WSFrame>.Continuation, heard: @escaping @Sendable (Double) -> Void
    ) {
        self.recognizer = recognizer
        self.rate = rate
        self.isStopping = isStopping
        self.output = output
        self.heard = heard
    }

    /// Recognizes until the input ends.
    ///
    /// - Parameter client: The client's frames.
    /// - Returns: The seconds of audio that were processed.
    func run(_ client: AsyncThrowingStream<WSFrame, any Error>) async -> Double {
        let samplesPerSecond: Int
        var live: LiveRecognizer
        do {
            samplesPerSecond = try rate.get()
            live = try LiveRecognizer(recognizer, sampleRate: samplesPerSecond)
        } catch {
            refuse(RequestError(error).description, code: 1008)
            await waitForClose(client)
            return 0
        }
        let inbox = LiveBuffer(most: 30 * samplesPerSecond)
        let reading = Task {
            let end = await read(client, into: inbox)
            await inbox.end()
            return end
        }
        var count = 0
        do {
            try await withTaskCancellationHandler {
                while let samples = await inbox.next() {
                    try Task.checkCancellation()
                    count += samples.count
                    for event in try await live.append(samples) { try send(event) }
                    heard(Double(samples.count) / Double(samplesPerSecond))
                }
                let end = await reading.value
                if case .gone = end, !isStopping() { return }
                // The input before an invalid message is not lost.
                for event in try await live.finish() { try send(event) }
                switch end {
                case .refused(let message, let code): refuse(message, code: code)
                case .asked(hasHalfSample: true), .closed(hasHalfSample: true):
                    output.yield(.close(code: WSCloseCode(1000, reason: "The last byte is half a sample: left out")))
                case .asked, .closed, .gone:
                    output.yield(.close(code: isStopping() ? .goingAway : .normalClosure))
                }
                if case .closed = end { return }
                await waitForClose(client)
            } onCancel: {
                reading.cancel()
            }
        } catch {
            reading.cancel()
            // Otherwise the reader would wait for room in the buffer forever.
            await inbox.end()
            if !(error is CancellationError) { refuse("\(error)", code: 1011) }
        }
        return Double(count) / Double(samplesPerSecond)
    }

    private func send(_ event: LiveEvent) throws {
        output.yield(WSFrame(fin: true, opcode: .text, mask: nil, payload: Data(try jsonLine(event).utf8)))
    }

    private func refuse(_ message: String, code: UInt16) {
        let text = (try? jsonLine(Trouble(message: message))) ?? "{}"
        output.yield(WSFrame(fin: true, opcode: .text, mask: nil, payload: Data(text.utf8)))
        output.yield(.close(code: WSCloseCode(code)))
    }

    /// Reads until the client closes too, so that all messages arrive before the connection ends.
    private func waitForClose(_ client: AsyncThrowingStream<WSFrame, any Error>) async {
        let reading = Task {
            for try await frame in client where frame.opcode == .close { return }
        }
        let timer = Task {
            try await Task.sleep(for: .seconds(2))
            reading.cancel()
        }
        _ = await reading.result
        timer.cancel()
    }

    private func read(_ client: AsyncThrowingStream<WSFrame, any Error>, into inbox: LiveBuffer) async -> End {
        var audio = RawAudioInput()
        do {
            let end = try await read(client, &audio, into: inbox)
            let isHeard =
                switch end {
                case .asked, .closed, .gone: true
                case .refused: false
                }
            guard isHeard else { return end }
            let (samples, hasHalfSample) = try audio.finish()
            await inbox.add(samples)
            return switch end {
            case .asked: .asked(hasHalfSample: hasHalfSample)
            case .closed: .closed(hasHalfSample: hasHalfSample)
            case .gone, .refused: end
            }
        } catch let error as RawAudioInput.NotRaw {
            return .refused(
                "\(error.problem); send the file to /v1/transcribe, or decode it first "
                    + "(ffmpeg -i FILE -ac 1 -ar 16000 -f s16le -)", code: 1003)
        } catch SocketError.timeout {
            return .refused("Nothing came for too long.", code: 1008)
        } catch {
            return .refused("A frame of the WebSocket is malformed.", code: 1002)
        }
    }

    private func read(
        _ client: AsyncThrowingStream<WSFrame, any Error>, _ audio: inout RawAudioInput, into inbox: LiveBuffer
    ) async throws -> End {
        var message: (opcode: WSFrame.Opcode, payload: Data)?
        for try await frame in client {
            // RFC 6455, sections 5.2 and 5.5.
            guard !frame.rsv1, !frame.rsv2, !frame.rsv3 else {
                return .refused("A frame has a reserved bit, but no extension was agreed on.", code: 1002)
            }
            guard frame.opcode.rawValue < 8 || frame.fin && frame.payload.count <= 125 else {
                return .refused("A control frame is in pieces or has more than 125 bytes.", code: 1002)
            }
            switch frame.opcode {
            case .ping: output.yield(WSFrame(fin: true, opcode: .pong, mask: nil, payload: frame.payload))
            case .pong: break
            case .close: return .closed(hasHalfSample: false)
            case .text, .binary:
                guard message == nil else { return .refused("A message begins inside another one.", code: 1002) }
                message = (frame.opcode, frame.payload)
            case .continuation where message != nil: message?.payload.append(frame.payload)
            default: return .refused("A frame is of no kind that is known here.", code: 1002)
            }
            guard let whole = message else { continue }
            guard whole.payload.count <= Self.longestMessage else {
                return .refused("A message has more than 4 MB; send audio in smaller pieces.", code: 1009)
            }
            guard frame.fin, frame.opcode != .ping, frame.opcode != .pong else { continue }
            message = nil
            if whole.opcode == .text {
                let text = String(decoding: whole.payload, as: UTF8.self)
                if text == "end" { return .asked(hasHalfSample: false) }
                return .refused(
                    "The text message \"\(text.prefix(40))\" is unknown; the only one is \"end\".", code: 1008)
            }
            await inbox.add(try audio.append(whole.payload))
        }
        return .gone
    }
}

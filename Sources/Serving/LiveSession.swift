import Audio
import Decoding
import FlyingFox
import Foundation
import Recognition

/// One live input: reads frames, recognises, and sends events, each as fast as it can.
struct LiveSession: Sendable {
    /// Why the input ended.
    private enum End: Sendable {
        /// The client said so and waits for what is left.
        case asked
        /// The client closes the WebSocket.
        case closed
        /// The connection is gone.
        case gone
        /// What came is not what is spoken here.
        case refused(String, code: UInt16)
    }

    private struct Trouble: Encodable {
        var event = "error"
        var message: String
    }

    private static let longestMessage = 4 << 20
    private let recognizer: Recognizer
    private let rate: String
    private let isStopping: @Sendable () -> Bool
    private let output: AsyncStream<WSFrame>.Continuation
    private let heard: @Sendable (Double) -> Void

    /// Prepares a session.
    ///
    /// - Parameters:
    ///   - recognizer: The model.
    ///   - rate: The samples per second, as they were asked for.
    ///   - isStopping: Whether the server stops.
    ///   - output: Takes the frames for the client.
    ///   - heard: Called with the seconds of audio that the model has heard since it was called last.
    init(
        _ recognizer: Recognizer, rate: String, isStopping: @escaping @Sendable () -> Bool,
        output: AsyncStream<WSFrame>.Continuation, heard: @escaping @Sendable (Double) -> Void
    ) {
        self.recognizer = recognizer
        self.rate = rate
        self.isStopping = isStopping
        self.output = output
        self.heard = heard
    }

    /// Recognises until the input ends.
    ///
    /// - Parameter client: The client's frames.
    /// - Returns: The seconds of audio that were heard.
    func run(_ client: AsyncThrowingStream<WSFrame, any Error>) async -> Double {
        guard let samplesPerSecond = Int(rate), (1000...1_000_000).contains(samplesPerSecond),
            var live = try? LiveRecognizer(recognizer, sampleRate: samplesPerSecond)
        else {
            refuse("The rate is \(rate); it must be from 1000 to 1000000 samples a second.", code: 1008)
            await waitForClose(client)
            return 0
        }
        let inbox = LiveInbox(most: 30 * samplesPerSecond)
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
                switch end {
                case .gone where !isStopping(): break
                case .refused(let message, let code): refuse(message, code: code)
                case .asked, .closed, .gone:
                    for event in try await live.finish() { try send(event) }
                    output.yield(.close(code: isStopping() ? .goingAway : .normalClosure))
                }
                if case .closed = end { return }
                await waitForClose(client)
            } onCancel: {
                reading.cancel()
            }
        } catch {
            reading.cancel()
            // Whoever waits there for room would wait for ever.
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

    /// Reads until the client closes too, so that what was sent arrives before the connection ends.
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

    private func read(_ client: AsyncThrowingStream<WSFrame, any Error>, into inbox: LiveInbox) async -> End {
        var message: (opcode: WSFrame.Opcode, payload: Data)?
        do {
            for try await frame in client {
                switch frame.opcode {
                case .ping: output.yield(WSFrame(fin: true, opcode: .pong, mask: nil, payload: frame.payload))
                case .pong: break
                case .close: return .closed
                case .text, .binary:
                    guard message == nil else {
                        return .refused("A message begins inside another one.", code: 1002)
                    }
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
                    if text == "end" { return .asked }
                    return .refused(
                        "The text message \"\(text.prefix(40))\" is unknown; the only one is \"end\".", code: 1008)
                }
                guard whole.payload.count % 2 == 0 else {
                    return .refused(
                        "A message has \(whole.payload.count) bytes; 16-bit samples have two bytes each.", code: 1007)
                }
                await inbox.add(rawSamples(whole.payload))
            }
            return .gone
        } catch {
            return .refused("Nothing came for too long.", code: 1008)
        }
    }
}

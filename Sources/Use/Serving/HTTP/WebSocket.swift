import DequeModule
import Foundation
import NIOCore
import NIOWebSocket
import Synchronization

/// An open WebSocket, as its reader and writer see it.
///
/// The connection delivers whole messages, and stops reading while too much waits here.
final class WebSocket: Sendable {
    /// A message.
    enum Message: Sendable, Equatable {
        case text(String)
        case binary(Data)
    }

    /// The reason why no more messages come.
    enum Ending: Sendable, Equatable {
        /// The client closes the WebSocket.
        case closed
        /// The connection is lost.
        case gone
        /// The server is stopping.
        case stopping
        /// What the client sent is against the protocol; the code is for the frame that closes the WebSocket.
        case failed(String, code: UInt16)
    }

    /// The error of sending over a lost connection.
    struct Lost: Error {}

    /// The next item of the input.
    enum Event: Sendable, Equatable {
        case message(Message)
        case ended(Ending)
    }

    private struct State {
        var messages = Deque<Message>()
        var waiting = 0
        var ending: Ending?
        var reader: CheckedContinuation<Event, Never>?
        weak var handler: WebSocketHandler?
    }

    /// The number of unread bytes beyond which the connection stops reading.
    private static let mostWaiting = 262_144

    private let state: Mutex<State>

    /// Makes an open WebSocket; its handler is set later.
    init() { state = Mutex(State()) }

    /// A WebSocket whose connection is lost.
    static var ended: WebSocket {
        let socket = WebSocket()
        socket.end(.gone)
        return socket
    }

    /// Returns the next message, or why there is none.
    func next() async -> Event {
        let event = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let event: Event? = state.withLock { state in
                    if Task.isCancelled { return .ended(.gone) }
                    if let message = state.messages.popFirst() {
                        state.waiting -= message.byteCount
                        return .message(message)
                    }
                    if let ending = state.ending { return .ended(ending) }
                    state.reader = continuation
                    return nil
                }
                if let event { continuation.resume(returning: event) }
            }
        } onCancel: {
            take()?.resume(returning: .ended(.gone))
        }
        handler?.wake()
        return event
    }

    /// Sends a text message, and waits until the client's system has taken it.
    ///
    /// - Throws: ``Lost``.
    func send(_ text: String) async throws(Lost) {
        guard let handler else { throw Lost() }
        do { try await handler.send(text) } catch { throw Lost() }
    }

    /// Ends the WebSocket, after everything that was sent.
    ///
    /// - Parameters:
    ///   - code: The reason's code.
    ///   - reason: The reason, of at most 123 bytes.
    func close(code: UInt16, reason: String = "") { handler?.close(code: code, reason: reason) }

    // MARK: The connection's side

    private var handler: WebSocketHandler? { state.withLock { $0.handler } }

    /// Sets the connection's side.
    func connect(to handler: WebSocketHandler) { state.withLock { $0.handler = handler } }

    /// Whether there is room for more messages.
    var hasRoom: Bool { state.withLock { $0.waiting < Self.mostWaiting } }

    /// Adds a message.
    func deliver(_ message: Message) {
        let reader: CheckedContinuation<Event, Never>? = state.withLock { state in
            guard state.ending == nil else { return nil }
            if let reader = state.reader {
                state.reader = nil
                return reader
            }
            state.messages.append(message)
            state.waiting += message.byteCount
            return nil
        }
        reader?.resume(returning: .message(message))
    }

    /// Ends the input, after the messages that wait; only the first reason counts.
    func end(_ ending: Ending) {
        let reader: CheckedContinuation<Event, Never>? = state.withLock { state in
            guard state.ending == nil else { return nil }
            state.ending = ending
            defer { state.reader = nil }
            return state.reader
        }
        reader?.resume(returning: .ended(ending))
    }

    private func take() -> CheckedContinuation<Event, Never>? {
        state.withLock { state in
            defer { state.reader = nil }
            return state.reader
        }
    }
}

extension WebSocket.Message {
    /// The number of bytes that the message takes in the queue; an empty one takes some too.
    fileprivate var byteCount: Int {
        let content =
            switch self {
            case .text(let text): text.utf8.count
            case .binary(let data): data.count
            }
        return 64 + content
    }
}

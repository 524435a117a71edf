import DequeModule
import Foundation
import NIOCore
import Synchronization

/// A request's body, read once and up to a limit.
///
/// The connection delivers what arrives, and stops reading while too much of it waits here.
final class RequestBody: Sendable {
    private struct State {
        var chunks = Deque<ByteBuffer>()
        /// The bytes in `chunks`.
        var waiting = 0
        /// The bytes that were read.
        var count = 0
        var isComplete = false
        var isClientGone = false
        var failure: (any Error)?
        var reader: CheckedContinuation<ByteBuffer?, any Error>?
    }

    /// The number of unread bytes beyond which the connection stops reading.
    static let mostWaiting = 262_144

    /// Whether the request declares the length or the end of its body.
    let hasLength: Bool
    private let announced: Int?
    private let limit: Int
    private let state: Mutex<State>
    private let onWait: @Sendable () -> Void

    /// Makes the body of a request.
    ///
    /// - Parameters:
    ///   - announced: The length that the head announces, in bytes; nil if it does not.
    ///   - hasLength: Whether the request declares the length or the end of its body.
    ///   - limit: The most bytes to read.
    ///   - onWait: Called on any thread when the reader waits for more.
    init(announced: Int?, hasLength: Bool, limit: Int, onWait: @escaping @Sendable () -> Void) {
        self.announced = announced
        self.hasLength = hasLength
        self.limit = limit
        self.onWait = onWait
        state = Mutex(State(isComplete: !hasLength || announced == 0))
    }

    /// Returns the next bytes, or nil at the end.
    ///
    /// - Throws: `RequestError` for a body that is beyond the limit, malformed or too slow; `CancellationError`.
    func next() async throws -> Data? {
        if let announced, announced > limit { throw RequestError.uploadTooLarge(limit: limit) }
        guard let bytes = try await read() else { return nil }
        return Data(bytes.readableBytesView)
    }

    private func read() async throws -> ByteBuffer? {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let (result, hasRoom) = state.withLock { state -> (Result<ByteBuffer?, any Error>?, Bool) in
                    if Task.isCancelled { return (.failure(CancellationError()), false) }
                    if let chunk = state.chunks.popFirst() {
                        let wasFull = state.waiting >= Self.mostWaiting
                        state.waiting -= chunk.readableBytes
                        state.count += chunk.readableBytes
                        guard state.count <= limit else {
                            return (.failure(RequestError.uploadTooLarge(limit: limit)), false)
                        }
                        return (.success(chunk), wasFull && state.waiting < Self.mostWaiting)
                    }
                    if let failure = state.failure { return (.failure(failure), false) }
                    if state.isComplete { return (.success(nil), false) }
                    state.reader = continuation
                    return (nil, true)
                }
                if hasRoom { onWait() }
                if let result { continuation.resume(with: result) }
            }
        } onCancel: {
            state.withLock { state in
                defer { state.reader = nil }
                return state.reader
            }?.resume(throwing: CancellationError())
        }
    }

    // MARK: The connection's side

    /// Whether the reader waits for bytes.
    var isAwaited: Bool { state.withLock { $0.reader != nil } }

    /// Whether there is room for more bytes.
    var hasRoom: Bool { state.withLock { $0.waiting < Self.mostWaiting } }

    /// The number of bytes that have arrived.
    var received: Int { state.withLock { $0.count + $0.waiting } }

    /// Adds bytes that have arrived.
    func deliver(_ bytes: ByteBuffer) {
        let reader: (CheckedContinuation<ByteBuffer?, any Error>, Result<ByteBuffer?, any Error>)? =
            state.withLock { state in
                guard let reader = state.reader else {
                    state.chunks.append(bytes)
                    state.waiting += bytes.readableBytes
                    return nil
                }
                state.reader = nil
                state.count += bytes.readableBytes
                let isWithin = state.count <= limit
                return (
                    reader, isWithin ? .success(bytes) : .failure(RequestError.uploadTooLarge(limit: limit))
                )
            }
        reader?.0.resume(with: reader?.1 ?? .success(nil))
    }

    /// Ends the body.
    func complete() { end { $0.isComplete = true }?.resume(returning: nil) }

    /// Ends the body with an error, which its reader gets after what has arrived.
    func fail(_ error: any Error) {
        end { state in if !state.isComplete, state.failure == nil { state.failure = error } }?.resume(throwing: error)
    }

    /// Ends the body because its client has gone.
    func clientHasGone() {
        state.withLock { $0.isClientGone = true }
        fail(RequestError.gone)
    }

    /// Whether the client has gone.
    var isClientGone: Bool { state.withLock { $0.isClientGone } }

    private func end(_ change: (inout State) -> Void) -> CheckedContinuation<ByteBuffer?, any Error>? {
        state.withLock { state in
            change(&state)
            defer { state.reader = nil }
            return state.reader
        }
    }
}

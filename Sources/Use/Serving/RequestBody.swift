import FlyingFox
import FlyingSocks
import Foundation
import Synchronization

/// A request's body, read once and up to a limit.
///
/// `@unchecked Sendable` is safe: the task that handles the request reads it, and the task that sends the response
/// reads the rest only after that one is done.
final class RequestBody: @unchecked Sendable {
    /// The link to the body's connection.
    let watch: BodyWatch
    /// Whether the request declares the length or the end of its body.
    let hasLength: Bool
    /// Whether the body has been read to its end.
    private(set) var isAtEnd: Bool
    private let announced: Int?
    private let limit: Int
    private let isStopping: @Sendable () -> Bool
    private var count = 0
    private let progress = Mutex(ContinuousClock.now)
    private var iterator: HTTPBodySequence.Iterator

    /// Makes the body of a request.
    ///
    /// - Parameters:
    ///   - request: The request.
    ///   - limit: The most bytes to read.
    ///   - isStopping: Whether the server is stopping.
    init(_ request: HTTPRequest, limit: Int, isStopping: @escaping @Sendable () -> Bool) {
        announced = request.bodySequence.count
        hasLength = request.headers[.contentLength] != nil || request.headers[.transferEncoding] != nil
        isAtEnd = announced == 0
        self.limit = limit
        self.isStopping = isStopping
        iterator = request.bodySequence.makeAsyncIterator()
        watch = BodyWatch(
            expectsContinue: request.headers[HTTPHeader("Expect")]?.lowercased() == "100-continue",
            peer: request.remoteAddress)
    }

    /// Returns the next bytes, or nil at the end.
    ///
    /// - Throws: `RequestError` for a body beyond the limit or with malformed chunks, `SocketError` if the client has
    ///   gone.
    func next() async throws -> Data? {
        if let announced, announced > limit { throw RequestError.uploadTooLarge(limit: limit) }
        guard let bytes = try await read() else { return nil }
        if count > limit { throw RequestError.uploadTooLarge(limit: limit) }
        return bytes
    }

    private func read() async throws -> Data? {
        guard !isAtEnd else { return nil }
        let bytes: Data?
        do {
            bytes = try await ConnectionPhase.$current.withValue(.body(watch)) { try await iterator.next() }
        } catch let error as any LocalizedError where !(error is SocketError) {
            throw RequestError.bad(
                "The body cannot be read (\(error.errorDescription ?? "its chunks are malformed"))",
                "send it with a Content-Length"
            )
        }
        progress.withLock { $0 = .now }
        count += bytes?.count ?? 0
        if let announced, bytes == nil, count < announced { throw SocketError.disconnected }
        isAtEnd = bytes == nil || count == announced
        return bytes
    }

    /// Reads and discards the rest, for at most half a minute, and until nothing arrives for five seconds.
    ///
    /// A connection that is closed with unread bytes is reset, and the client might never see the response.
    func drain() async {
        watch.answered()
        let began = ContinuousClock.now
        progress.withLock { $0 = began }
        let reading = Task { while try await self.read() != nil {} }
        let timer = Task {
            while true {
                try await Task.sleep(for: .milliseconds(250))
                let now = ContinuousClock.now
                let isIdle = now - self.progress.withLock { $0 } > .seconds(5)
                guard isIdle || now - began > .seconds(self.isStopping() ? 2 : 30) else { continue }
                return reading.cancel()
            }
        }
        _ = await reading.result
        timer.cancel()
    }
}

/// The body of a response to a request whose own body was not read to its end: the connection closes after it.
struct LastResponseBody: AsyncBufferedSequence {
    typealias Element = UInt8

    let data: Data
    let request: RequestBody

    struct Iterator: AsyncBufferedIteratorProtocol {
        typealias Buffer = Data

        fileprivate var data: Data?
        fileprivate let request: RequestBody

        mutating func next() async throws -> UInt8? {
            guard let first = data?.first else { return try await nextBuffer(suggested: 1)?.first }
            data = data?.dropFirst()
            return first
        }

        mutating func nextBuffer(suggested count: Int) async throws -> Data? {
            if let data, !data.isEmpty {
                self.data = nil
                return data
            }
            await request.drain()
            // The rest of the connection is not a request; an error makes the library close the connection.
            throw SocketError.disconnected
        }
    }

    func makeAsyncIterator() -> Iterator { Iterator(data: data, request: request) }
}

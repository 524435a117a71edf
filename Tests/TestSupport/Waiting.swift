import Foundation
import Synchronization
import Testing

/// What has not come in time.
public struct Late: Error, CustomStringConvertible {
    /// What was waited for.
    public let description: String

    /// Creates the error.
    public init(_ description: String) { self.description = description }
}

/// Waits on this thread until something is so, on a busy machine too.
public func wait(for what: String, seconds: Double = 60, _ isSo: () throws -> Bool) throws {
    let end = ContinuousClock.now + .seconds(seconds)
    while try !isSo() {
        guard ContinuousClock.now < end else { throw Late("waited \(seconds) s for \(what)") }
        Thread.sleep(forTimeInterval: 0.01)
    }
}

/// Waits until something is so, on a busy machine too; leaves the thread to others meanwhile.
public func eventually(
    _ what: String = "it", sourceLocation: SourceLocation = #_sourceLocation, _ isSo: () throws -> Bool
) async throws {
    let end = ContinuousClock.now + .seconds(60)
    while try !isSo(), ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(5)) }
    #expect(try isSo(), "waited 60 s for \(what)", sourceLocation: sourceLocation)
}

/// Calls what might never return on a thread of its own, and gives it up after a while, so that a test that hangs is named.
public func within<Value: Sendable>(
    seconds: Double, _ body: @escaping @Sendable () throws -> Value
) throws -> Value {
    let result = Mutex<Result<Value, any Error>?>(nil)
    let done = DispatchSemaphore(value: 0)
    let thread = Thread {
        let found = Result { try body() }
        result.withLock { $0 = found }
        done.signal()
    }
    thread.start()
    guard done.wait(timeout: .now() + seconds) == .success, let found = result.withLock({ $0 }) else {
        throw Late("it did not return within \(seconds) s")
    }
    return try found.get()
}

import Foundation
import Synchronization
import Testing

/// The error of waiting too long.
public struct Late: Error, CustomStringConvertible {
    /// The awaited event.
    public let description: String

    /// Creates the error.
    public init(_ description: String) { self.description = description }
}

/// Waits on this thread until a condition holds, also on a busy machine.
public func wait(for what: String, seconds: Double = 60, _ isSo: () throws -> Bool) throws {
    let end = ContinuousClock.now + .seconds(seconds)
    while try !isSo() {
        guard ContinuousClock.now < end else { throw Late("waited \(seconds) s for \(what)") }
        Thread.sleep(forTimeInterval: 0.01)
    }
}

/// Waits until a condition holds, also on a busy machine, without blocking the thread.
public func eventually(
    _ what: String = "it", sourceLocation: SourceLocation = #_sourceLocation, _ isSo: () throws -> Bool
) async throws {
    let end = ContinuousClock.now + .seconds(60)
    while try !isSo(), ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(5)) }
    #expect(try isSo(), "waited 60 s for \(what)", sourceLocation: sourceLocation)
}

/// Runs work that might never return on a separate thread, and gives up after a while, so that a hanging test is named.
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

import CW2VLibTorch
import Foundation
import Synchronization

/// A small key-value store where processes meet, served by one of them over TCP (c10d's `TCPStore`).
///
/// A store that once failed to answer counts as gone: c10d itself waits for as long as TCP does, which cannot tell a
/// cut cable from a slow one. `@unchecked Sendable` is safe: c10d guards each store with a lock of its own.
public final class TCPStore: @unchecked Sendable {
    let handle: ct_store
    /// The port that the store listens on.
    public let port: Int
    private let patience: Double
    private let isGone = Atomic<Bool>(false)

    /// Connects to a store, and serves it if asked to.
    ///
    /// - Parameters:
    ///   - port: A port; 0 takes a free one where this process serves.
    ///   - serves: Whether this process serves the store.
    ///   - timeout: The maximum duration of connecting and waiting, in seconds.
    ///   - patience: The maximum duration of an answer, in seconds.
    /// - Throws: `TorchError.communication` if the port is in use, or nobody answers in time.
    public init(host: String, port: Int, serves: Bool, timeout: Double, patience: Double = 30) throws {
        let connect = { @Sendable () throws -> Connection in
            var made: ct_store?
            var bound: UInt16 = 0
            try TorchError.checkCommunication(
                ct_store_connect(host, UInt16(clamping: port), serves, milliseconds(timeout), &bound, &made))
            guard let made else { throw TorchError.runtime("LibTorch made no store") }
            return Connection(handle: made, port: Int(bound))
        }
        // c10d waits forever for the greeting of anything that accepts a connection.
        let connection = try serves ? connect() : Self.within(timeout + 0.5, connect) { ct_store_release($0.handle) }
        handle = connection.handle
        self.port = connection.port
        self.patience = patience
    }

    /// A c10d store.
    ///
    /// `@unchecked Sendable` is safe: the thread that creates it passes it on and keeps no reference.
    private struct Connection: @unchecked Sendable {
        let handle: ct_store
        let port: Int
    }

    /// Runs `body` on a thread of its own, which is abandoned when time runs out.
    ///
    /// - Parameters:
    ///   - seconds: The longest wait.
    ///   - body: A call that may block forever.
    ///   - discard: Receives a value that arrives too late.
    /// - Returns: The result of `body`.
    /// - Throws: Any error of `body`; `TorchError.communication` when time runs out.
    private static func within<Value: Sendable>(
        _ seconds: Double, _ body: @escaping @Sendable () throws -> Value, discard: @escaping @Sendable (Value) -> Void
    ) throws -> Value {
        let answer = Answer<Value>()
        Thread {
            let result = Result { try body() }
            let isLate = answer.result.withLock { stored in
                if answer.isAbandoned.load(ordering: .relaxed) { return true }
                stored = result
                return false
            }
            if isLate, case .success(let value) = result { discard(value) }
            answer.arrived.signal()
        }.start()
        if answer.arrived.wait(timeout: .now() + seconds) == .success,
            let result = answer.result.withLock({ $0 })
        {
            return try result.get()
        }
        // It may have arrived at this very moment.
        let late = answer.result.withLock { stored in
            answer.isAbandoned.store(true, ordering: .relaxed)
            return stored
        }
        guard let late else { throw TorchError.communication("nobody answered in \(Int(seconds)) s") }
        return try late.get()
    }

    deinit { ct_store_release(handle) }

    /// Stores bytes under a key.
    ///
    /// - Throws: `TorchError.communication` if the store is gone.
    public func set(_ key: String, to value: Data) throws {
        try answer { store in
            try value.withUnsafeBytes {
                try TorchError.checkCommunication(ct_store_set(store.handle, key, $0.baseAddress, $0.count))
            }
        }
    }

    /// Returns the bytes under a key, waiting until another process has stored them.
    ///
    /// - Parameter timeout: The longest wait, in seconds.
    /// - Throws: `TorchError.communication` if time runs out or the store is gone.
    public func value(of key: String, timeout: Double) throws -> Data {
        try answer(waiting: timeout) { store in
            var bytes: UnsafeMutableRawPointer?
            var count = 0
            try TorchError.checkCommunication(
                ct_store_get(store.handle, key, milliseconds(timeout), &bytes, &count))
            guard let bytes else { return Data() }
            return Data(bytesNoCopy: bytes, count: count, deallocator: .custom { pointer, _ in ct_free(pointer) })
        }
    }

    /// Returns whether the store holds a key.
    ///
    /// - Throws: `TorchError.communication` if the store is gone.
    public func has(_ key: String) throws -> Bool {
        try answer { store in
            var found = false
            try TorchError.checkCommunication(ct_store_has(store.handle, key, &found))
            return found
        }
    }

    /// Adds to the number under a key, which starts at 0, and returns the sum.
    ///
    /// - Throws: `TorchError.communication` if the store is gone.
    @discardableResult
    public func add(_ key: String, _ amount: Int) throws -> Int {
        try answer { store in
            var sum: Int64 = 0
            try TorchError.checkCommunication(ct_store_add(store.handle, key, Int64(amount), &sum))
            return Int(sum)
        }
    }

    /// The result of an operation, left by its thread for the one that waits for it.
    private final class Answer<Value: Sendable>: Sendable {
        let result = Mutex<Result<Value, any Error>?>(nil)
        /// Whether the waiting thread has given up; changed under the lock of ``result``.
        let isAbandoned = Atomic<Bool>(false)
        let arrived = DispatchSemaphore(value: 0)
    }

    /// Asks the store on a thread that can be abandoned when no answer comes.
    private func answer<Value: Sendable>(
        waiting seconds: Double = 0, _ body: @escaping @Sendable (TCPStore) throws -> Value
    ) throws -> Value {
        guard !isGone.load(ordering: .relaxed) else { throw TorchError.communication("the store is gone") }
        let answer = Answer<Value>()
        let thread = Thread { [self] in
            let result = Result { try body(self) }
            answer.result.withLock { $0 = result }
            answer.arrived.signal()
        }
        thread.start()
        guard answer.arrived.wait(timeout: .now() + seconds + patience) == .success,
            let result = answer.result.withLock({ $0 })
        else {
            isGone.store(true, ordering: .relaxed)
            throw TorchError.communication("the store gave no answer for \(Int(seconds + patience)) s")
        }
        return try result.get()
    }
}

func milliseconds(_ seconds: Double) -> Int64 { Int64(max(1, (seconds * 1000).rounded())) }

import CLibTorch
import Foundation

/// A small key-value store that processes meet at, served by one of them over TCP (c10d's `TCPStore`).
///
/// `@unchecked Sendable` is safe: c10d guards each store with a lock of its own.
public final class Store: @unchecked Sendable {
    let handle: ct_store
    /// The port that the store listens on.
    public let port: Int

    /// Connects to a store, and serves it where asked to.
    ///
    /// - Parameters:
    ///   - host: A name or an address.
    ///   - port: A port; 0 takes a free one where this process serves.
    ///   - serves: Whether this process holds the store.
    ///   - timeout: How long connecting and waiting may take, in seconds.
    /// - Throws: `TorchError.communication` if the port is in use, or nobody answers in time.
    public init(host: String, port: Int, serves: Bool, timeout: Double) throws {
        var made: ct_store?
        var bound: UInt16 = 0
        try TorchError.checkCommunication(
            ct_store_connect(host, UInt16(clamping: port), serves, milliseconds(timeout), &bound, &made))
        guard let made else { throw TorchError.runtime("LibTorch made no store") }
        handle = made
        self.port = Int(bound)
    }

    deinit { ct_store_release(handle) }

    /// Puts bytes under a key.
    ///
    /// - Throws: `TorchError.communication` if the store is gone.
    public func set(_ key: String, to value: Data) throws {
        try withExtendedLifetime(self) {
            try value.withUnsafeBytes {
                try TorchError.checkCommunication(ct_store_set(handle, key, $0.baseAddress, $0.count))
            }
        }
    }

    /// The bytes under a key, waiting until another process has put them there.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - timeout: The longest wait, in seconds.
    /// - Returns: The bytes.
    /// - Throws: `TorchError.communication` if time runs out or the store is gone.
    public func value(of key: String, timeout: Double) throws -> Data {
        var bytes: UnsafeMutableRawPointer?
        var count = 0
        try withExtendedLifetime(self) {
            try TorchError.checkCommunication(ct_store_get(handle, key, milliseconds(timeout), &bytes, &count))
        }
        guard let bytes else { return Data() }
        return Data(bytesNoCopy: bytes, count: count, deallocator: .custom { pointer, _ in ct_free(pointer) })
    }

    /// Whether something stands under a key.
    ///
    /// - Throws: `TorchError.communication` if the store is gone.
    public func has(_ key: String) throws -> Bool {
        var found = false
        try withExtendedLifetime(self) { try TorchError.checkCommunication(ct_store_has(handle, key, &found)) }
        return found
    }

    /// Adds to the number under a key, which begins at 0.
    ///
    /// - Returns: The sum.
    /// - Throws: `TorchError.communication` if the store is gone.
    @discardableResult
    public func add(_ key: String, _ amount: Int) throws -> Int {
        var sum: Int64 = 0
        try withExtendedLifetime(self) {
            try TorchError.checkCommunication(ct_store_add(handle, key, Int64(amount), &sum))
        }
        return Int(sum)
    }
}

func milliseconds(_ seconds: Double) -> Int64 { Int64(max(1, (seconds * 1000).rounded())) }

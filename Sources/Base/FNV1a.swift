/// The hash FNV-1a of 64 bits (Fowler, Noll and Vo), which is the same on every machine and day, unlike Swift's `Hasher`.
///
/// It distinguishes versions and lists; it does not protect against forgery. Results are stored in files: never change
/// it.
@frozen public struct FNV1a: Sendable {
    @usableFromInline var hash: UInt64 = 0xCBF2_9CE4_8422_2325

    /// The hash of everything added so far.
    @inlinable public var value: UInt64 { hash }

    /// Starts with the hash of no bytes.
    @inlinable public init() {}

    /// Adds a byte, or a word of up to 64 bits in one step.
    @inlinable public mutating func add(_ word: some UnsignedInteger & FixedWidthInteger) {
        hash = (hash ^ UInt64(truncatingIfNeeded: word)) &* 0x0000_0100_0000_01B3
    }

    /// Adds bytes.
    @inlinable public mutating func add(_ bytes: some Sequence<UInt8>) {
        for byte in bytes { add(byte) }
    }

    /// The hash as sixteen hexadecimal digits.
    public var hexadecimal: String {
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

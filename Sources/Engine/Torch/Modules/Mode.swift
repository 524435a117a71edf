import W2VBase

/// The seed of one dropout's mask: a number, or an offset to a number in memory.
public struct DropoutSeed: Sendable {
    /// An int64 scalar that replayed work finds changed at each replay.
    package let base: Tensor?
    /// The offset to the base; the seed itself where there is no base.
    package let offset: UInt64

    package init(base: Tensor? = nil, offset: UInt64) {
        (self.base, self.offset) = (base, offset)
    }

    /// Returns base + offset, waiting for the device that holds the base.
    package func number() throws -> UInt64 {
        try base.map { UInt64(bitPattern: try $0.elementsForHost(Int64.self)[0]) &+ offset } ?? offset
    }
}

/// Seeds for the dropouts of one forward pass, in the order in which the dropouts of a part of the model run.
public final class DropoutSource {
    private let base: Tensor?
    private let start: UInt64
    private var part: UInt64 = 0
    private var count: UInt64 = 0

    /// Makes the source from a stream keyed by (seed, update, rank, micro-batch).
    public convenience init(_ stream: RandomStream) {
        self.init(base: nil, start: UInt64(bitPattern: Self.base(stream)))
    }

    /// Makes the source of work that is recorded once and replayed with other seeds.
    ///
    /// - Parameter base: An int64 scalar; with the value of ``base(_:)`` the seeds are those of the stream.
    public convenience init(base: Tensor) { self.init(base: base, start: 0) }

    private init(base: Tensor?, start: UInt64) {
        (self.base, self.start) = (base, start)
    }

    /// Returns the number that a stream's seeds are counted from.
    public static func base(_ stream: RandomStream) -> Int64 {
        var stream = stream
        return Int64(bitPattern: stream.next())
    }

    /// Returns the seed of the next dropout.
    public func nextSeed() -> DropoutSeed {
        defer { count += 1 }
        // A Weyl sequence with an odd increment: it has full period, so all seeds of a pass differ.
        return DropoutSeed(base: base, offset: start &+ (part << 32 | count) &* 0x9E37_79B9_7F4A_7C15)
    }

    /// Returns a source that continues with the same seeds, independent of this one.
    public func copied() -> DropoutSource {
        let copy = DropoutSource(base: base, start: start)
        (copy.part, copy.count) = (part, count)
        return copy
    }

    /// Returns a source for one layer, whose seeds do not depend on whether other layers run.
    func forLayer(_ number: Int) -> DropoutSource {
        let source = DropoutSource(base: base, start: start)
        source.part = UInt64(number) + 1
        return source
    }
}

extension Module {
    /// Whether a forward pass trains or predicts.
    public enum Mode {
        /// No dropout.
        case inference
        /// Dropout with masks that depend on the source only.
        case training(DropoutSource)

        /// Whether this is a training pass.
        public var isTraining: Bool {
            if case .training = self { return true }
            return false
        }

        /// Returns the same mode with an independent source that continues with the same seeds.
        public func copied() -> Mode {
            if case .training(let source) = self { return .training(source.copied()) }
            return self
        }

        /// Returns the mode of one layer, with seeds of its own, so that its masks do not depend on whether other layers
        /// are skipped.
        ///
        /// - Parameter number: The layer, from 0.
        public func forLayer(_ number: Int) -> Mode {
            if case .training(let source) = self { return .training(source.forLayer(number)) }
            return self
        }

        /// Returns the seed of the next dropout; nil in inference.
        public func nextDropoutSeed() -> DropoutSeed? {
            if case .training(let source) = self { return source.nextSeed() }
            return nil
        }
    }
}

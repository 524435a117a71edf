import W2VBase

/// What one dropout's mask is drawn from: a number, or a number in memory that another is added to.
public struct DropoutSeed: Sendable {
    /// int64, a single number that recorded work finds changed whenever it is done again.
    package let base: Tensor?
    /// What is added to the base; the seed itself where there is none.
    package let offset: UInt64

    package init(base: Tensor? = nil, offset: UInt64) {
        (self.base, self.offset) = (base, offset)
    }

    /// The sum, for which a device is waited for if it has the base.
    package func number() throws -> UInt64 {
        try base.map { UInt64(bitPattern: try $0.elements(Int64.self)[0]) &+ offset } ?? offset
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

    /// Makes the source of work that is recorded once and done again with other seeds.
    ///
    /// - Parameter base: int64, a single number: what ``base(_:)`` gives makes the same seeds as the stream.
    public convenience init(base: Tensor) { self.init(base: base, start: 0) }

    private init(base: Tensor?, start: UInt64) {
        (self.base, self.start) = (base, start)
    }

    /// What the seeds that a stream gives are counted from.
    public static func base(_ stream: RandomStream) -> Int64 {
        var stream = stream
        return Int64(bitPattern: stream.next())
    }

    /// The seed of the next dropout.
    public func nextSeed() -> DropoutSeed {
        defer { count += 1 }
        // Weyl's sequence over an odd number: as long as it is not through, no two are the same.
        return DropoutSeed(base: base, offset: start &+ (part << 32 | count) &* 0x9E37_79B9_7F4A_7C15)
    }

    /// A source that gives the same seeds from here on, whatever this one does.
    public func copied() -> DropoutSource {
        let copy = DropoutSource(base: base, start: start)
        (copy.part, copy.count) = (part, count)
        return copy
    }

    /// A source for one layer, whose seeds do not depend on whether other layers run.
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
        /// Dropouts drop, with masks that depend on the source only.
        case training(DropoutSource)

        /// Whether this is a training pass.
        public var isTraining: Bool {
            if case .training = self { return true }
            return false
        }

        /// The same mode, whose dropouts draw the same masks from here on, whatever this one's do.
        public func copied() -> Mode {
            if case .training(let source) = self { return .training(source.copied()) }
            return self
        }

        /// The mode of one layer, which other passes may skip: what the other layers drop does not depend on it.
        ///
        /// - Parameter number: The layer, from 0.
        /// - Returns: A mode with seeds of the layer's own.
        public func forLayer(_ number: Int) -> Mode {
            if case .training(let source) = self { return .training(source.forLayer(number)) }
            return self
        }

        /// The seed of the next dropout, in training.
        public func nextDropoutSeed() -> DropoutSeed? {
            if case .training(let source) = self { return source.nextSeed() }
            return nil
        }
    }
}

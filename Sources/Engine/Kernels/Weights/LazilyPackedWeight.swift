import Synchronization

/// A weight that no longer changes, packed permanently as soon as that pays.
///
/// For its first product it is packed temporarily, in memory that the next weight's packing reuses: a program that
/// recognizes one recording reads its weights once, possibly from a mapped file, and should not wait for the system to
/// clear as much memory again, which would take most of the loading time. From the second product on the packed weight
/// is kept. The results are the same bit for bit.
public final class LazilyPackedWeight<Packed: Sendable> {
    private enum State {
        case unused
        case used
        case packed(Packed)
    }

    private let pack: () throws -> Packed
    private let state = Mutex(State.unused)

    /// Stores how to pack the weight; nothing runs before the first product.
    ///
    /// - Parameter pack: Packs the weight; its result must be the same each time.
    public init(_ pack: @escaping () throws -> Packed) { self.pack = pack }

    /// Returns the packed weight, for one product or one series of products.
    ///
    /// - Throws: Any error of packing, such as `TorchError.shape` for a weight that cannot be packed.
    public func packed() throws -> Packed {
        try state.withLock { state in
            if case .packed(let weight) = state { return weight }
            let weight = try pack()
            if case .unused = state { state = .used } else { state = .packed(weight) }
            return weight
        }
    }
}

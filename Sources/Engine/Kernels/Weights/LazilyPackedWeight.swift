import Synchronization

/// A weight that no longer changes, packed for good as soon as that pays.
///
/// For its first product it is packed for that product alone, in memory that the next weight's packing takes again: a
/// program that recognizes one recording goes once through weights that may lie in a mapped file, and does not wait for
/// the system to clear as much memory again, most of the time that loading a model would take. From the second product
/// on the packed weight stays. The numbers are the same both ways, bit for bit.
public final class LazilyPackedWeight<Packed: Sendable> {
    private enum State {
        case unused
        case used
        case packed(Packed)
    }

    private let pack: () throws -> Packed
    private let state = Mutex(State.unused)

    /// Describes how the weight is packed; nothing is done before the first product.
    ///
    /// - Parameter pack: Packs the weight, the same whenever it is called.
    public init(_ pack: @escaping () throws -> Packed) { self.pack = pack }

    /// The packed weight, for one product or one run of products.
    ///
    /// - Throws: What packing throws: `TorchError.shape` for a weight that cannot be packed.
    public func packed() throws -> Packed {
        try state.withLock { state in
            if case .packed(let weight) = state { return weight }
            let weight = try pack()
            if case .unused = state { state = .used } else { state = .packed(weight) }
            return weight
        }
    }
}

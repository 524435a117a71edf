import Synchronization
import W2VBackbone

extension ModelFamily {
    private static let registry = Mutex<[ModelFamily]>([.wav2vec2, .hubert, .hourglass])

    /// Adds a family, or replaces the one of the same name.
    ///
    /// May be called from any thread; checkpoints that are read afterwards know the family. Of two with the same `model_type`
    /// the one that was registered last is taken.
    public static func register(_ family: ModelFamily) {
        registry.withLock { families in
            families.removeAll { $0.name == family.name }
            families.append(family)
        }
    }

    /// All families, in the order in which they were registered.
    public static var registered: [ModelFamily] { registry.withLock { $0 } }

    /// The family of a `model_type`.
    ///
    /// - Parameter modelType: As `config.json` has it.
    /// - Returns: The one registered last; nil if there is none.
    public static func named(_ modelType: String) -> ModelFamily? { registered.last { $0.modelType == modelType } }

    /// The family that an architecture is of.
    ///
    /// - Returns: The one that claims it (``describes``), or wav2vec 2.0.
    public static func of(_ model: ModelConfiguration) -> ModelFamily {
        registered.last { $0.describes(model) } ?? .wav2vec2
    }

    /// Refuses a model that a format has no place for.
    ///
    /// - Throws: ``CheckpointError/cannotHold(format:what:advice:)`` naming the formats that have one.
    static func requirePlace(for model: ModelConfiguration, in format: CheckpointFormat) throws {
        let family = of(model)
        guard !family.formats.contains(format) else { return }
        let others = CheckpointFormat.allCases.filter(family.formats.contains).map(\.rawValue)
        throw CheckpointError.cannotHold(
            format: format, what: "an \(family.name)", advice: "convert it to \(others.joined(separator: " or "))")
    }
}

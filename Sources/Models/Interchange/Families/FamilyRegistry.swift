import Synchronization
import W2VBackbone

extension ModelFamily {
    private static let registry = Mutex<[ModelFamily]>([.wav2vec2, .hubert, .hourglass])

    /// Adds a family, or replaces the one of the same name.
    ///
    /// May be called from any thread; checkpoints that are read afterward know the family. Of two families with the
    /// same `model_type`, the one registered last is used.
    public static func register(_ family: ModelFamily) {
        registry.withLock { families in
            families.removeAll { $0.name == family.name }
            families.append(family)
        }
    }

    /// All families, in order of registration.
    public static var registered: [ModelFamily] { registry.withLock { $0 } }

    /// Returns the family of a `model_type`, as in `config.json`: the one registered last, or nil.
    public static func named(_ modelType: String) -> ModelFamily? { registered.last { $0.modelType == modelType } }

    /// Returns the family of an architecture: the one that claims it (``describes``), or wav2vec 2.0.
    public static func of(_ model: ModelConfiguration) -> ModelFamily {
        registered.last { $0.describes(model) } ?? .wav2vec2
    }

    /// Throws for a model that a format cannot represent.
    ///
    /// - Throws: ``CheckpointError/cannotHold(format:what:advice:)`` naming the formats that can.
    static func requirePlace(for model: ModelConfiguration, in format: CheckpointFormat) throws {
        let family = of(model)
        guard !family.formats.contains(format) else { return }
        let others = CheckpointFormat.allCases.filter(family.formats.contains).map(\.rawValue)
        throw CheckpointError.cannotHold(
            format: format, what: "an \(family.name)", advice: "convert it to \(others.joined(separator: " or "))")
    }
}

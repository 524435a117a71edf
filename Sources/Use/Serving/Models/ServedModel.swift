import W2VBase
import W2VFeatures
import W2VRecognition

/// A model that a server offers, and how it is loaded.
public struct ServedModel: Sendable {
    /// The use of a model.
    public enum Role: Sendable, Hashable, CaseIterable {
        /// Text and alignments.
        case text
        /// Features and units.
        case features
    }

    /// The name for clients.
    public var name: String
    /// The description.
    public var facts: ModelFacts
    /// Whether it is fine-tuned, so that it can write text.
    public var writesText: Bool
    /// Whether its decoder is a beam search, which may prefer words.
    public var takesHotWords = false
    /// Whether it has a quantizer, whose codes are units.
    public var hasQuantizer: Bool
    /// The memory that its weights take in one role, in bytes.
    public var bytes: Int
    /// The clusters of its features.
    public var clusters: UnitModel?

    let recognizer: @Sendable () async throws -> Recognizer
    let featurizer: @Sendable () async throws -> Featurizer

    /// Describes a model.
    ///
    /// - Parameters:
    ///   - name: The name for clients; nil for that of the model's folder.
    ///   - facts: The description.
    ///   - writesText: Whether it is fine-tuned, so that it can write text.
    ///   - hasQuantizer: Whether it has a quantizer.
    ///   - bytes: The memory that its weights take, in bytes.
    ///   - clusters: The clusters of its features.
    ///   - recognizer: Loads it for text.
    ///   - featurizer: Loads it for features.
    public init(
        name: String? = nil, facts: ModelFacts, writesText: Bool = true, hasQuantizer: Bool = false, bytes: Int = 0,
        clusters: UnitModel? = nil, recognizer: @escaping @Sendable () async throws -> Recognizer,
        featurizer: @escaping @Sendable () async throws -> Featurizer
    ) {
        self.name = name ?? facts.name
        self.facts = facts
        self.writesText = writesText
        self.hasQuantizer = hasQuantizer
        self.bytes = bytes
        self.clusters = clusters
        self.recognizer = recognizer
        self.featurizer = featurizer
    }

    /// Returns the same model with its texts written in another form.
    public func writing(in form: TextForm) -> ServedModel {
        var model = ServedModel(
            name: name, facts: facts, writesText: writesText, hasQuantizer: hasQuantizer, bytes: bytes,
            clusters: clusters, recognizer: { [recognizer] in try await recognizer().writing(in: form) },
            featurizer: featurizer)
        model.takesHotWords = takesHotWords
        return model
    }

    /// Describes a model that is handed over in memory.
    init(facts: ModelFacts) {
        struct HandedOver: Error {}
        self.init(facts: facts) {
            throw HandedOver()
        } featurizer: {
            throw HandedOver()
        }
    }

    /// The role for which it is loaded at the start.
    var firstRole: Role { writesText ? .text : .features }
}

/// An event in the life of a model.
public enum ModelEvent: Sendable {
    /// It was loaded.
    case loaded(name: String, seconds: Double)
    /// It was dropped, since others needed its memory.
    case dropped(name: String)
}

/// A model in memory.
enum LoadedModel: Sendable {
    case recognizer(Recognizer)
    case featurizer(Featurizer)

    /// The smallest number of samples at 16 kHz for which a recording takes more than one pass.
    var windowLimit: Int {
        switch self {
        case .recognizer(let recognizer): recognizer.windowLimit
        case .featurizer(let featurizer): featurizer.windowLimit
        }
    }

    /// The model as it was leased for text.
    func requireRecognizer() throws -> Recognizer {
        guard case .recognizer(let recognizer) = self else { throw Confusion() }
        return recognizer
    }

    /// The model as it was leased for features.
    func requireFeaturizer() throws -> Featurizer {
        guard case .featurizer(let featurizer) = self else { throw Confusion() }
        return featurizer
    }

    /// An error of the server's own code: a model was leased for another use.
    private struct Confusion: Error {}
}

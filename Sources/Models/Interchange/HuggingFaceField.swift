import Foundation
import W2VBackbone
import W2VBase

/// One key of Hugging Face's `config.json` and the property that it corresponds to.
public struct HuggingFaceField: Sendable {
    /// The key.
    public let key: String
    private let expected: String
    private let read: @Sendable (JSONValue, inout ModelDescription) -> Bool
    private let write: @Sendable (ModelDescription) -> JSONValue?
    /// The sentence that rejects a value; nil for one made of the key, the value and the expected form.
    private var problem: String?
    /// Returns whether a value is used or irrelevant; all others are listed as ignored.
    private var isCarriedOver: @Sendable (JSONValue) -> Bool = { _ in true }

    private init(
        _ key: String, expected: String, read: @escaping @Sendable (JSONValue, inout ModelDescription) -> Bool,
        write: @escaping @Sendable (ModelDescription) -> JSONValue?
    ) {
        self.key = key
        self.expected = expected
        self.read = read
        self.write = write
    }

    /// Returns the value in a configuration; nil if the key is not written.
    func value(_ description: ModelDescription) -> JSONValue? { write(description) }

    /// Returns whether the key's value in a configuration is fully used.
    func covers(_ root: JSONObject) -> Bool { root[key].map { $0 == .null || isCarriedOver($0) } ?? true }

    /// Applies the value; if the key is absent, the family's default stays.
    ///
    /// - Throws: ``ConfigurationError`` naming the key, its value and what is expected.
    func apply(_ root: JSONObject, to description: inout ModelDescription) throws {
        guard let value = root[key], value != .null else { return }
        guard read(value, &description) else {
            throw ConfigurationError(problem ?? "\(key) is \(value.excerpt), where \(expected) is expected")
        }
    }

    // MARK: Keys of a property

    /// Makes a key for a nonnegative integer.
    public static func integer(
        _ key: String, _ path: any WritableKeyPath<ModelDescription, Int> & Sendable
    ) -> HuggingFaceField {
        property(key, path, expected: "a whole number that is not negative") { value in
            value.integer.flatMap { $0 >= 0 ? $0 : nil }
        } write: {
            .integer($0)
        }
    }

    /// Makes a key for a number.
    public static func number(
        _ key: String, _ path: any WritableKeyPath<ModelDescription, Double> & Sendable
    ) -> HuggingFaceField {
        property(key, path, expected: "a number", read: \.double) { .number($0) }
    }

    /// Makes a key for true or false.
    public static func flag(
        _ key: String, _ path: any WritableKeyPath<ModelDescription, Bool> & Sendable
    ) -> HuggingFaceField {
        property(key, path, expected: "true or false", read: \.bool) { .bool($0) }
    }

    /// Makes a key for a choice by name; of several names for one value the first is written.
    ///
    /// - Parameter names: The names with their values.
    public static func choice<Value: Equatable & Sendable>(
        _ key: String, _ path: any WritableKeyPath<ModelDescription, Value> & Sendable, _ names: [(String, Value)]
    ) -> HuggingFaceField {
        property(key, path, expected: names.map(\.0).joined(separator: ", ")) { value in
            names.first { $0.0 == value.string }?.1
        } write: { value in
            .string(names.first { $0.1 == value }?.0 ?? "")
        }
    }

    /// Makes a key for a property, whose value is read and written by itself.
    private static func property<Value>(
        _ key: String, _ path: any WritableKeyPath<ModelDescription, Value> & Sendable, expected: String,
        read: @escaping @Sendable (JSONValue) -> Value?, write: @escaping @Sendable (Value) -> JSONValue
    ) -> HuggingFaceField {
        HuggingFaceField(key, expected: expected) { value, description in
            guard let found = read(value) else { return false }
            description[keyPath: path] = found
            return true
        } write: {
            write($0[keyPath: path])
        }
    }

    /// Makes a key for one column of the three lists that describe the extractor's convolutions.
    ///
    /// - Parameters:
    ///   - key: The key; the list of channels comes first, and determines the number of layers.
    ///   - column: The property of each layer that the list contains.
    public static func convolutions(
        _ key: String, _ column: any WritableKeyPath<ConvolutionLayers.Layer, Int> & Sendable
    ) -> HuggingFaceField {
        let isFirst = column as AnyKeyPath == \ConvolutionLayers.Layer.channels
        return HuggingFaceField(key, expected: "a list of whole numbers, as many as conv_dim,") { value, description in
            guard let items = value.array else { return false }
            let sizes = items.compactMap(\.integer)
            guard !sizes.isEmpty, sizes.count == items.count else { return false }
            let old = description.model.convFeatureLayers.layers
            guard isFirst || old.count == sizes.count else { return false }
            let layers = sizes.enumerated().map { index, size in
                var layer = index < old.count ? old[index] : ConvolutionLayers.Layer(channels: 1, kernel: 1, stride: 1)
                layer[keyPath: column] = size
                return layer
            }
            guard let made = try? ConvolutionLayers(layers) else { return false }
            description.model.convFeatureLayers = made
            return true
        } write: {
            .array($0.model.convFeatureLayers.layers.map { .integer($0[keyPath: column]) })
        }
    }

    /// Makes the key that tells whether frames and channels are masked at all; other keys have the probabilities.
    ///
    /// - Parameter key: The key, which comes after those of the probabilities.
    public static func masks(_ key: String) -> HuggingFaceField {
        HuggingFaceField(key, expected: "true or false") { value, description in
            if value.bool == false {
                description.masking.time.probability = 0
                description.masking.channel.probability = 0
            }
            return true
        } write: {
            .bool($0.masking.isOn)
        }
    }

    /// Makes a key for the probability of masked frames.
    ///
    /// If nothing can be masked, Transformers' models have no mask embedding; ``masks(_:)`` then switches masking off.
    public static func maskProbability(_ key: String) -> HuggingFaceField {
        HuggingFaceField(key, expected: "a number") { value, description in
            guard let number = value.double else { return false }
            description.masking.time.probability = number
            return true
        } write: {
            .number($0.masking.isOn ? $0.masking.time.probability : 0.05)
        }
    }

    // MARK: Keys that must have a value

    /// Makes a key whose only supported value is one that this architecture always has.
    ///
    /// - Parameter problem: The sentence that rejects another value; nil for the default one.
    public static func fixed(
        _ key: String, _ value: Bool, isWritten: Bool = true, problem: String? = nil
    ) -> HuggingFaceField {
        fixed(key, .bool(value), isWritten, problem) { $0.bool == value }
    }

    /// Makes a key whose only supported value is one that this architecture always has.
    ///
    /// - Parameter problem: The sentence that rejects another value; nil for the default one.
    public static func fixed(
        _ key: String, _ value: Double, isWritten: Bool = true, problem: String? = nil
    ) -> HuggingFaceField {
        fixed(key, .number(value), isWritten, problem) { $0.double == value }
    }

    /// Makes a key whose only supported value is one that this architecture always has.
    ///
    /// - Parameter problem: The sentence that rejects another value; nil for the default one.
    public static func fixed(
        _ key: String, _ value: String, isWritten: Bool = true, problem: String? = nil
    ) -> HuggingFaceField {
        fixed(key, .string(value), isWritten, problem) { $0.string == value }
    }

    /// Makes a key that must be absent or null.
    ///
    /// - Parameter problem: The sentence that rejects a value.
    public static func absent(_ key: String, isWritten: Bool = true, problem: String) -> HuggingFaceField {
        fixed(key, .null, isWritten, problem) { _ in false }
    }

    /// Makes a key that is always written with one value; others affect only training and are listed as ignored.
    public static func assumed(_ key: String, _ value: String) -> HuggingFaceField {
        var field = HuggingFaceField(key, expected: value) { _, _ in
            true
        } write: { _ in
            .string(value)
        }
        field.isCarriedOver = { $0.string == value }
        return field
    }

    private static func fixed(
        _ key: String, _ value: JSONValue, _ isWritten: Bool, _ problem: String?,
        _ accepts: @escaping @Sendable (JSONValue) -> Bool
    ) -> HuggingFaceField {
        var field = HuggingFaceField(key, expected: value.string ?? value.text) { found, _ in
            accepts(found)
        } write: { _ in
            isWritten ? value : nil
        }
        field.problem = problem
        return field
    }
}

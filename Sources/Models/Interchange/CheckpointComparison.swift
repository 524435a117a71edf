import Foundation
import W2VBackbone
import W2VBase
import W2VTorch

/// The differences of two checkpoints: architecture, dictionary, every tensor, and the models' outputs on the same
/// audio.
///
/// Settings that matter only in training, such as dropouts, are not compared.
public struct CheckpointComparison: Sendable {
    /// A value that differs between the two.
    public struct Difference: Sendable, Equatable {
        /// The setting's key, or the label's number.
        public var key: String
        /// The value in the first checkpoint.
        public var first: String
        /// The value in the second.
        public var second: String
    }

    /// The distance between two tensors of the same name.
    public struct TensorDifference: Sendable {
        /// The tensor's name in fairseq; for outputs the stage's name.
        public var name: String
        /// The largest difference between two elements; infinite if shapes differ or one is NaN.
        public var absolute: Double
        /// The same, relative to the first tensor's largest magnitude.
        public var relative: Double
    }

    /// Differing settings of the architecture, the task and the input.
    public private(set) var architecture: [Difference] = []
    /// Labels with different symbols, and a difference in their number; empty if one side has no dictionary.
    public private(set) var dictionary: [Difference] = []
    /// Whether both have a dictionary, so that the dictionaries were compared.
    public private(set) var comparedDictionaries = false
    /// Tensors that only the second has.
    public private(set) var missingInFirst: [String] = []
    /// Tensors that only the first has.
    public private(set) var missingInSecond: [String] = []
    /// The tensors that both have, in the order of their names.
    public private(set) var tensors: [TensorDifference] = []
    /// The differences of the models' outputs on the same synthetic audio; empty when the architectures differ.
    public private(set) var outputs: [TensorDifference] = []

    /// Compares two checkpoints.
    ///
    /// - Parameters:
    ///   - first: The reference for relative differences.
    ///   - progress: Called with the number of tensors compared so far and their number in all.
    /// - Throws: ``CheckpointError`` when the weights of one do not match its architecture.
    public init(_ first: Checkpoint, _ second: Checkpoint, progress: (Int, Int) -> Void = { _, _ in }) throws {
        compareArchitecture(first.description, second.description)
        compareDictionaries(first.description.labels, second.description.labels)
        missingInFirst = second.allState.keys.filter { first.allState[$0] == nil }.sorted()
        missingInSecond = first.allState.keys.filter { second.allState[$0] == nil }.sorted()
        let names = first.allState.keys.filter { second.allState[$0] != nil }.sorted()
        for (index, name) in names.enumerated() {
            if let one = first.allState[name], let other = second.allState[name] {
                tensors.append(try Self.difference(name, one, other))
            }
            progress(index + 1, names.count)
        }
        guard architecture.isEmpty, missingInFirst.isEmpty, missingInSecond.isEmpty else { return }
        let (ours, theirs) = try (Self.outputs(of: first), Self.outputs(of: second))
        outputs = try zip(ours, theirs).map { try Self.difference($0.name, $0.tensor, $1.tensor) }
    }

    /// The largest of the tensors' differences; nil when they have no tensor in common.
    public var worst: TensorDifference? { tensors.max { $0.relative < $1.relative } }

    /// Returns whether the checkpoints are the same model.
    ///
    /// - Parameter tolerance: The maximum difference of a tensor or an output, relative to its largest magnitude.
    /// - Returns: True if in addition nothing else differs.
    public func isEqual(tolerance: Double) -> Bool {
        architecture.isEmpty && dictionary.isEmpty && missingInFirst.isEmpty && missingInSecond.isEmpty
            && (tensors + outputs).allSatisfy { $0.relative <= tolerance }
    }

    // MARK: Parts

    private mutating func compareArchitecture(_ first: ModelDescription, _ second: ModelDescription) {
        func note(_ key: String, _ one: String, _ other: String) {
            if one != other { architecture.append(Difference(key: key, first: one, second: other)) }
        }
        note("task", first.task.name, second.task.name)
        note("normalize", first.normalize.settingText, second.normalize.settingText)
        if first.normalize, second.normalize {
            note("normalize_epsilon", first.normalizeEpsilon.settingText, second.normalizeEpsilon.settingText)
        }
        let (one, other) = (first.model.withEffectiveSizes, second.model.withEffectiveSizes)
        // A part that only one of them has differs as a whole; the resampling of an Hourglass is meaningless without
        // one.
        let common = first.parts.intersection(second.parts).union(
            (one.hourglass ?? other.hourglass) == nil ? [] : [.hourglass])
        for setting in ModelConfiguration.settings
        where setting.scope.decidesOutput && common.contains(setting.scope.part) {
            note("model.\(setting.name)", setting.text(one), setting.text(other))
        }
        guard first.task == second.task else { return }
        if first.task.hasLabels { note("text", first.text.json.excerpt, second.text.json.excerpt) }
        guard let section = first.task.section else { return }
        let meaningless = first.task.meaninglessKeys(first)
        for setting in section.settings where setting.scope.decidesOutput && !meaningless.contains(setting.name) {
            note("\(section.name).\(setting.name)", setting.text(first), setting.text(second))
        }
    }

    private mutating func compareDictionaries(_ first: [String], _ second: [String]) {
        guard !first.isEmpty, !second.isEmpty else { return }
        comparedDictionaries = true
        if first.count != second.count {
            dictionary.append(
                Difference(key: "number of labels", first: String(first.count), second: String(second.count)))
        }
        for (index, (one, other)) in zip(first, second).enumerated() where !one.hasSameCodePoints(as: other) {
            dictionary.append(
                Difference(
                    key: "label \(index)", first: one.printable,
                    second: one == other ? other.quotedWithCodePoints : other.printable))
        }
    }

    private static func difference(_ name: String, _ first: Tensor, _ second: Tensor) throws -> TensorDifference {
        guard first.shape == second.shape else {
            return TensorDifference(name: name, absolute: .infinity, relative: .infinity)
        }
        guard first.count > 0 else { return TensorDifference(name: name, absolute: 0, relative: 0) }
        let type: DType = first.dtype == .float32 && second.dtype == .float32 ? .float32 : .float64
        let (one, other) = try (first.to(dtype: type).reshaped(-1), second.to(dtype: type).reshaped(-1))
        let absolute = try (one - other).magnitude().maximum(0).item()
        guard absolute.isFinite else {
            return TensorDifference(name: name, absolute: .infinity, relative: .infinity)
        }
        let magnitude = try one.magnitude().maximum(0).item()
        return TensorDifference(
            name: name, absolute: absolute,
            relative: absolute == 0 ? 0 : magnitude == 0 ? .infinity : absolute / magnitude)
    }

    /// Returns a model's outputs for two synthetic recordings of different lengths.
    private static func outputs(of checkpoint: Checkpoint) throws -> [(name: String, tensor: Tensor)] {
        let lengths = [16_000, 12_345]
        let samples = try lengths.enumerated().map { index, length in
            // Two tones and a swell, normalized to unit variance as most models expect.
            let tones = (0..<length).map { place in
                let time = Double(place) / 16_000
                return Float(sin(2 * .pi * (150 + 60 * Double(index)) * time) * (1 + 0.5 * sin(2 * .pi * 3 * time)))
                    + Float(sin(2 * .pi * 1_130 * time * (1 + 0.1 * time)))
            }
            return try Tensor(tones)
        }
        let input = try Tensor.concatenate(samples)
        return try withoutGradient { try checkpoint.description.task.outputs(checkpoint, input, lengths) }
    }
}

extension ModelConfiguration {
    /// The same with the effective sizes in place of 0.
    var withEffectiveSizes: ModelConfiguration {
        var result = self
        result.finalDim = targetChannels
        result.latentDim = latentDim > 0 ? latentDim : targetChannels
        return result
    }
}

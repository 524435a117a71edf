import W2VBackbone
import W2VTorch

extension ModelDescription {
    /// Returns the names and shapes of the parameters in checkpoint files, from a model that takes no memory.
    ///
    /// - Parameter labels: The size of the output layer of a model with labels.
    /// - Returns: The shape of each parameter by fairseq's name.
    /// - Throws: ``/Wav2Vec2/ConfigurationError`` naming an invalid setting; `TorchError.operation` for sizes whose
    ///   product overflows.
    func shapes(labels: Int) throws -> [String: [Int]] {
        try FusedParameters.split(task.makeModel(self, labels, .shapes).state()).mapValues(\.shape)
    }

    /// Returns the mismatch between weights and the model: names and shapes, and types that no weight has.
    ///
    /// No size is trusted before it is compared with the weights, so that a file's claim costs neither time nor memory.
    ///
    /// - Parameter state: A checkpoint's tensors by fairseq's names.
    /// - Returns: One sentence, or nil if they match.
    func misfit(_ state: [String: Tensor]) -> String? {
        do {
            try model.validate()
            if let problem = absurdSize(tensors: state.count) { return problem }
            return Self.misfit(state, try shapes(labels: task.labelCount(state)))
        } catch let error as TorchError {
            return "its configuration makes no model: \(error)"
        } catch {
            return "\(error)"
        }
    }

    /// Returns a size that no model of a file's size can have: each part has tensors of its own.
    private func absurdSize(tensors: Int) -> String? {
        // A transformer layer has sixteen; half of them may be missing, so that the error can name those that are.
        for (name, count, each) in [
            ("encoder layers", model.layerCount, 8), ("quantizer layers", model.quantizerDepth, 1),
        ] where count > tensors / each + 1 {
            return "its configuration has \(count) \(name), and its weights are only \(tensors) tensors"
        }
        let sizes = [
            model.encoderEmbedDim, model.encoderFfnEmbedDim, model.convPos, model.latentVars, model.latentGroups,
            model.latentDim, model.finalDim, model.quantizerFactor, model.hourglass?.factor ?? 1,
        ]
        return sizes.allSatisfy { $0 < 1 << 24 } ? nil : "its configuration has a size of more than 16 million"
    }

    private static func misfit(_ state: [String: Tensor], _ expected: [String: [Int]]) -> String? {
        var problems: [String] = []
        func list(_ names: [String]) -> String {
            names.sorted().prefix(5).joined(separator: ", ") + (names.count > 5 ? " and \(names.count - 5) more" : "")
        }
        let missing = expected.keys.filter { state[$0] == nil }
        if !missing.isEmpty { problems.append("missing \(list(missing))") }
        let unexpected = state.keys.filter { expected[$0] == nil }
        if !unexpected.isEmpty { problems.append("unexpected \(list(unexpected))") }
        for (name, shape) in expected.sorted(by: { $0.key < $1.key }) {
            guard let tensor = state[name] else { continue }
            if tensor.shape != shape {
                problems.append("\(name) has shape \(tensor.shape) where \(shape) is expected")
            } else if !tensor.dtype.isFloatingPoint {
                problems.append("\(name) has elements of type \(tensor.dtype) where floating-point ones are expected")
            }
            if problems.count > 6 { break }
        }
        return problems.isEmpty ? nil : "the weights do not fit the configuration: " + problems.joined(separator: "; ")
    }
}

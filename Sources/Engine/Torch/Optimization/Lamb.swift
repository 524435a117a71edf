import Foundation

/// LAMB with decoupled weight decay, in the form of apex's `FusedLAMB`.
///
/// Source: You et al. 2020. Adam's step with weight decay, scaled for each parameter by the ratio of the parameter's norm
/// to the step's. Unlike in ``Adam``, ε is added after the moments' bias correction. As in apex, without weight decay
/// there is no such scaling. apex clips gradients to a norm of 1 itself; here the caller clips, by the gradient scale.
public final class Lamb: Optimizer {
    private let parameters: FlatParameters
    private let options: Moments.Options
    /// The running moments.
    public let moments: Moments

    /// Makes an optimizer with zero moments.
    public init(_ parameters: FlatParameters, _ options: Moments.Options) throws {
        self.parameters = parameters
        self.options = options
        moments = try Moments(parameters)
    }

    /// Makes one update from the gradients in the flat buffer.
    ///
    /// - Parameter gradientScale: A factor on the gradients: normalization and clipping in one.
    /// - Throws: `TorchError.operation` if the buffers no longer have equal sizes.
    public func step(learningRate: Double, gradientScale: Double = 1) throws {
        moments.updates += 1
        try withoutGradient {
            let (values, gradients) = (parameters.masters, try parameters.gradients.rows(parameters.own))
            if gradientScale != 1 { try gradients.scaleInPlace(gradientScale) }
            // Elementwise steps run over all parameters at once.
            try moments.first.interpolateInPlace(to: gradients, weight: 1 - options.beta1)
            try moments.second.interpolateInPlace(to: gradients.squared(), weight: 1 - options.beta2)
            let (first, second) = (correction(options.beta1), correction(options.beta2))
            let denominator = try (moments.second / second).squareRoot() + options.epsilon
            let step = try moments.first / denominator
            try step.scaleInPlace(1 / first)
            if options.weightDecay != 0 {
                try step.addInPlace(values, scale: options.weightDecay)
                try scaleByTrust(step)
            }
            try values.addInPlace(step, scale: -learningRate)
        }
    }

    private func correction(_ beta: Double) -> Double { 1 - pow(beta, Double(moments.updates)) }

    /// Multiplies each parameter's step by ‖parameter‖ / ‖step‖, the trust ratio, or by 1 where one norm is 0.
    private func scaleByTrust(_ step: Tensor) throws {
        let pieces = parameters.ownPieces
        let steps = try pieces.map { try step.rows($0.range) }
        let values = try pieces.map { try parameters.masters.rows($0.range) }
        // A parameter may span several shards.
        let norms = try parameters.summed(squares(values, steps, of: pieces.map(\.parameter))).squareRoot()
            .to(dtype: .float32)
        let (ofValues, ofSteps) = (try norms.selected(0, 0), try norms.selected(0, 1))
        let usable = try ofValues.isGreater(than: 0).and(ofSteps.isGreater(than: 0))
        let one = try Tensor.ones(ofSteps.shape, device: step.device)
        let ratios = try Tensor.choose(usable, ofValues / ofSteps, else: one)
        guard !pieces.isEmpty else { return }
        let factors = try pieces.map { try ratios.selected(0, $0.parameter) }
        try ATen.foreachMulInPlace.run(.tensors(steps), .tensors(factors))
    }

    /// Returns the squared norms of pieces of parameters and of their steps, in double precision.
    ///
    /// - Returns: [2, all parameters]; 0 for the parameters of other processes.
    private func squares(_ values: [Tensor], _ steps: [Tensor], of indices: [Int]) throws -> Tensor {
        let all = try Tensor.zeros([2, parameters.names.count], dtype: .float64, device: parameters.masters.device)
        guard !indices.isEmpty else { return all }
        let own = try Tensor.stack([norms(values), norms(steps)]).to(dtype: .float64).squared()
        return try all.replacing(Tensor(indices.map(Int64.init)).to(device: all.device), with: own, 1)
    }

    private func norms(_ tensors: [Tensor]) throws -> Tensor {
        guard case .tensors(let norms)? = try ATen.foreachNorm.values(.tensors(tensors), .int(2)).first else {
            throw TorchError.operation("\(ATen.foreachNorm.name): expected a list of norms")
        }
        return try .stack(norms.compactMap { $0 })
    }
}

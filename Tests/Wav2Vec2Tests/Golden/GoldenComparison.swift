import TestSupport
import Testing
import W2VTorch

@testable import W2VBackbone
@testable import W2VInterchange

/// Compares a run's tensors with ours, and records which have not been compared.
final class GoldenComparison {
    let reference: [String: Tensor]
    private let golden: GoldenCase
    private var compared: Set<String> = []

    init(_ golden: GoldenCase) throws {
        self.golden = golden
        reference = try golden.tensors(golden.name)
        let gradients = reference.keys.count { $0.hasPrefix("grad.") }
        #expect(golden.facts["n_grads"]?.integer == gradients, "the facts count other gradients")
    }

    /// Expects a computed tensor to equal the run's tensor `key`, after `change`, if the run has one.
    func expect(
        _ found: Tensor?, _ key: String, tolerance: Double = 1e-5, as what: String? = nil,
        _ change: (Tensor) throws -> Tensor = { $0 }
    ) throws {
        guard let expected = reference[key] else { return }
        compared.insert(key)
        try expectEqual(found, change(expected), what ?? key, tolerance: tolerance)
    }

    /// Compares all frames of a stage, or only the masked ones if only those have been computed.
    func expectFrames(
        _ found: Tensor?, _ key: String, masked: [Int], _ change: (Tensor) throws -> Tensor
    ) throws {
        try expect(found, key) { expected in
            let expected = try change(expected)
            let isPart = found.map { $0.size(0) != expected.size(0) && $0.size(0) == masked.count } ?? false
            return isPart ? try expected.taking(Tensor(masked)) : expected
        }
    }

    /// Expects the stages that a probe has observed to equal the run's, on the frames that are not padding.
    func expectStages(_ stages: [String: Tensor], _ layout: RaggedLayout, factor: Int, masked: [Int] = []) throws {
        let whole = layout.lengths
        let shortened = layout.roundedUp(toMultipleOf: factor).lengths
        for key in reference.keys where key.hasPrefix("out.") {
            let stage = String(key.dropFirst("out.".count))
            let lengths: [Int]
            switch stage {
            case "conv_features":
                try expect(stages[stage], key) { try validRows($0.transposed(1, 2), whole) }
                continue
            case "encoder_input", "features_ln", "pos_conv", "encoder_out": lengths = whole
            case "downsample_layer": lengths = shortened.map { $0 / factor }
            case "upsample_layer": lengths = shortened
            case _ where stage.hasPrefix("hourglass_layers."): lengths = shortened.map { $0 / factor }
            case _ where stage.hasPrefix("layers.") || stage.hasPrefix("post_layers."): lengths = whole
            // Not a stage: it is compared elsewhere, or `expectAllCompared` fails.
            default: continue
            }
            try expectFrames(stages[stage], key, masked: masked) { try validRows($0, lengths) }
        }
        // The padding of each utterance.
        if let lengths = reference["out.feature_lens"] {
            compared.insert("out.feature_lens")
            #expect(try lengths.elements(Int.self) == whole)
        }
        if let padding = reference["out.padding_mask"] {
            compared.insert("out.padding_mask")
            let flags = try padding.elements(Bool.self)
            let width = padding.size(1)
            #expect((0..<whole.count).map { row in flags[row * width..<(row + 1) * width].count { !$0 } } == whole)
        }
    }

    /// Expects gradients within a tolerance of each parameter's largest; all of the run's, and no others but zeros.
    ///
    /// Softmax is invariant to a constant added to all keys' scores, so the gradient of a key bias is only rounding
    /// noise: it is held to 1e-5 of the query bias's.
    func expectGradients(_ module: Module, tolerance: Double = 1e-5) throws {
        let expected = reference.filter { $0.key.hasPrefix("grad.") }
        guard !expected.isEmpty else { return }
        let found = try gradients(of: module)
        for (key, gradient) in expected {
            let own = found[String(key.dropFirst("grad.".count))]
            guard key.hasSuffix("k_proj.bias") else {
                try expect(own, key, tolerance: tolerance)
                continue
            }
            compared.insert(key)
            let query = try #require(expected[key.replacing("k_proj.bias", with: "q_proj.bias")])
            let bound = 1e-5 * (try query.elements(Double.self).map(\.magnitude).max() ?? 0)
            for (one, other) in try zip(#require(own).elements(Double.self), gradient.elements(Double.self)) {
                #expect(abs(one - other) <= bound, "\(key) differs by \(abs(one - other)), more than \(bound)")
            }
        }
        for (name, gradient) in found where expected["grad." + name] == nil {
            #expect(try gradient.magnitude().sum().item() == 0, "\(name) has a gradient that the reference has not")
        }
    }

    /// Expects that every output and gradient of the run was compared, or differs for a reason that the table gives.
    func expectAllCompared(but left: Set<String> = []) {
        let reasons = GoldenTask.differences(golden)
        let outputs = reference.keys.filter { $0.hasPrefix("out.") || $0.hasPrefix("grad.") }
        for key in outputs.sorted() where !compared.union(left).contains(key) && reasons[key] == nil {
            Issue.record("nothing has compared \(key)")
        }
    }
}

/// Returns the gradients of a module's parameters by the references' names.
func gradients(of module: Module) throws -> [String: Tensor] {
    var found: [String: Tensor] = [:]
    for parameter in module.parameters() { found[parameter.name] = try parameter.tensor.gradient() }
    return try FusedParameters.split(found)
}

/// Expects a tensor to equal another one, relative to the other's largest magnitude.
func expectEqual(_ found: Tensor?, _ expected: Tensor, _ what: String, tolerance: Double = 1e-5) throws {
    let error = try relativeError(#require(found, "\(what) is missing"), expected)
    #expect(error <= tolerance, "\(what) differs by \(error)")
}

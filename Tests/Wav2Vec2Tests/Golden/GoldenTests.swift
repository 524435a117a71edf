import Foundation
import TestSupport
import Testing
import W2VTorch

@testable import W2VBackbone
@testable import W2VInterchange
@testable import W2VObjectives

/// Parity with fairseq, NVIDIA's version and Hugging Face's, stage by stage, losses and gradients.
@Suite("GoldenTests")
struct GoldenTests {
    @Test(arguments: GoldenCase.all)
    func equalsTheReference(_ golden: GoldenCase) throws {
        if golden.isCTC {
            try golden.name.hasSuffix(".infer") ? checkInference(golden) : checkRecognition(golden)
        } else {
            // The paper's layers on all frames, and a training run's on those that are read.
            try checkPretraining(golden, .full, converts: false)
            try checkPretraining(golden, .lean, converts: true)
        }
    }

    /// The kernels for GPUs, emulated, in place of those for host memory.
    @Test(arguments: GoldenCase.all.filter { !$0.isCTC && $0.name.contains("unpadded") })
    func equalsTheReferenceWithDeviceKernels(_ golden: GoldenCase) throws {
        try withEmulatedDeviceKernels {
            try checkPretraining(golden, .full, converts: true)
            try checkPretraining(golden, .lean, converts: true)
        }
    }

    @Test func casesAreThere() {
        print("golden: \(GoldenCase.all.count) cases")
        #expect(GoldenCase.all.count >= 23)
    }

    // MARK: Comparison

    private func expect(
        _ found: Tensor?, _ expected: Tensor?, _ what: String, tolerance: Double = 1e-5
    ) throws {
        guard let expected else { return }
        let error = try relativeError(#require(found, "\(what) is missing"), expected)
        #expect(error <= tolerance, "\(what) differs by \(error)")
    }

    /// Gradients within 1e-5 of each parameter's largest.
    ///
    /// Softmax does not see what it adds to all keys, so that a key bias has no gradient but rounding: it is held to 1e-5 of
    /// the query bias's.
    private func expectGradients(
        _ module: Module, _ reference: [String: Tensor], tolerance: Double = 1e-5
    ) throws {
        let expected = reference.filter { $0.key.hasPrefix("grad.") }
        guard !expected.isEmpty else { return }
        var found: [String: Tensor] = [:]
        for parameter in module.parameters() { found[parameter.name] = try parameter.tensor.gradient() }
        found = try FusedParameters.split(found)
        for (key, gradient) in expected {
            let own = found[String(key.dropFirst(5))]
            guard let query = expected[key.replacing("k_proj.bias", with: "q_proj.bias")], key.hasSuffix("k_proj.bias")
            else {
                try expect(own, gradient, key, tolerance: tolerance)
                continue
            }
            let bound = 1e-5 * (try query.elements(Double.self).map(\.magnitude).max() ?? 0)
            for (one, other) in try zip(#require(own).elements(Double.self), gradient.elements(Double.self)) {
                #expect(abs(one - other) <= bound, "\(key) differs by \(abs(one - other)), more than \(bound)")
            }
        }
        let names = Set(expected.keys.map { String($0.dropFirst(5)) })
        for (name, gradient) in found where !names.contains(name) {
            #expect(try gradient.magnitude().sum().item() == 0, "\(name) has a gradient that the reference has not")
        }
    }

    private func expectStages(
        _ stages: [String: Tensor], _ reference: [String: Tensor], _ layout: RaggedLayout, factor: Int,
        masked: [Int] = []
    ) throws {
        for (key, expected) in reference where key.hasPrefix("out.") {
            let stage = String(key.dropFirst(4))
            guard let found = stages[stage] else { continue }
            let lengths: [Int]
            switch stage {
            case "conv_features":
                try expect(found, validRows(expected.transposed(1, 2), layout.lengths), key)
                continue
            case "encoder_input", "features_ln", "pos_conv", "encoder_out": lengths = layout.lengths
            case "downsample_layer": lengths = layout.roundedUp(toMultipleOf: factor).lengths.map { $0 / factor }
            case "upsample_layer": lengths = layout.roundedUp(toMultipleOf: factor).lengths
            case let name where name.hasPrefix("hourglass_layers."):
                lengths = layout.roundedUp(toMultipleOf: factor).lengths.map { $0 / factor }
            case let name where name.hasPrefix("layers.") || name.hasPrefix("post_layers."): lengths = layout.lengths
            default: continue
            }
            try expectFrames(found, validRows(expected, lengths), masked, key)
        }
    }

    /// Compares all frames, or the masked ones where only those have been computed.
    private func expectFrames(_ found: Tensor?, _ expected: Tensor, _ masked: [Int], _ what: String) throws {
        let isPart = found.map { $0.size(0) != expected.size(0) && $0.size(0) == masked.count } ?? false
        try expect(found, isPart ? expected.taking(Tensor(masked)) : expected, what)
    }

    // MARK: Pre-training

    /// Checks the paper's layers, or those of a training run, as computed with a plan.
    private func checkPretraining(_ golden: GoldenCase, _ plan: ExecutionPlan, converts: Bool) throws {
        let reference = try golden.tensors(golden.name)
        let (description, state) = try golden.model()
        let model = try PretrainingModel(
            description.model, objective: description.objective,
            maskChannelBefore: description.masking.maskChannelBefore, initializer: .empty)
        try model.load(state)
        try model.setRequiresGradient(true)
        if converts { try model.convertForTraining() }
        let (samples, lengths) = try golden.input()
        let layout = try model.backbone.featureExtractor.layout(samples: lengths)
        let plans = try subBatches(golden, reference, layout, groups: description.model.latentGroups)

        var stages: [String: [Tensor]] = [:]
        var pass = ForwardPass.inference
        (pass.plan, pass.probe) = (plan, { stages[$0, default: []].append($1) })
        let losses = try model.losses(
            PretrainingBatch(
                samples, lengths: lengths, plans: plans, temperature: golden.facts["temperature"]?.double ?? 2,
                for: model), pass)
        try expectStages(
            stages.mapValues { $0[0] }, reference, layout, factor: description.model.hourglass?.factor ?? 1,
            masked: Mask.joined(plans.map(\.mask)).rows(in: layout))
        // Logits come as [1 + negatives, utterances, frames].
        if plan.keepsLogits, let logits = reference["out.logits"] {
            let expected = try logits.reshaped(logits.size(0), -1).transposed()
            try expect(stages["logits"]?[0], expected, "out.logits")
        }
        for (index, quantized) in try (stages["quantized"]?[0].split(losses.sampleSizes) ?? []).enumerated() {
            let expected = reference[index == 0 ? "out.quantized" : "out.quantized.\(index)"]
            try expect(quantized, expected?.reshaped(-1, quantized.size(1)), "out.quantized.\(index)")
        }
        try expect(
            losses.contrastive.sum(), reference["out.loss_contrastive"] ?? reference["out.contrastive_loss"], "loss")
        if let correct = golden.facts["correct"]?.integer {
            #expect(try Int(losses.correct.sum().item()) == correct)
        }
        if let size = golden.facts["sample_size"]?.integer {
            #expect(losses.sampleSizes.reduce(0, +) == size)
        }
        try expectHuggingFaceStates(golden, reference, stages, plans, layout)
        // For each sub-batch, the perplexities of probabilities and of codes.
        if let expected = golden.facts["quantizer_perplexities"]?.array {
            let perplexities = expected.map { $0.array?.compactMap(\.double) ?? [] }
            for (index, found) in [losses.quantized?.probabilityPerplexity, losses.quantized?.codePerplexity]
                .enumerated()
            {
                try expect(
                    found, Tensor(perplexities.map { Float($0[index]) }), "quantizer_perplexities, number \(index)")
            }
        }
        guard golden.ragged != "activations-and-contrastive" else { return }
        func single(_ numbers: Tensor?) throws -> Tensor? { try numbers?.viewed([]) }
        let quantized = losses.quantized
        try expect(single(losses.diversity), reference["out.loss_diversity"], "out.loss_diversity")
        try expect(single(quantized?.probabilityPerplexity), reference["out.prob_perplexity"], "out.prob_perplexity")
        try expect(single(quantized?.codePerplexity), reference["out.code_perplexity"], "out.code_perplexity")
        if golden.ragged == "equal" {
            try expect(single(losses.penalty), reference["out.loss_penalty"], "out.loss_penalty")
            try expect(single(losses.featurePenalty), reference["out.features_pen"], "out.features_pen")
        }
        try expect(losses.total, reference["out.loss"], "out.loss")
        try losses.total.backward()
        try expectGradients(model, reference)
    }

    private func expectHuggingFaceStates(
        _ golden: GoldenCase, _ reference: [String: Tensor], _ stages: [String: [Tensor]], _ plans: [SegmentPlan],
        _ layout: RaggedLayout
    ) throws {
        guard golden.facts["peer"]?.string == "hf" else { return }
        let masked = try Tensor(plans[0].mask.rows(in: layout))
        for (key, name) in [("out.projected_states", "predictions"), ("out.projected_quantized_states", "targets")] {
            if let states = reference[key] {
                try expect(stages[name]?[0], validRows(states, layout.lengths).taking(masked), key)
            }
        }
        for (key, expected) in reference where key.hasPrefix("out.hidden_states.") {
            let index = try #require(Int(key.dropFirst("out.hidden_states.".count)))
            let found = stages[index == 0 ? "layers_input" : "layers.\(index - 1)"]?[0]
            try expectFrames(found, validRows(expected, layout.lengths), plans[0].mask.rows(in: layout), key)
        }
    }

    /// Masks, negatives and noise as the reference drew them.
    private func subBatches(
        _ golden: GoldenCase, _ reference: [String: Tensor], _ layout: RaggedLayout, groups: Int
    ) throws -> [SegmentPlan] {
        let sizes = golden.facts["sub_batch_sizes"]?.array?.compactMap(\.integer) ?? [layout.count]
        let isConcatenated = sizes.count > 1
        var start = 0
        return try sizes.enumerated().map { index, count in
            func auxiliary(_ name: String) -> Tensor? {
                reference["aux.\(name)" + (isConcatenated ? ".\(index)" : "")]
            }
            let utterances = start..<start + count
            start += count
            let mask = try frames(#require(auxiliary("mask_indices")), Array(layout.lengths[utterances]))
            let negatives: Negatives
            var noise = QuantizerNoise.none
            if let indices = auxiliary("sampled_negative_indices") {
                // Hugging Face's count frames of the padded batch.
                let time = indices.size(1)
                let all = try indices.elements(Int.self)
                let each = indices.size(2)
                negatives = Negatives(
                    sameUtterance: mask.enumerated().map { utterance, positions in
                        let ordinal = Dictionary(uniqueKeysWithValues: positions.enumerated().map { ($1, $0) })
                        return positions.flatMap { position in
                            let row = (utterance * time + position) * each
                            return all[row..<row + each].map { ordinal[$0 - utterance * time] ?? -1 }
                        }
                    })
                if let gumbel = auxiliary("gumbel_noise") {
                    let rows = mask.enumerated().flatMap { utterance, positions in
                        positions.map { utterance * time + $0 }
                    }
                    noise = .given(
                        try gumbel.viewed(-1, groups, gumbel.size(1)).taking(Tensor(rows)).viewed(-1, gumbel.size(1)))
                }
            } else {
                let indices = try #require(auxiliary("neg_idxs"))
                let all = try indices.elements(Int.self)
                let each = indices.size(1)
                negatives = Negatives(
                    sameUtterance: (0..<count).map { utterance in
                        all[utterance * each..<(utterance + 1) * each].map { $0 - utterance * mask[utterance].count }
                    })
                if let gumbel = auxiliary("gumbel_noise") { noise = .given(gumbel) }
            }
            return SegmentPlan(
                utterances: utterances, mask: Mask(frames: mask), negatives: negatives, noise: noise)
        }
    }

    private func frames(_ mask: Tensor, _ lengths: [Int]) throws -> [[Int]] {
        let flags = try mask.elements(Bool.self)
        let width = mask.size(1)
        return lengths.enumerated().map { row, length in (0..<length).filter { flags[row * width + $0] } }
    }

    // MARK: Recognition

    private func checkRecognition(_ golden: GoldenCase) throws {
        let reference = try golden.tensors(golden.name)
        let (description, state) = try golden.model()
        let labelCount = try #require(state["w2v_encoder.proj.weight"]).size(0)
        let model = try CTCModel(description.model, labels: labelCount, initializer: .empty)
        try model.load(state)
        try model.setRequiresGradient(true)
        let (samples, lengths) = try golden.input()
        let layout = try model.backbone.featureExtractor.layout(samples: lengths)
        var mask: Mask?
        if let indices = reference["aux.mask_indices"] {
            mask = Mask(frames: try frames(indices, layout.lengths))
            if let channels = reference["aux.mask_channel_indices"] {
                mask?.channels = try frames(channels, layout.lengths.map { _ in channels.size(1) })
            }
        }
        var stages: [String: Tensor] = [:]
        var pass = ForwardPass.inference
        (pass.plan, pass.probe) = (.full, { stages[$0] = $1 })
        let (logits, _) = try model(samples, lengths: lengths, mask: mask, pass)
        try expectStages(stages, reference, layout, factor: description.model.hourglass?.factor ?? 1)

        let isHuggingFace = golden.facts["peer"]?.string == "hf"
        func byUtterance(_ tensor: Tensor) throws -> Tensor {
            try validRows(isHuggingFace ? tensor : tensor.transposed(0, 1), layout.lengths)
        }
        try expect(logits, byUtterance(#require(reference["out.logits"])), "out.logits")
        if let expected = reference["out.lprobs"] {
            try expect(logits.logSoftmax(-1), byUtterance(expected), "out.lprobs")
        }
        let targets = try targets(reference)
        let total = try model.losses(logits, layout, targets: targets).sum()
        try expect(total, reference["out.loss"], "out.loss")
        try model.convertForTraining()
        let exact = try CTCModel(description.model, labels: labelCount, initializer: .empty)
        try exact.load(state)
        try checkGradients(model, exact, samples, lengths, mask, targets, reference)
        try withoutGradient {
            try model.convert(for: .inference, on: .cpu, precision: ModelPrecision())
            let (logits, _) = try model(samples, lengths: lengths, mask: mask, pass)
            try expectStages(stages, reference, layout, factor: description.model.hourglass?.factor ?? 1)
            try expect(logits, byUtterance(#require(reference["out.logits"])), "out.logits of packed weights")
            let (lean, _) = try model(samples, lengths: lengths, mask: mask)
            try expect(lean, byUtterance(#require(reference["out.logits"])), "out.logits without masked frames")
        }
    }

    /// Checks a training run's gradients with the references' recursion and with ours, and compares them with the
    /// paper's layers in FP64.
    ///
    /// The references run CTC's recursion in FP32, where its gradient loses accuracy. With the same recursion our
    /// gradients equal theirs. With ours, in FP64, they equal those of the whole model in FP64, and differ from the
    /// references' as much as those do.
    private func checkGradients(
        _ model: CTCModel, _ exact: CTCModel, _ samples: Tensor, _ lengths: [Int], _ mask: Mask?, _ targets: [[Int]],
        _ reference: [String: Tensor]
    ) throws {
        guard reference.keys.contains(where: { $0.hasPrefix("grad.") }) else { return }
        func run(_ model: CTCModel, _ samples: Tensor, _ loss: (Tensor, RaggedLayout) throws -> Tensor) throws {
            for parameter in model.parameters() {
                parameter.tensor = try parameter.tensor.detached().requiringGradient()
            }
            let (logits, layout) = try model(samples, lengths: lengths, mask: mask)
            try loss(logits, layout).backward()
        }
        try run(model, samples) { logits, layout in
            try logits.split(layout.lengths).enumerated().map { utterance, part in
                try part.logSoftmax(-1).unsqueezed(1).ctcLoss(
                    targets: Tensor(targets[utterance], shape: [1, targets[utterance].count]), blank: 0,
                    zeroInfinity: false
                ).reshaped([])
            }.reduce(Tensor.scalar(0)) { try $0 + $1 }
        }
        // Two FP32 programs, with a recursion in each that amplifies what they round: 1.5e-5 is seen.
        try expectGradients(model, reference, tolerance: 3e-5)
        try run(model, samples) { try model.losses($0, $1, targets: targets).sum() }
        try expectGradients(model, reference, tolerance: 5e-5)
        var own: [String: Tensor] = [:]
        for parameter in model.parameters() { own[parameter.name] = try parameter.tensor.gradient() }
        for parameter in exact.parameters() { parameter.tensor = try parameter.tensor.to(dtype: .float64) }
        try run(exact, samples.to(dtype: .float64)) { try exact.losses($0, $1, targets: targets).sum() }
        for parameter in exact.parameters() {
            if let exact = try parameter.tensor.gradient(), !parameter.name.hasSuffix("k_proj.bias") {
                try expect(own[parameter.name]?.to(dtype: .float64), exact, "\(parameter.name) in FP64")
            }
        }
    }

    private func targets(_ reference: [String: Tensor]) throws -> [[Int]] {
        let labels = try #require(reference["aux.target"] ?? reference["aux.labels"])
        let all = try labels.elements(Int.self)
        let width = labels.size(1)
        let lengths = try reference["aux.target_lengths"]?.elements(Int.self)
        return (0..<labels.size(0)).map { row in
            let line = all[row * width..<(row + 1) * width]
            return lengths.map { Array(line.prefix($0[row])) } ?? line.filter { $0 >= 0 }
        }
    }

    private func checkInference(_ golden: GoldenCase) throws {
        let reference = try golden.tensors(golden.name)
        let (description, state) = try golden.model()
        let labelCount = try #require(state["w2v_encoder.proj.weight"]).size(0)
        let model = try CTCModel(description.model, labels: labelCount, initializer: .empty)
        try model.load(state)
        let (samples, lengths) = try golden.input()
        func check() throws {
            let (logits, layout) = try model(samples, lengths: lengths)
            if golden.ragged == "equal" {
                let expected = try #require(reference["out.logits"]).transposed(0, 1)
                try expect(logits, validRows(expected, layout.lengths), "out.logits")
            }
            let source = RaggedLayout(lengths)
            for utterance in 0..<lengths.count {
                let alone = try #require(reference["out.alone.\(utterance).logits"]).squeezed(1)
                let (own, _) = try model(samples.rows(source.rows(utterance)), lengths: [lengths[utterance]])
                try expect(own, alone, "out.alone.\(utterance).logits")
                try expect(logits.rows(layout.rows(utterance)), alone, "out.alone.\(utterance).logits in the batch")
            }
        }
        try withoutGradient {
            try check()
            try model.convert(for: .inference, on: .cpu, precision: ModelPrecision())
            try check()
        }
    }
}

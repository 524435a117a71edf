import Foundation
import TestSupport
import Testing
import W2VTorch

@testable import W2VBackbone
@testable import W2VInterchange
@testable import W2VObjectives

/// Parity with fairseq, NVIDIA's version and Hugging Face's, stage by stage, losses and gradients.
@Suite("GoldenTests", .onTestThreads)
struct GoldenTests {
    @Test(arguments: GoldenCase.all)
    func equalsTheReference(_ golden: GoldenCase) throws {
        switch try #require(golden.task, "\(golden.name) has no row in GoldenTask.table") {
        case .inference: try checkInference(golden)
        case .recognition: try checkRecognition(golden)
        case .pretraining, .evenPretraining:
            // The paper's layers on all frames, and a training run's on the frames that are needed.
            try checkPretraining(golden, .full, converts: false)
            try checkPretraining(golden, .lean, converts: true)
        }
    }

    /// The GPU kernels, emulated, in place of those for host memory.
    @Test(arguments: GoldenCase.all.filter { $0.task == .evenPretraining })
    func equalsTheReferenceWithDeviceKernels(_ golden: GoldenCase) throws {
        try withEmulatedDeviceKernels {
            try checkPretraining(golden, .full, converts: true)
            try checkPretraining(golden, .lean, converts: true)
        }
    }

    @Test func casesAreThere() {
        print("golden: \(GoldenCase.all.count) cases")
        for folder in GoldenCase.folders {
            let names = Set(GoldenCase.all.filter { $0.folder == folder }.map(\.name))
            #expect(names == Set(GoldenTask.table.keys), "\(folder.path)")
        }
    }

    // MARK: Pre-training

    /// Checks the paper's layers, or those of a training run, as computed with a plan.
    private func checkPretraining(_ golden: GoldenCase, _ plan: ExecutionPlan, converts: Bool) throws {
        let comparison = try GoldenComparison(golden)
        let reference = comparison.reference
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
        let masked = Mask.joined(plans.map(\.mask)).rows(in: layout)
        try comparison.expectStages(
            stages.mapValues { $0[0] }, layout, factor: description.model.hourglass?.factor ?? 1, masked: masked)
        // Logits come as [1 + negatives, utterances, frames]; a lean plan needs none.
        if plan.keepsLogits {
            try comparison.expect(stages["logits"]?[0], "out.logits") { try $0.reshaped($0.size(0), -1).transposed() }
        }
        for (index, quantized) in try (stages["quantized"]?[0].split(losses.sampleSizes) ?? []).enumerated() {
            try comparison.expect(quantized, index == 0 ? "out.quantized" : "out.quantized.\(index)") {
                try $0.reshaped(-1, quantized.size(1))
            }
        }
        for key in ["out.loss_contrastive", "out.contrastive_loss"] {
            try comparison.expect(losses.contrastive.sum(), key)
        }
        if let correct = golden.facts["correct"]?.integer {
            #expect(try Int(losses.correct.sum().item()) == correct)
        }
        if let size = golden.facts["sample_size"]?.integer {
            #expect(losses.sampleSizes.reduce(0, +) == size)
        }
        try expectHuggingFaceStates(comparison, stages, masked, layout)
        // For each sub-batch, the perplexities of probabilities and of codes.
        if let expected = golden.facts["quantizer_perplexities"]?.array {
            let perplexities = expected.map { $0.array?.compactMap(\.double) ?? [] }
            for (index, found) in [losses.quantized?.probabilityPerplexity, losses.quantized?.codePerplexity]
                .enumerated()
            {
                try expectEqual(
                    found, Tensor(perplexities.map { Float($0[index]) }), "quantizer_perplexities, number \(index)")
            }
        }
        if golden.extent != .activationsAndContrastiveLoss {
            func single(_ numbers: Tensor?) throws -> Tensor? { try numbers?.viewed([]) }
            let quantized = losses.quantized
            try comparison.expect(single(losses.diversity), "out.loss_diversity")
            // Hugging Face's is unweighted.
            try comparison.expect(
                single(losses.diversity.map { try $0 / description.objective.lossWeights[0] }), "out.diversity_loss")
            try comparison.expect(single(quantized?.probabilityPerplexity), "out.prob_perplexity")
            try comparison.expect(single(quantized?.probabilityPerplexity), "out.codevector_perplexity")
            try comparison.expect(single(quantized?.codePerplexity), "out.code_perplexity")
            if golden.extent == .everything {
                try comparison.expect(single(losses.penalty), "out.loss_penalty")
                try comparison.expect(single(losses.featurePenalty), "out.features_pen")
            }
            try comparison.expect(losses.total, "out.loss")
            try losses.total.backward()
            try comparison.expectGradients(model)
        }
        comparison.expectAllCompared(but: plan.keepsLogits ? [] : ["out.logits"])
    }

    private func expectHuggingFaceStates(
        _ comparison: GoldenComparison, _ stages: [String: [Tensor]], _ masked: [Int], _ layout: RaggedLayout
    ) throws {
        for (key, name) in [("out.projected_states", "predictions"), ("out.projected_quantized_states", "targets")] {
            try comparison.expect(stages[name]?[0], key) {
                try validRows($0, layout.lengths).taking(Tensor(masked))
            }
        }
        for key in comparison.reference.keys where key.hasPrefix("out.hidden_states.") {
            let index = try #require(Int(key.dropFirst("out.hidden_states.".count)))
            let found = stages[index == 0 ? "layers_input" : "layers.\(index - 1)"]?[0]
            try comparison.expectFrames(found, key, masked: masked) { try validRows($0, layout.lengths) }
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
                // Hugging Face's indices count frames of the padded batch.
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
        let comparison = try GoldenComparison(golden)
        let reference = comparison.reference
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
        let factor = description.model.hourglass?.factor ?? 1
        try comparison.expectStages(stages, layout, factor: factor)

        let isHuggingFace = golden.facts["peer"]?.string == "hf"
        func byUtterance(_ tensor: Tensor) throws -> Tensor {
            try validRows(isHuggingFace ? tensor : tensor.transposed(0, 1), layout.lengths)
        }
        try comparison.expect(logits, "out.logits", byUtterance)
        try comparison.expect(logits.logSoftmax(-1), "out.lprobs", byUtterance)
        let targets = try targets(reference)
        try comparison.expect(model.losses(logits, layout, targets: targets).sum(), "out.loss")
        try model.convertForTraining()
        let exact = try CTCModel(description.model, labels: labelCount, initializer: .empty)
        try exact.load(state)
        try checkGradients(model, exact, samples, lengths, mask, targets, comparison)
        try withoutGradient {
            try model.convert(for: .inference, on: .cpu, precision: ModelPrecision())
            stages = [:]
            let (logits, _) = try model(samples, lengths: lengths, mask: mask, pass)
            try comparison.expectStages(stages, layout, factor: factor)
            try comparison.expect(logits, "out.logits", as: "out.logits of packed weights", byUtterance)
            let (lean, _) = try model(samples, lengths: lengths, mask: mask)
            try comparison.expect(lean, "out.logits", as: "out.logits without masked frames", byUtterance)
        }
        comparison.expectAllCompared()
    }

    /// Checks a training run's gradients with the references' recursion and with ours, and compares them with the
    /// paper's layers in FP64.
    ///
    /// The references run CTC's recursion in FP32, where its gradient loses accuracy. With the same recursion our
    /// gradients equal theirs. With ours, in FP64, they equal those of the whole model in FP64, and differ from the
    /// references' as much as those do.
    private func checkGradients(
        _ model: CTCModel, _ exact: CTCModel, _ samples: Tensor, _ lengths: [Int], _ mask: Mask?, _ targets: [[Int]],
        _ comparison: GoldenComparison
    ) throws {
        guard comparison.reference.keys.contains(where: { $0.hasPrefix("grad.") }) else { return }
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
        // Two FP32 programs, each with a recursion that amplifies rounding: 1.5e-5 occurs.
        try comparison.expectGradients(model, tolerance: 3e-5)
        try run(model, samples) { try model.losses($0, $1, targets: targets).sum() }
        try comparison.expectGradients(model, tolerance: 5e-5)
        let own = try gradients(of: model)
        for parameter in exact.parameters() { parameter.tensor = try parameter.tensor.to(dtype: .float64) }
        try run(exact, samples.to(dtype: .float64)) { try exact.losses($0, $1, targets: targets).sum() }
        let doubled = try gradients(of: exact)
        #expect(Set(own.keys) == Set(doubled.keys))
        for (name, gradient) in doubled {
            guard name.hasSuffix("k_proj.bias") else {
                try expectEqual(own[name]?.to(dtype: .float64), gradient, "\(name) in FP64")
                continue
            }
            // Its gradient is only rounding noise, in either precision.
            let query = try #require(doubled[name.replacing("k_proj.bias", with: "q_proj.bias")])
            func largest(_ tensor: Tensor?) throws -> Double {
                try #require(tensor, "\(name)").elements(Double.self).map(\.magnitude).max() ?? 0
            }
            #expect(try largest(gradient) <= 1e-12 * largest(query), "\(name) in FP64")
            #expect(try largest(own[name]) <= 1e-5 * largest(query), "\(name)")
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
        let comparison = try GoldenComparison(golden)
        let (description, state) = try golden.model()
        let labelCount = try #require(state["w2v_encoder.proj.weight"]).size(0)
        let model = try CTCModel(description.model, labels: labelCount, initializer: .empty)
        try model.load(state)
        let (samples, lengths) = try golden.input()
        func check() throws {
            var stages: [String: Tensor] = [:]
            var pass = ForwardPass.inference
            (pass.plan, pass.probe) = (.full, { stages[$0] = $1 })
            let (logits, layout) = try model(samples, lengths: lengths, pass)
            try comparison.expectStages(stages, layout, factor: description.model.hourglass?.factor ?? 1)
            if golden.extent == .everything {
                func byUtterance(_ tensor: Tensor) throws -> Tensor {
                    try validRows(tensor.transposed(0, 1), layout.lengths)
                }
                try comparison.expect(logits, "out.logits", byUtterance)
                try comparison.expect(logits.logSoftmax(-1), "out.lprobs", byUtterance)
            }
            let source = RaggedLayout(lengths)
            for utterance in 0..<lengths.count {
                let key = "out.alone.\(utterance).logits"
                let (own, _) = try model(samples.rows(source.rows(utterance)), lengths: [lengths[utterance]])
                try comparison.expect(own, key) { try $0.squeezed(1) }
                try comparison.expect(logits.rows(layout.rows(utterance)), key, as: "\(key) in the batch") {
                    try $0.squeezed(1)
                }
            }
        }
        try withoutGradient {
            try check()
            try model.convert(for: .inference, on: .cpu, precision: ModelPrecision())
            try check()
        }
        comparison.expectAllCompared()
    }
}

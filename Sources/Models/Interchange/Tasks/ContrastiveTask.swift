import W2VBackbone
import W2VObjectives
import W2VTorch

extension ModelTask {
    /// Pre-training by the contrastive objective (arXiv 2006.11477, section 3).
    public static let pretraining: ModelTask = {
        var task = ModelTask("pretraining", phrase: "a pre-training model") { description, _, initializer in
            try PretrainingModel(description, initializer: initializer)
        } outputs: { checkpoint, samples, lengths in
            let model = try checkpoint.pretrainingModel()
            let features = try model.backbone.features(samples, lengths: lengths)
            let quantized = try model.quantizer?(features.normalized, temperature: .scalar(1), noise: nil)
            return [("context", try model.backbone(samples, lengths: lengths).context)]
                + (quantized.map { [("quantized", $0.vectors)] } ?? [])
        }
        task.purpose = "pre-training"
        task.hasQuantizer = true
        task.parts = [.backbone, .masking, .contrastive]
        task.section = TaskSection(ContrastiveObjective.name, \.objective)
        task.describesEveryModel = true
        task.huggingFace = .contrastive
        task.pyTorch = .contrastive
        return task
    }()
}

extension ModelDescription {
    /// The pre-training objective.
    public var objective: ContrastiveConfiguration {
        get { self[ContrastiveConfiguration.self] }
        set { self[ContrastiveConfiguration.self] = newValue }
    }
}

extension ObjectiveModel where Main == ContrastiveObjective {
    fileprivate convenience init(_ description: ModelDescription, initializer: Initializer) throws {
        try self.init(
            description.model, objective: description.objective,
            maskChannelBefore: description.masking.maskChannelBefore, initializer: initializer)
    }
}

extension Checkpoint {
    /// Returns the pre-training model with its weights.
    public func pretrainingModel() throws -> PretrainingModel {
        try require(.pretraining)
        return try loaded(PretrainingModel(description, initializer: .empty))
    }
}

extension ContrastiveObjective {
    /// Returns the prefixes of the objective's own parameter names, for all configurations.
    static func headPrefixes() throws -> [String] {
        try ContrastiveObjective(
            ContrastiveConfiguration(), ObjectiveContext(ModelConfiguration(), initializer: .shapes)
        ).declaredKeys.map { $0 + "." }
    }
}

// MARK: - Other programs

extension HuggingFaceHead {
    fileprivate static let contrastive: HuggingFaceHead = {
        var head = HuggingFaceHead()
        head.architectures = ["wav2vec2": "Wav2Vec2ForPreTraining"]
        head.names = [
            ParameterName("quantizer.vars", "quantizer.codevectors", marksHead: true),
            ParameterName("quantizer.weight_proj.", "quantizer.weight_proj."),
            ParameterName("project_q.", "project_q."),
            ParameterName("final_proj.", "project_hid."),
        ]
        head.fields = [
            .integer("num_negatives", \.objective.numNegatives),
            .number("contrastive_logits_temperature", \.objective.logitTemp),
            .number("diversity_loss_weight", \.objective.lossWeights[0]),
        ]
        // Their objective has no penalty on the features' energy.
        head.setDefaults = { $0.objective.lossWeights = [0.1, 0] }
        head.noteWithoutHead = "the quantizer's weights are missing, so this is an encoder only"
        head.refusals = { model in
            [
                (!model.quantizeTargets, "targets without a quantizer"), (model.targetGlu, "target_glu"),
                (model.quantizerDepth > 1, "a quantizer_depth above 1"), (model.combineGroups, "combine_groups"),
            ].filter(\.0).map(\.1)
        }
        return head
    }()
}

extension PyTorchHead {
    /// The pre-training part of files; a fine-tuned model's have it too, for the model that it started from.
    static let contrastive: PyTorchHead = {
        var head = PyTorchHead(
            marker: "final_proj.weight", model: "wav2vec2", task: "audio_pretraining", criterion: "wav2vec",
            criterionClass: "Wav2vecCriterion"
        ) { _, options in
            options.options(PyTorchOptions.model.union(PyTorchOptions.masking).union(PyTorchOptions.negatives))
        } criterionOptions: { description, options in
            [("infonce", .bool(description.objective.infonce)), ("loss_weights", options.lossWeights)]
        }
        head.setDefaults = { description, _ in
            description.objective.infonce = false
            description.objective.lossWeights = [0, 0]
        }
        head.refusal = { model, format in
            if format == .nvidia, sharesQuantizer(model) {
                return (
                    "a quantizer that input and targets share (same_quantizer)",
                    "convert it to fairseq, or keep it in this program's format"
                )
            }
            guard model.combineGroups, model.quantizeTargets else { return nil }
            return ("a code book that all groups share (combine_groups)", "keep it in this program's format")
        }
        head.prefixes = { try ContrastiveObjective.headPrefixes() }
        head.secondName = { model in
            sharesQuantizer(model)
                ? SecondName(part: "the quantizer", prefix: "quantizer.", second: "input_quantizer.") : nil
        }
        return head
    }()

    private static func sharesQuantizer(_ model: ModelConfiguration) -> Bool {
        model.sameQuantizer && model.quantizeInput
    }
}

import W2VBackbone
import W2VBase
import W2VObjectives
import W2VTorch

extension ModelTask {
    /// Recognition by CTC (Graves 2006).
    public static let ctc: ModelTask = {
        var task = ModelTask("ctc", phrase: "a ctc model") { description, labels, initializer in
            try CTCModel(description, labels: labels, initializer: initializer)
        } outputs: { checkpoint, samples, lengths in
            [("logits", try checkpoint.ctcModel()(samples, lengths: lengths).logits)]
        }
        task.purpose = "recognition"
        task.backbonePrefix = CTCModel.backboneKey + "."
        task.isFinetuned = true
        task.outputLayer = CTCModel.outputKey
        task.remedy = ModelTask.Remedy("cannot transcribe") { path in "\(.fineTune(path))" }
        task.parts = [.backbone, .masking, .recognition]
        task.section = TaskSection(CTCObjective.name, \.ctc)
        task.describesEveryModel = true
        task.meaninglessKeys = { $0.ctc.blankWeight == 0 ? ["blank_mode"] : [] }
        task.huggingFace = .ctc
        task.pyTorch = .ctc
        return task
    }()
}

extension ModelDescription {
    /// The CTC options.
    public var ctc: CTCConfiguration {
        get { self[CTCConfiguration.self] }
        set { self[CTCConfiguration.self] = newValue }
    }
}

extension ObjectiveModel where Main == CTCObjective {
    fileprivate convenience init(_ description: ModelDescription, labels: Int, initializer: Initializer) throws {
        try self.init(description.model, labels: labels, options: description.ctc, initializer: initializer)
    }
}

extension Checkpoint {
    /// Returns the recognizer's model with its weights.
    public func ctcModel() throws -> CTCModel {
        try requireRecognizer()
        return try loaded(CTCModel(description, labels: labelCount, initializer: .empty))
    }

    /// Throws for models of other tasks.
    func requireRecognizer() throws { try require(.ctc) }
}

// MARK: - Other programs

extension HuggingFaceHead {
    fileprivate static let ctc: HuggingFaceHead = {
        var head = HuggingFaceHead()
        head.architectures = ["wav2vec2": "Wav2Vec2ForCTC", "hubert": "HubertForCTC"]
        head.names = [ParameterName(CTCModel.outputKey + ".", "lm_head.", marksHead: true)]
        head.fields = [
            .flag("ctc_zero_infinity", \.ctc.zeroInfinity), .assumed("ctc_loss_reduction", "sum"),
        ]
        head.setDefaults = { $0.ctc.zeroInfinity = false }
        head.hasTokenizer = true
        return head
    }()
}

extension PyTorchHead {
    fileprivate static let ctc: PyTorchHead = {
        let onlyRecognition: Set = ["final_dropout", "blank_weight", "blank_mode", "freeze_finetune_updates"]
        var head = PyTorchHead(
            marker: CTCModel.outputKey + ".weight", model: "wav2vec_ctc", task: "audio_finetuning", criterion: "ctc",
            criterionClass: "CtcCriterion", labels: "ltr"
        ) { description, options in
            // The pre-trained model's options are nested inside.
            let started: PickledValue = .dictionary(FairseqWriter.sections(.contrastive, description, options))
            let own = options.options(
                PyTorchOptions.masking.union(onlyRecognition).union([
                    "dropout", "attention_dropout", "activation_dropout", "dropout_input", "feature_grad_mult",
                ]))
            return [
                ("w2v_path", .string("")), ("no_pretrained_weights", .bool(false)),
                ("apply_mask", .bool(description.masking.isOn)),
                ("layerdrop", .number(description.model.encoderLayerdrop)),
                ("normalize", .bool(description.normalize)), ("data", .string("")), ("w2v_args", started),
            ] + own
        } criterionOptions: { description, _ in
            [
                ("zero_infinity", .bool(description.ctc.zeroInfinity)), ("sentence_avg", .bool(true)),
                ("post_process", .string("letter")),
            ]
        }
        head.nvidiaOptions = onlyRecognition
        // NVIDIA's criterion has no option for it.
        head.setDefaults = { description, format in description.ctc.zeroInfinity = format == .nvidia }
        head.notes = { description, format in
            format == .nvidia && !description.ctc.zeroInfinity ? ["zero_infinity false: theirs is always true"] : []
        }
        return head
    }()
}

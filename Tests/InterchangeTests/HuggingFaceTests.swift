import Foundation
import TestSupport
import Testing
import W2VBase
import W2VTorch

@testable import W2VBackbone
@testable import W2VInterchange
@testable import W2VObjectives

@Suite(.onTestThreads) struct HuggingFaceTests {
    // MARK: There and back

    @Test(arguments: SmallModel.all)
    func aRoundTripIsBitIdentical(_ model: SmallModel) throws {
        try withTemporaryFolder { folder in
            let native = try Checkpoint.read(model.write(to: folder))
            let theirs = folder.appendingPathComponent("theirs")
            #expect(try native.convert(to: theirs, format: .huggingFace) == model.differsInHuggingFace)
            let read = try Checkpoint.read(theirs)
            #expect(read.format == .huggingFace && read.notCarriedOver == [])
            let back = folder.appendingPathComponent("back")
            #expect(try read.convert(to: back, format: .native) == [])
            let result = try Checkpoint.read(back)
            #expect(try differences(native.state, result.state) == [])
            #expect(result.description == native.description)
        }
    }

    @Test func theirFilesNamesComeBack() throws {
        for (name, task) in [
            ("hf_base_ctc", ModelTask.ctc), ("hf_large_ctc", .ctc), ("hf_base_pretrain", .pretraining),
            ("hf_large_pretrain", .pretraining),
        ] {
            let file = Repository.golden.appendingPathComponent(name).appendingPathComponent("model.safetensors")
            let names = FamilyNames(
                .wav2vec2, task: task, extractorMode: name.contains("large") ? .layerNorm : .groupNorm)
            for entry in try SafetensorsFile(file).entries {
                let ours = try #require(names.ours(entry.name), "\(entry.name)")
                let old = entry.name.replacing("parametrizations.weight.original0", with: "weight_g")
                    .replacing("parametrizations.weight.original1", with: "weight_v")
                #expect(names.theirs(ours) == old && names.ours(old) == ours)
            }
            #expect(
                names.ours("wav2vec2.lm_head.weight") == nil
                    && names.ours("wav2vec2.adapter.layers.0.conv.weight") == nil)
        }
    }

    @Test func theGuideListsEveryName() throws {
        let guide = Repository.root.appendingPathComponent("Documentation/wav2vec2.docc/BringingYourModel.md")
        let rows = try String(contentsOf: guide, encoding: .utf8).split(separator: "\n").filter { $0.hasPrefix("|") }
        for pair in ModelFamily.wav2vec2.names {
            #expect(rows.contains { $0.contains("`\(pair.native)`") && $0.contains("`\(pair.foreign)`") }, "\(pair)")
        }
    }

    @Test(arguments: [("base", "hf_base"), ("large", "hf_large")])
    func theGoldenFoldersHoldFairseqsWeights(_ model: (fairseq: String, theirs: String)) throws {
        let shared = try TensorFile.read(
            Repository.golden.appendingPathComponent("fairseq_\(model.fairseq).weights.safetensors"))
        let pretrained = try Checkpoint.read(Repository.golden.appendingPathComponent("\(model.theirs)_pretrain"))
        #expect(try differences(pretrained.state, shared) == [])
        #expect(pretrained.description.task == .pretraining && pretrained.description.normalize)
        let tuned = try Checkpoint.read(Repository.golden.appendingPathComponent("\(model.theirs)_ctc"))
        let head = try TensorFile.read(
            Repository.golden.appendingPathComponent("fairseq_\(model.fairseq)_ctc.weights.safetensors"))
        let encoder = shared.filter { name, _ in
            !["quantizer.", "project_q.", "final_proj."].contains(where: name.hasPrefix)
        }
        let prefixed = Dictionary(
            uniqueKeysWithValues: encoder.map { (ModelTask.ctc.backbonePrefix + $0, $1) })
        #expect(try differences(tuned.state, prefixed.merging(head) { $1 }) == [])
        #expect(tuned.description.labels.prefix(6) == ["<s>", "<pad>", "</s>", "<unk>", "|", "E"])
    }

    // MARK: Kinds of folders

    @Test func anEncoderWithoutHeadsIsRead() throws {
        try withTemporaryFolder { folder in
            let url = try SmallModel(task: .encoder).write(to: folder, format: .huggingFace)
            let names = try SafetensorsFile(url.appendingPathComponent("model.safetensors")).entries.map(\.name)
            #expect(names.contains("encoder.layer_norm.weight") && !names.contains { $0.hasPrefix("wav2vec2.") })
            let checkpoint = try Checkpoint.read(url)
            #expect(checkpoint.description.task == .encoder)
            let samples = try Tensor((0..<4000).map { Float(sin(Double($0) * 0.1)) })
            let own = try Wav2Vec2Model(checkpoint.description.model, initializer: .empty)
            try own.load(FusedParameters.join(SmallModel(task: .encoder).state()))
            try withoutGradient {
                let (first, second) = try (
                    checkpoint.sharedModel()(samples, lengths: [4000]).context, own(samples, lengths: [4000]).context
                )
                #expect(try differences(["": first], ["": second]) == [])
            }
            #expect(throws: CheckpointError.self) { try checkpoint.pretrainingModel() }
            #expect(throws: CheckpointError.self) { try checkpoint.ctcModel() }
        }
    }

    @Test func pretrainedFoldersWithoutQuantizerAreEncoders() throws {
        try withCopy(of: "hf_base_pretrain") { folder in
            let file = folder.appendingPathComponent("model.safetensors")
            let kept = try TensorFile.read(file).filter { $0.key.hasPrefix("wav2vec2.") }
            try TensorFile.write(kept, metadata: ["format": "pt"], to: file)
            let checkpoint = try Checkpoint.read(folder)
            #expect(checkpoint.description.task == .encoder)
            #expect(checkpoint.notCarriedOver.contains { $0.hasPrefix("Wav2Vec2ForPreTraining: ") })
        }
    }

    @Test func hubertIsTheSameArchitecture() throws {
        try withCopy(of: "hf_large_ctc") { folder in
            let original = try Checkpoint.read(Repository.golden.appendingPathComponent("hf_large_ctc"))
            let file = folder.appendingPathComponent("model.safetensors")
            let renamed = try TensorFile.read(file).map { ($0.key.replacing("wav2vec2.", with: "hubert."), $0.value) }
            try TensorFile.write(Dictionary(uniqueKeysWithValues: renamed), to: file)
            try edit(folder, "config.json") {
                $0["model_type"] = "hubert"
                $0["architectures"] = ["HubertForCTC"]
                $0["feat_proj_layer_norm"] = true
                $0["conv_pos_batch_norm"] = false
            }
            let checkpoint = try Checkpoint.read(folder)
            #expect(try differences(checkpoint.state, original.state) == [])
            #expect(checkpoint.description == original.description && checkpoint.layout == "HuBERT")
            for (key, value) in [("feat_proj_layer_norm", false), ("conv_pos_batch_norm", true)] {
                try edit(folder, "config.json") { $0[key] = value }
                try expectRefusal(folder, key)
                try edit(folder, "config.json") { $0[key] = !value }
            }
        }
    }

    @Test func shardsAreReadTogether() throws {
        try withCopy(of: "hf_base_ctc") { folder in
            let original = try Checkpoint.read(Repository.golden.appendingPathComponent("hf_base_ctc"))
            let file = folder.appendingPathComponent("model.safetensors")
            let tensors = try TensorFile.read(file).sorted { $0.key < $1.key }
            let shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
            var map: [String: String] = [:]
            for (index, shard) in shards.enumerated() {
                let part = tensors.enumerated().filter { $0.offset % 2 == index }.map(\.element)
                for (name, _) in part { map[name] = shard }
                try TensorFile.write(
                    Dictionary(uniqueKeysWithValues: part.map { ($0.key, $0.value) }), metadata: ["format": "pt"],
                    to: folder.appendingPathComponent(shard))
            }
            try FileManager.default.removeItem(at: file)
            let index = "model.safetensors.index.json"
            try edit(folder, index) { $0 = ["metadata": ["total_size": 1], "weight_map": map] }
            let checkpoint = try Checkpoint.read(folder)
            #expect(try differences(checkpoint.state, original.state) == [])
            #expect(checkpoint.notCarriedOver == [])

            for (path, text) in [
                ("../model.safetensors", "not the name of a weights' file"),
                ("/etc/passwd", "not the name of a weights' file"), ("other.safetensors", "is missing: fetch it too"),
            ] {
                try edit(folder, index) { $0["weight_map"] = map.merging(["lm_head.bias": path]) { $1 } }
                try expectRefusal(folder, text)
            }
            let elsewhere = map["lm_head.bias"] == shards[0] ? shards[1] : shards[0]
            try edit(folder, index) { $0["weight_map"] = map.merging(["lm_head.bias": elsewhere]) { $1 } }
            try expectRefusal(folder, "the tensor lm_head.bias, which \(index) expects in it, is missing")
            try edit(folder, index) { $0["weight_map"] = ["lm_head.bias": 3] }
            try expectRefusal(folder, "where a file's name is expected")
            try edit(folder, index) { $0 = [:] }
            try expectRefusal(folder, "weight_map")
        }
    }

    @Test func pyTorchsFilesAreRead() throws {
        try withCopy(of: "hf_base_ctc") { folder in
            let original = try Checkpoint.read(folder)
            let file = folder.appendingPathComponent("model.safetensors")
            func write(_ state: [String: Tensor], _ name: String) throws {
                var data: [Tensor] = []
                let dictionary = PyTorchWriter.dictionary(state, &data)
                try PyTorchWriter.write(dictionary, tensors: data, to: folder.appendingPathComponent(name))
            }
            let tensors = try TensorFile.read(file)
            try write(tensors, "pytorch_model.bin")
            // If there are two files with weights, the safetensors file is used, as in Transformers.
            #expect(
                try Checkpoint.read(folder).notCarriedOver == ["pytorch_model.bin: a file that is not read"])
            try FileManager.default.removeItem(at: file)
            let whole = try Checkpoint.read(folder)
            #expect(try differences(whole.state, original.state) == [] && whole.notCarriedOver == [])

            try FileManager.default.removeItem(at: folder.appendingPathComponent("pytorch_model.bin"))
            let head = tensors.filter { $0.key.hasPrefix("lm_head.") }
            try write(head, "pytorch_model-00001-of-00002.bin")
            try write(tensors.filter { head[$0.key] == nil }, "pytorch_model-00002-of-00002.bin")
            let map = tensors.map { ($0.key, "pytorch_model-0000\(head[$0.key] == nil ? 2 : 1)-of-00002.bin") }
            try edit(folder, "pytorch_model.bin.index.json") {
                $0["weight_map"] = Dictionary(uniqueKeysWithValues: map)
            }
            let sharded = try Checkpoint.read(folder)
            #expect(try differences(sharded.state, original.state) == [] && sharded.notCarriedOver == [])
        }
    }

    @Test func aMissingMaskEmbeddingIsDrawnAndNoted() throws {
        try withCopy(of: "hf_base_ctc") { folder in
            let file = folder.appendingPathComponent("model.safetensors")
            let kept = try TensorFile.read(file).filter { $0.key != "wav2vec2.masked_spec_embed" }
            try TensorFile.write(kept, to: file)
            let checkpoint = try Checkpoint.read(folder)
            #expect(checkpoint.notCarriedOver.contains { $0.hasPrefix("masked_spec_embed: ") })
        }
    }

    @Test func unusedContentIsListed() throws {
        try withCopy(of: "hf_base_ctc") { folder in
            let file = folder.appendingPathComponent("model.safetensors")
            var tensors = try TensorFile.read(file)
            tensors["quantizer.codevectors"] = try Tensor.zeros([1, 16, 8])
            try TensorFile.write(tensors, to: file)
            try Data().write(to: folder.appendingPathComponent("training_args.bin"))
            try edit(folder, "config.json") {
                $0["ctc_loss_reduction"] = "mean"
                $0["invented"] = 1
            }
            #expect(
                try Checkpoint.read(folder).notCarriedOver == [
                    "ctc_loss_reduction of config.json", "invented of config.json",
                    "quantizer.codevectors: a tensor that this architecture has not",
                    "training_args.bin: a file that is not read",
                ])
        }
    }

    // MARK: Input

    @Test func normalizationComesFromThePreprocessor() throws {
        try withCopy(of: "hf_base_ctc") { folder in
            let manager = FileManager.default
            try manager.removeItem(at: folder.appendingPathComponent("processor_config.json"))
            try edit(folder, "preprocessor_config.json") { $0["do_normalize"] = false }
            #expect(try !Checkpoint.read(folder).description.normalize)
            try manager.removeItem(at: folder.appendingPathComponent("preprocessor_config.json"))
            #expect(try Checkpoint.read(folder).description.normalize)
            try edit(folder, "processor_config.json") { $0["feature_extractor"] = ["do_normalize": false] }
            #expect(try !Checkpoint.read(folder).description.normalize)
            try manager.removeItem(at: folder.appendingPathComponent("processor_config.json"))
            let checkpoint = try Checkpoint.read(folder)
            #expect(checkpoint.description.normalize)
            #expect(checkpoint.notCarriedOver.contains { $0.hasPrefix("preprocessor_config.json: ") })
            try edit(folder, "preprocessor_config.json") { $0["sampling_rate"] = 8000 }
            try expectRefusal(folder, "sampling_rate is 8000, where 16000 is expected")
        }
    }

    // MARK: Refusals

    @Test(arguments: [
        ("wavlm", "WavLM"), ("data2vec-audio", "Data2Vec"), ("wav2vec2-conformer", "Conformer"),
        ("wav2vec2-bert", "Wav2Vec2-BERT"), ("sew", "SEW"), ("sew-d", "SEW-D"), ("unispeech-sat", "UniSpeech-SAT"),
        ("bert", "model_type \"bert\""),
    ])
    func relativesAreRefusedByName(_ type: String, _ name: String) throws {
        try withCopy(of: "hf_base_ctc") { folder in
            try edit(folder, "config.json") { $0["model_type"] = type }
            try expectRefusal(folder, name)
        }
    }

    @Test(arguments: [
        ("{\"add_adapter\": true}", "adapters"), ("{\"adapter_attn_dim\": 16}", "adapters"),
        ("{\"quantization_config\": {\"load_in_8bit\": true}}", "quantized"),
        ("{\"architectures\": [\"Wav2Vec2ForSequenceClassification\"]}", "Wav2Vec2ForSequenceClassification"),
        ("{\"layer_norm_eps\": 1e-12}", "layer_norm_eps is 1e-12"),
        ("{\"feat_extract_activation\": \"relu\"}", "feat_extract_activation"),
        ("{\"hidden_act\": \"gelu_new\"}", "hidden_act is \"gelu_new\", where gelu, relu"),
        ("{\"hidden_size\": \"wide\"}", "hidden_size is \"wide\", where a whole number"),
        ("{\"hidden_size\": 128}", "hidden_size of config.json is 128"),
        ("{\"num_attention_heads\": 5}", "encoder_attention_heads 5"),
        ("{\"conv_kernel\": [10, 3]}", "conv_kernel"), ("{\"conv_stride\": []}", "conv_stride"),
        ("{\"conv_stride\": [5, 2, 2, 2, 2, 4294967296, 4294967296]}", "conv_stride is ["),
        ("{\"conv_stride\": [1000000, 1000000, 1000000, 1000000, 2, 2, 2]}", "conv_stride is ["),
        ("{\"num_hidden_layers\": 3}", "missing encoder.layers.2."),
        ("{\"num_hidden_layers\": 1000000000000}", "1000000000000 encoder layers"),
        ("{\"intermediate_size\": 40}", "fc1.bias has shape [80] where [40] is expected"),
        ("{\"layerdrop\": 2}", "encoder_layerdrop is 2"),
    ])
    func badConfigurationsAreRefused(_ change: String, _ text: String) throws {
        try withCopy(of: "hf_base_pretrain") { folder in
            let changes = try JSONSerialization.jsonObject(with: Data(change.utf8)) as? [String: Any] ?? [:]
            try edit(folder, "config.json") { $0.merge(changes) { $1 } }
            try expectRefusal(folder, text)
        }
    }

    @Test func damagedFoldersAreRefused() throws {
        try withCopy(of: "hf_base_ctc") { folder in
            func write(_ text: String, _ name: String) throws {
                try Data(text.utf8).write(to: folder.appendingPathComponent(name))
            }
            for name in ["preprocessor_config.json", "tokenizer_config.json", "vocab.json"] {
                let file = folder.appendingPathComponent(name)
                let good = try Data(contentsOf: file)
                for text in ["", "{\"a\": ", "[1]", "nonsense", String(repeating: "[", count: 100_000)] {
                    try write(text, name)
                    try expectRefusal(folder, "\(name) cannot be used: it is not a JSON object")
                }
                try good.write(to: file)
            }
            let weights = folder.appendingPathComponent("model.safetensors")
            let bytes = try Data(contentsOf: weights)
            try bytes.prefix(bytes.count - 1).write(to: weights)
            #expect(throws: SafetensorsError.self) { try Checkpoint.read(folder) }
            try FileManager.default.removeItem(at: weights)
            try expectRefusal(folder, "neither model.safetensors nor pytorch_model.bin")
        }
    }

    /// Checks that reading fails with a sentence that contains a text.
    private func expectRefusal(_ folder: URL, _ text: String) throws {
        let error = #expect(throws: (any Error).self) { try Checkpoint.read(folder) }
        #expect("\(try #require(error))".contains(text), "\(error.map { "\($0)" } ?? "")")
    }

    // MARK: Writing

    @Test func modelsThatAFormatCannotStoreAreRejected() throws {
        try withTemporaryFolder { folder in
            let changes: [(inout ModelConfiguration) throws -> Void] = [
                { $0.hourglass = try HourglassLayout(pre: 1, middle: 1, factor: 2, post: 1) },
                { $0.quantizeInput = true },
                { $0.quantizeTargets = false }, { $0.targetGlu = true }, { $0.quantizerDepth = 2 },
                { $0.combineGroups = true },
            ]
            for change in changes {
                var description = try SmallModel(task: .pretraining).description()
                try change(&description.model)
                #expect(throws: CheckpointError.self) {
                    try Checkpoint.write(description, state: [:], to: folder, format: .huggingFace)
                }
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
        }
    }

    @Test func settingsThatAFormatCannotStoreAreListed() throws {
        try withTemporaryFolder { folder in
            var description = try SmallModel(task: .pretraining).description()
            description.model.featureGradMult = 0.5
            description.model.latentTemp = [2, 0.1, 0.99]
            description.objective.crossSampleNegatives = 3
            description.objective.lossWeights = [0.1, 10]
            description.masking.time.noOverlap = true
            let left = try Checkpoint.write(
                description, state: SmallModel(task: .pretraining).state(), to: folder, format: .huggingFace)
            #expect(
                left == [
                    "model.feature_grad_mult: 0.5", "model.latent_temp: [2, 0.1, 0.99]",
                    "masking.no_mask_overlap: true",
                    "objective.cross_sample_negatives: 3", "objective.loss_weights: [0.1, 10]",
                ])
            // They are stored beside Transformers' own keys, so that they are restored here.
            #expect(try Checkpoint.read(folder).description == description)
            try edit(folder, "config.json") { $0["wav2vec2"] = ["model.invented": 1] }
            try expectRefusal(folder, "there is no key 'model.invented'")
        }
    }

    @Test func withoutMaskingTheMaskEmbeddingStays() throws {
        try withTemporaryFolder { folder in
            var description = try SmallModel(task: .ctc).description()
            description.masking.time.probability = 0
            let state = try SmallModel(task: .ctc).state()
            try Checkpoint.write(description, state: state, to: folder, format: .huggingFace)
            let root = try HuggingFaceFolder(url: folder).object("config.json")
            // Their model has no mask embedding when both probabilities are 0.
            #expect(root?["mask_time_prob"]?.double ?? 0 > 0 && root?["apply_spec_augment"] == .bool(false))
            let read = try Checkpoint.read(folder)
            #expect(read.description.masking.time.probability == 0 && read.description.masking.channel.probability == 0)
            #expect(try differences(read.state, state) == [])
        }
    }

    @Test func numbersKeepTheirPoint() throws {
        let value = JSONValue.object([
            "b": .number(1), "a": .array([.integer(1), .number(1e-5), .null]), "c": .string("é/\"\n"),
            "d": .object([:]),
        ])
        #expect(
            value.text
                == "{\n  \"a\": [\n    1,\n    1e-05,\n    null\n  ],\n  \"b\": 1.0,\n  \"c\": \"é/\\\"\\n\",\n  \"d\": {}\n}"
        )
        #expect(try JSONParser.value(Data(value.text.utf8))["c"] == value["c"])
    }
}

import Foundation
import TestSupport
import Testing
import W2VTorch

@testable import W2VBackbone
@testable import W2VInterchange
@testable import W2VObjectives

/// Models written as fairseq's and NVIDIA's files, and read back.
@Suite(.onTestThreads) struct PyTorchRoundTripTests {
    static let small = SmallModel.all.filter { $0.task != .encoder }

    private func config(_ folder: URL) throws -> String {
        try String(contentsOf: folder.appendingPathComponent(Checkpoint.configurationName), encoding: .utf8)
    }

    @Test(arguments: small, [CheckpointFormat.fairseq, .nvidia])
    func thereAndBackIsBitIdentical(_ model: SmallModel, _ format: CheckpointFormat) throws {
        try withTemporaryFolder { folder in
            var description = try model.description()
            // Options that are not the defaults.
            description.masking.time.requireSameMasks = false
            description.masking.channel.probability = 0.25
            description.masking.maskChannelBefore = true
            description.model.encoderLayerdrop = 0.125
            description.model.attentionDropout = 0.0625
            description.model.latentTemp = [3, 0.25, 0.99]
            description.ctc.blankWeight = 1.5
            description.ctc.freezeFinetuneUpdates = 100
            if model.task == .ctc { description.model.finalDropout = 0.2 }
            if model.task == .pretraining {
                description.objective.infonce = false
                description.objective.lossWeights = [0.5, 5]
            }
            let original = folder.appendingPathComponent("original", isDirectory: true)
            try FileManager.default.createDirectory(at: original, withIntermediateDirectories: true)
            try Checkpoint.write(description, state: model.state(), to: original)
            let file = folder.appendingPathComponent("model.pt")
            let first = try Checkpoint.read(original)
            #expect(
                try Checkpoint.write(first.description, state: first.state, to: file, format: format, update: 7) == [])
            let read = try Checkpoint.read(file)
            #expect(read.format == format && read.update == 7 && read.description.labels == description.labels)
            let back = folder.appendingPathComponent("back", isDirectory: true)
            try FileManager.default.createDirectory(at: back, withIntermediateDirectories: true)
            try Checkpoint.write(read.description, state: read.state, to: back)
            let weights = [original, back].map { $0.appendingPathComponent(Checkpoint.weightsName) }
            #expect(try Data(contentsOf: weights[0]) == Data(contentsOf: weights[1]))
            let lines = try [original, back].map { try Set(config($0).split(separator: "\n")) }
            let different = lines[0].symmetricDifference(lines[1]).filter { line in
                // Options of the other task must not be in a file of this one.
                !["blank_weight", "freeze_finetune_updates", "zero_infinity", "infonce", "final_dropout"]
                    .contains(where: line.contains)
            }
            #expect(different == [])
            // The same model gives the same bytes.
            let again = folder.appendingPathComponent("again.pt")
            try Checkpoint.write(first.description, state: first.state, to: again, format: format, update: 7)
            #expect(try Data(contentsOf: file) == Data(contentsOf: again))
        }
    }

    @Test(arguments: [HourglassLayout.Resampling.naive, .linear])
    func theHourglassFitsNvidiasFormatOnly(_ resampling: HourglassLayout.Resampling) throws {
        try withTemporaryFolder { folder in
            var description = try SmallModel(task: .pretraining).description()
            description.model.hourglass = try HourglassLayout(pre: 1, middle: 2, factor: 3, post: 1)
            description.model.hourglassResample = resampling
            let state = try PretrainingModel(description.model, initializer: .random(seed: 1)).state()
            let file = folder.appendingPathComponent("hourglass.pt")
            try Checkpoint.write(description, state: state, to: file, format: .nvidia)
            let read = try Checkpoint.read(file)
            #expect(read.description == description)
            #expect(try differences(read.state, FusedParameters.split(state)) == [])
            for format in [CheckpointFormat.fairseq, .huggingFace] {
                #expect {
                    try Checkpoint.write(description, state: state, to: folder, format: format)
                } throws: {
                    guard case CheckpointError.cannotHold(format, let what, _) = $0 else { return false }
                    return what.hasPrefix("an Hourglass")
                }
            }
        }
    }

    @Test func aSharedQuantizerHasTwoNamesInFairseq() throws {
        try withTemporaryFolder { folder in
            var description = try SmallModel(task: .pretraining).description()
            (description.model.quantizeInput, description.model.sameQuantizer) = (true, true)
            (description.model.quantizerDepth, description.model.targetGlu) = (2, true)
            let model = try PretrainingModel(description.model, initializer: .random(seed: 1))
            let state = try FusedParameters.split(model.state())
            let file = folder.appendingPathComponent("model.pt")
            try Checkpoint.write(description, state: state, to: file, format: .fairseq)
            let members = try #require(PyTorchFile(file).root["model"]?.members?.map(\.key))
            #expect(members.contains("quantizer.vars") && members.contains("input_quantizer.vars"))
            let read = try Checkpoint.read(file)
            #expect(read.notCarriedOver.contains("model.input_quantizer: the quantizer under a second name"))
            #expect(try differences(read.state, state) == [])
            #expect(throws: CheckpointError.self) {
                try Checkpoint.write(description, state: state, to: file, format: .nvidia)
            }
        }
    }

    @Test func halfPrecisionStaysHalf() throws {
        try withTemporaryFolder { folder in
            let model = SmallModel(task: .ctc)
            let types: [DType] = [.float16, .bfloat16]
            for type in types {
                let state = try model.state().mapValues { try $0.to(dtype: type) }
                let file = folder.appendingPathComponent("\(type).pt")
                try Checkpoint.write(model.description(), state: state, to: file, format: .fairseq)
                #expect(try differences(Checkpoint.read(file).state, state) == [])
            }
        }
    }

    @Test func whatHasNoPlaceIsNamed() throws {
        try withTemporaryFolder { folder in
            let model = SmallModel(task: .ctc)
            var description = try model.description()
            (description.masking.time.minMasks, description.masking.time.countMultiple) = (5, 16)
            description.masking.channel.maskDropout = 0.5
            description.labels.swapAt(0, 1)
            let file = folder.appendingPathComponent("model.pt")
            let left = try Checkpoint.write(description, state: model.state(), to: file, format: .nvidia)
            #expect(try Checkpoint.read(file).description.masking == description.masking)
            #expect(
                left.map { $0.prefix { $0 != " " && $0 != ":" } } == [
                    "mask_min_masks", "mask_count_multiple", "mask_channel_dropout", "labels",
                ])
            description.labels[0] = "a"
            #expect {
                try Checkpoint.write(description, state: model.state(), to: file, format: .fairseq)
            } throws: {
                guard case CheckpointError.cannotHold(.fairseq, let what, _) = $0 else { return false }
                return what == "a dictionary that begins with a <s> </s> <unk>"
            }
        }
    }

    // MARK: Files of the references

    @Test(arguments: ["fairseq_base.new_style_omegaconf.pt", "nvidia_hg24_naive.pt", "fairseq_base_ctc.new_style.pt"])
    func whatFilesLeaveBehindIsNamed(_ name: String) throws {
        let checkpoint = try Checkpoint.read(Repository.golden.appendingPathComponent(name))
        #expect(checkpoint.update == 1000)
        let root = try PyTorchFile(Repository.golden.appendingPathComponent(name)).root
        let empty: Set = ["task_state", "model", "args", "cfg", "output_labels"]
        for (key, value) in try #require(root.members) where !value.isNone && !empty.contains(key) {
            #expect(checkpoint.notCarriedOver.contains { $0.hasPrefix(key + ":") }, "\(key) is dropped in silence")
        }
        #expect(checkpoint.description.masking.time.length == 5)
        if name.contains("ctc") {
            #expect(checkpoint.description.model.encoderLayerdrop == 0.1)
            #expect(checkpoint.description.model.activationDropout == 0.1)
            #expect(checkpoint.description.masking.channel.probability == 0.5)
            #expect(checkpoint.notCarriedOver.contains { $0.hasPrefix("w2v_args: ") })
        }
    }

    @Test func aRecognizerWithoutDictionaryAsksForIt() throws {
        let checkpoint = try Checkpoint.read(Repository.golden.appendingPathComponent("fairseq_base_ctc.old_style.pt"))
        #expect(throws: CheckpointError.noDictionary(path: checkpoint.url.path, labels: 32)) {
            try checkpoint.requireLabels()
        }
        let symbols = (0..<32).map(String.init)
        #expect(try checkpoint.labeled(symbols, from: "here").requireLabels() == symbols)
        #expect(throws: CheckpointError.self) { try checkpoint.labeled(["a"], from: "here") }
        let nvidia = try Checkpoint.read(Repository.golden.appendingPathComponent("nvidia_base_ctc.pt"))
        #expect(try nvidia.requireLabels().prefix(6) == ["<s>", "<pad>", "</s>", "<unk>", "|", "E"])
    }

    /// Rewrites a file's weights and options like other versions of the programs.
    private func write(
        _ names: (String) -> String, from checkpoint: Checkpoint, args: PickledValue?, to file: URL
    ) throws {
        var data: [Tensor] = []
        var state: [String: Tensor] = [:]
        for (name, tensor) in checkpoint.state { state[names(name)] = tensor }
        var members: [(key: String, value: PickledValue)] = [("model", PyTorchWriter.dictionary(state, &data))]
        if let args { members.append(("args", args)) }
        try PyTorchWriter.write(.dictionary(members), tensors: data, to: file)
    }

    @Test func otherSpellingsOfNames() throws {
        try withTemporaryFolder { folder in
            let name = "nvidia_base_ctc.pt"
            let source = try Checkpoint.read(Repository.golden.appendingPathComponent(name))
            let file = folder.appendingPathComponent(name)
            try Checkpoint.write(source.description, state: source.state, to: file, format: .nvidia)
            var data: [Tensor] = []
            var state: [String: Tensor] = [:]
            for (name, tensor) in try FusedParameters.join(source.state) {
                var name = "module." + name.replacing("qkv_proj", with: "qkv")
                name = name.replacing("weight_g", with: "parametrizations.weight.original0")
                name = name.replacing("weight_v", with: "parametrizations.weight.original1")
                name = name.replacing("conv_layers.0.2.", with: "conv_layers.0.norm._group_norm.")
                if name.contains("conv_layers") { name = name.replacing(".0.weight", with: ".conv.weight") }
                state[name] = tensor
            }
            #expect(state.keys.contains { $0.hasSuffix("self_attn.qkv.bias") })
            let args: [(key: String, value: PickledValue)] = [
                ("mode", .string("finetune")), ("encoder_layers", .integer(2)), ("encoder_embed_dim", .integer(64)),
                ("encoder_ffn_embed_dim", .integer(80)), ("encoder_attention_heads", .integer(4)),
                ("conv_feature_layers", .string("[(32,10,5)] + [(32,3,2)] * 4 + [(32,2,2)] * 2")),
                ("conv_pos", .integer(16)), ("conv_pos_groups", .integer(4)),
            ]
            try PyTorchWriter.write(
                .dictionary([("args", .dictionary(args)), ("model", PyTorchWriter.dictionary(state, &data))]),
                tensors: data, to: file)
            let read = try Checkpoint.read(file)
            #expect(read.format == .nvidia)
            #expect(try differences(read.state, source.state) == [])
        }
    }

    @Test func theArchitectureMayComeFromAnotherCheckpoint() throws {
        try withTemporaryFolder { folder in
            let pretrained = Repository.golden.appendingPathComponent("fairseq_base.new_style_omegaconf.pt")
            let source = try Checkpoint.read(Repository.golden.appendingPathComponent("fairseq_base_ctc.old_style.pt"))
            let file = folder.appendingPathComponent("old.pt")
            let args: PickledValue = .object(
                module: "argparse", name: "Namespace",
                state: [
                    ("arch", .string("wav2vec_ctc")), ("w2v_path", .string("/models/base.pt")),
                    ("dropout", .number(0.25)),
                ])
            try write({ $0 }, from: source, args: args, to: file)
            #expect {
                try Checkpoint.read(file)
            } throws: {
                guard case CheckpointError.noArchitecture(file.path, let reason) = $0 else { return false }
                return reason.contains("only w2v_path /models/base.pt")
            }
            let read = try Checkpoint.read(file, architectureFrom: pretrained)
            #expect(read.description.model.encoderLayers == 2 && read.description.model.dropout == 0.25)
            #expect(try differences(read.state, source.state) == [])
            // Weights alone, without any options.
            var data: [Tensor] = []
            try PyTorchWriter.write(PyTorchWriter.dictionary(source.state, &data), tensors: data, to: file)
            #expect(throws: CheckpointError.self) { try Checkpoint.read(file) }
            #expect(try Checkpoint.read(file, architectureFrom: pretrained).layout.contains("weights alone"))
        }
    }

    @Test(arguments: [
        ("arch", PickledValue.string("hubert"), "it holds a hubert model"),
        ("layer_type", .string("conformer"), "layers of type conformer"),
        ("rotary_embeddings", .bool(true), "rotary embeddings true"),
        ("encoder_layers", .string("many"), "its option encoder_layers: encoder_layers is 'many'"),
        ("encoder_layers", .integer(1_000_000_000), "its configuration has 1000000000 encoder layers"),
        ("encoder_embed_dim", .integer(1 << 25), "its configuration has a size of more than 16 million"),
        ("encoder_embed_dim", .integer(1 << 40), "encoder_embed_dim: 1099511627776 is out of reach"),
        ("encoder_ffn_embed_dim", .integer(81), "fc1.bias has shape [80] where [81] is expected"),
    ])
    func unsupportedOptionsAreRejected(_ key: String, _ value: PickledValue, _ sentence: String) throws {
        try withTemporaryFolder { folder in
            let source = try Checkpoint.read(
                Repository.golden.appendingPathComponent("fairseq_base.new_style_omegaconf.pt"))
            let file = folder.appendingPathComponent("model.pt")
            let sizes = [
                ("encoder_layers", 2), ("encoder_embed_dim", 64), ("encoder_ffn_embed_dim", 80),
                ("encoder_attention_heads", 4), ("conv_pos", 16), ("conv_pos_groups", 4), ("final_dim", 16),
                ("latent_vars", 8),
            ]
            var args: [(key: String, value: PickledValue)] = sizes.map { ($0, .integer($1)) }
            args += [
                ("quantize_targets", .bool(true)),
                ("conv_feature_layers", .string("[(32,10,5)] + [(32,3,2)] * 4 + [(32,2,2)] * 2")), (key, value),
            ]
            try write({ $0 }, from: source, args: .object(module: "argparse", name: "Namespace", state: args), to: file)
            let error = #expect(throws: CheckpointError.self) { try Checkpoint.read(file) }
            #expect("\(try #require(error))".contains(sentence))
        }
    }
}

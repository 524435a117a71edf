import Foundation
import TestSupport
import Testing
import W2VTorch

@testable import W2VBackbone
@testable import W2VInterchange
@testable import W2VObjectives

@Suite(.onTestThreads) struct ModelFamilyTests {
    /// Blocks with other names, another key for their number, and no key for where they normalize.
    private func family(_ name: String) -> ModelFamily {
        ModelFamily.wav2vec2.variant(
            name, modelType: name, architectures: [.init("\(name)ForCTC", .ctc), .init("\(name)Model", .encoder)]
        ) { family in
            family.rename("encoder.layers.#.self_attn.", to: "blocks.#.mixer.")
            family.rename("encoder.layers.#.fc1.", to: "blocks.#.up.")
            family.foreignParts["gate"] = "gates"
            family.fields.append(.integer("depth", \.model.encoderLayers))
            let inherited = family.defaults
            family.defaults = { description in
                inherited(&description)
                description.model.layerNormFirst = true
            }
        }
    }

    /// Writes a small recognizer like another program, and returns its folder.
    private func write(_ name: String, to folder: URL, renaming: (String) -> String) throws -> URL {
        let url = try SmallModel(task: .ctc, isLarge: true).write(to: folder, format: .huggingFace)
        let file = url.appendingPathComponent("model.safetensors")
        let renamed = try TensorFile.read(file).map { (renaming($0.key), $0.value) }
        try TensorFile.write(Dictionary(uniqueKeysWithValues: renamed), to: file)
        try edit(url, "config.json") {
            $0["model_type"] = name
            $0["architectures"] = ["\(name)ForCTC"]
            $0["depth"] = $0.removeValue(forKey: "num_hidden_layers")
            $0.removeValue(forKey: "do_stable_layer_norm")
        }
        return url
    }

    private func renamed(_ name: String, _ prefix: String) -> String {
        name.replacing("wav2vec2.", with: "\(prefix).").replacing(
            "encoder.layers.0.attention.", with: "blocks.0.mixer."
        )
        .replacing("encoder.layers.1.attention.", with: "blocks.1.mixer.")
        .replacing(".feed_forward.intermediate_dense.", with: ".up.").replacing(
            "encoder.layers.0.up", with: "blocks.0.up"
        ).replacing("encoder.layers.1.up", with: "blocks.1.up")
    }

    @Test func aRegisteredFamilyIsRead() throws {
        try withTemporaryFolder { folder in
            let url = try write("parrot", to: folder) { renamed($0, "parrot") }
            let refusal = #expect(throws: CheckpointError.self) { try Checkpoint.read(url) }
            #expect(
                "\(try #require(refusal))".contains("it is of the model_type \"parrot\"; only the families wav2vec2"))
            ModelFamily.register(family("parrot"))
            let checkpoint = try Checkpoint.read(url)
            #expect(checkpoint.layout == "parrot" && checkpoint.notCarriedOver == [])
            #expect(checkpoint.description.model == (try SmallModel(task: .ctc, isLarge: true).description().model))
            #expect(try differences(checkpoint.state, SmallModel(task: .ctc, isLarge: true).state()) == [])

            // A part that the family lacks changes what the others compute.
            let file = url.appendingPathComponent("model.safetensors")
            var tensors = try TensorFile.read(file)
            tensors["parrot.blocks.0.gate.weight"] = try .zeros([1])
            try TensorFile.write(tensors, to: file)
            let error = #expect(throws: CheckpointError.self) { try Checkpoint.read(url) }
            #expect("\(try #require(error))".contains("parrot.blocks.0.gate.weight belongs to gates"))
        }
    }

    @Test func theLastOfANameCounts() throws {
        var first = family("cockatoo")
        first.names = []
        ModelFamily.register(first)
        ModelFamily.register(family("cockatoo"))
        #expect(ModelFamily.registered.count { $0.name == "cockatoo" } == 1)
        #expect(ModelFamily.named("cockatoo")?.names.isEmpty == false)
        try withTemporaryFolder { folder in
            let url = try write("cockatoo", to: folder) { renamed($0, "cockatoo") }
            #expect(try Checkpoint.read(url).description.task == .ctc)
        }
    }

    @Test func manyThreadsRegister() {
        DispatchQueue.concurrentPerform(iterations: 64) { number in
            ModelFamily.register(family("many-\(number)"))
            #expect(ModelFamily.named("many-\(number)")?.prefix == "many-\(number)")
        }
        #expect(ModelFamily.registered.count { $0.name.hasPrefix("many-") } == 64)
        #expect(ModelFamily.named("wav2vec2")?.name == "wav2vec 2.0" && ModelFamily.named("hubert")?.name == "HuBERT")
    }

    @Test func namesOfAVariantGoBothWays() {
        let names = FamilyNames(family("lory"), task: .ctc, extractorMode: .groupNorm)
        let ours = "w2v_encoder.w2v_model.encoder.layers.7.self_attn.q_proj.bias"
        #expect(names.theirs(ours) == "lory.blocks.7.mixer.q_proj.bias")
        #expect(names.ours("lory.blocks.7.mixer.q_proj.bias") == ours)
        #expect(names.isPartOfModel("lory.blocks.7.other") && !names.isPartOfModel("classifier.weight"))
        #expect(names.ours("lory.encoder.layers.7.attention.q_proj.bias") == nil)
    }

    @Test func theHourglassIsAFamilyOfItsOwn() throws {
        var model = ModelConfiguration()
        #expect(ModelFamily.of(model).name == "wav2vec 2.0")
        model.hourglass = try HourglassLayout(parsing: "[2,(8,4),2]")
        #expect(ModelFamily.of(model).name == "Hourglass Transformer")
        for format in CheckpointFormat.allCases where ![.native, .nvidia].contains(format) {
            let error = CheckpointError.cannotHold(
                format: format, what: "an Hourglass Transformer", advice: "convert it to native or nvidia")
            let thrown = #expect(throws: CheckpointError.self) {
                try ModelFamily.requirePlace(for: model, in: format)
            }
            #expect(thrown?.description == error.description)
        }
    }

    // MARK: Shapes

    @Test func shapesTakeNoMemory() throws {
        var model = ModelConfiguration()
        model.encoderEmbedDim = 1 << 23
        model.encoderFfnEmbedDim = 1 << 23
        model.encoderAttentionHeads = 16
        model.encoderLayers = 100
        let shapes = try ModelDescription(task: .ctc, model: model).shapes(labels: 32)
        // Petabytes.
        #expect(shapes["w2v_encoder.w2v_model.encoder.layers.99.fc1.weight"] == [1 << 23, 1 << 23])
        #expect(shapes.count == 100 * 16 + 7 + 2 + 2 + 2 + 1 + 5 + 2)
    }

    @Test func sizesBeyondAllTensorsAreRefused() throws {
        var description = ModelDescription(task: .pretraining, model: ModelConfiguration())
        let state = try SmallModel(task: .pretraining).state()
        description.model.quantizerFactor = 1 << 23
        description.model.quantizerDepth = 3
        description.model.encoderLayers = 2
        description.model.convFeatureLayers = try ConvolutionLayers(parsing: "[(1000000,10,5)]")
        let overflow = try #require(description.misfit(state))
        #expect(overflow.hasPrefix("its configuration makes no model: "), "\(overflow)")
        description.model.quantizerDepth = 1
        description.model.encoderLayers = state.count
        #expect(description.misfit(state)?.contains("has \(state.count) encoder layers") == true)
        description.model.encoderLayers = 2
        description.model.latentVars = 1 << 24
        #expect(description.misfit(state) == "its configuration has a size of more than 16 million")
    }

    // MARK: Settings

    @Test func settingsNameTheirPart() throws {
        let all =
            ModelConfiguration.settings.map(\.scope) + MaskingConfiguration.settings.map(\.scope)
            + ContrastiveConfiguration.settings.map(\.scope) + CTCConfiguration.settings.map(\.scope)
        #expect(!all.contains { $0.part == .run })
        var description = ModelDescription(task: .encoder, model: ModelConfiguration())
        #expect(
            description.uses("model.conv_pos") && description.uses("model.dropout") && description.uses("normalize"))
        for unused in [
            "model.latent_vars", "model.final_dropout", "masking.mask_prob", "objective.infonce", "ctc.blank_weight",
        ] {
            #expect(!description.uses(unused), "\(unused)")
        }
        description.task = .ctc
        #expect(description.uses("model.final_dropout") && description.uses("masking.mask_prob"))
        #expect(!description.uses("model.quantizer_depth") && !description.uses("normalize_epsilon"))
        description.task = .pretraining
        description.normalize = true
        #expect(description.uses("model.quantizer_depth") && description.uses("normalize_epsilon"))
        #expect(!description.uses("model.hourglass_resample") && !description.uses("model.final_dropout"))
        description.model.hourglass = try HourglassLayout(parsing: "[2,(8,4),2]")
        #expect(description.uses("model.hourglass_resample"))
    }
}

import Foundation
import TestSupport
import Testing
import W2VBackbone

@testable import W2VTraining

@Suite(.onTestThreads) struct RecipeTests {
    @Test(arguments: Recipe.builtInNames)
    func builtInRecipesLoadAndSurviveWriting(_ name: String) throws {
        let recipe = try Recipe.load(name)
        #expect(try Recipe(yaml: recipe.yaml, path: "written") == recipe)
        #expect(recipe.yaml.split(separator: "\n").filter { $0.contains("# ") }.count == recipe.values.count)
    }

    @Test func everyRecipeFileIsBuiltIn() throws {
        let folder = Repository.root.appendingPathComponent("Recipes")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".yaml") }
        #expect(Set(files) == Set(Recipe.builtInNames.map { $0 + ".yaml" }))
    }

    /// The learning curves' recipes are files beside their script, for the base recipe's kind of model.
    @Test func theLearningCurvesRecipesLoad() throws {
        let folder = Repository.root.appendingPathComponent("Benchmarks/curves")
        for name in ["pretrain.yaml", "finetune.yaml"] {
            let recipe = try Recipe.load(folder.appendingPathComponent(name).path)
            #expect(recipe.optimization.maxUpdate <= 2000, "\(name) takes minutes")
            var hourglass = recipe
            try hourglass.apply(["model.hourglass=[1,(2,4),1]"])
            #expect(name == "finetune.yaml" || hourglass.model.layerCount == recipe.model.layerCount)
        }
    }

    @Test func assignmentsAreTypedByTheKey() throws {
        var recipe = Recipe()
        try recipe.apply([
            "optimization.lr=0.002", "model.hourglass=[2,(8,4),2]", "batching.crop=none",
            "checkpoint.save_every=2 epochs",
            "validation.every=off", "masking.mask_channel_length=64",
        ])
        #expect(recipe.optimization.learningRate.peak == 0.002)
        #expect(recipe.model.hourglass?.factor == 4)
        #expect(recipe.batching.crop == .none)
        #expect(recipe.checkpoint.saveEvery == .epochs(2))
        #expect(recipe.validation.every == nil)
        #expect(recipe.masking.channel.length == 64)
        #expect(!recipe.effectiveMasking.time.requireSameMasks)
    }

    @Test func mistakesAreNamedWithFileLineAndNearestKey() throws {
        func message(_ yaml: String) -> String {
            do {
                _ = try Recipe(yaml: yaml, path: "my.yaml")
                return ""
            } catch {
                return "\(error)"
            }
        }
        let unknown = message("model:\n  encoder_layer: 3\n")
        #expect(unknown.contains("my.yaml:2") && unknown.contains("model.encoder_layers"))
        let wrongType = message("seed: 1\noptimization:\n  max_update: many\n")
        #expect(wrongType.contains("my.yaml:3") && wrongType.contains("a whole number"))
        #expect(message("batching:\n  crop: some\n").contains("to_shortest, none"))
        #expect(message("precision:\n  mode: fp4\n").contains("fp32"))
        for mode in ["int8", "fp8"] {
            let used = message("precision:\n  mode: \(mode)\n")
            #expect(used.contains("\(mode), in which models are used but not trained"))
        }
        #expect(message("model: 3\n").contains("there is no key 'model'"))
        #expect(message("- 1\n").contains("sections"))
        #expect(message("model:\n  encoder_attention_heads: 7\n").contains("encoder_attention_heads 7"))
        #expect(message("checkpoint:\n  save_every: 0\n").contains("more than 0"))
        #expect(throws: ConfigurationError.self) { try Recipe.load("no-such-recipe") }
        var recipe = Recipe()
        #expect(throws: ConfigurationError.self) { try recipe.apply(["optimization.lr"]) }
        #expect(throws: ConfigurationError.self) { try recipe.apply(["optimisation.lr=1"]) }
        #expect(
            throws: ConfigurationError("the assignment lr=1: there is no key 'lr'", "the nearest is 'optimization.lr'")
        ) {
            try recipe.apply(["lr=1"])
        }
    }

    /// One sentence each, which begins with the file and the line.
    @Test(arguments: [
        ("model:\n  encoder_layers: 2\n foo: [1\n", 3, "this is not YAML"), ("seed: \"1\n", 2, "this is not YAML"),
        ("model:\n\tencoder_layers: 2\n", 2, "this is not YAML"), ("seed: 1\n---\nseed: 2\n", 2, "another document"),
        ("# \u{1}\n", 1, "U+0001"), ("seed: 1\nmodel: {}\nseed: 2\n", 1, "has 'seed' more than once"),
        ("seed: *other\n", 1, "this is not YAML"),
    ])
    func whatIsNotYAMLIsNamedWithFileAndLine(_ yaml: String, _ line: Int, _ problem: String) throws {
        let error = try #require(throws: ConfigurationError.self) { try Recipe(yaml: yaml, path: "my.yaml") }
        #expect("\(error)".hasPrefix("my.yaml:\(line): ") && "\(error)".contains(problem), "\(error)")
        #expect(!"\(error)".contains("\n") && !"\(error)".contains("^"), "\(error)")
    }

    @Test func filesAreUTF8WithOrWithoutAByteOrderMark() throws {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let file = folder.file("recipe.yaml")
        try Data([0xEF, 0xBB, 0xBF] + Array("seed: 7\n".utf8)).write(to: file)
        #expect(try Recipe.load(file.path).seed == 7)
        try Data(Array("seed: 7\n# caf".utf8) + [0xE9, 0x0A]).write(to: file)
        let error = try #require(throws: ConfigurationError.self) { try Recipe.load(file.path) }
        #expect("\(error)".hasPrefix("\(file.path): line 2 is not UTF-8"), "\(error)")
    }

    /// Texts that once crashed the program, or were accepted silently.
    @Test(arguments: [
        "masking.mask_prob=65", "masking.mask_channel_prob=25", "masking.mask_dropout=1.5", "masking.mask_other=-50",
        "masking.mask_min_space=-1", "objective.num_negatives=-1", "objective.num_negatives=0",
        "objective.logit_temp=0", "objective.loss_weights=[-1,-1]", "distributed.bucket_cap_mb=1e30",
        "distributed.timeout=0", "model.quantizer_factor=0", "model.final_dim=-1", "model.feature_grad_mult=-1",
        "batching.batch_size=-1", "data.max_sample_size=0", "optimization.max_epoch=0", "distributed.check_every=0",
        "ctc.freeze_finetune_updates=-1", "optimization.max_update=9223372036854775807",
    ])
    func numbersHaveBounds(_ assignment: String) throws {
        var recipe = Recipe()
        let error = try #require(throws: ConfigurationError.self) {
            try recipe.apply([assignment])
            try recipe.validate()
        }
        let key = assignment.prefix { $0 != "=" }.split(separator: ".").last ?? ""
        #expect("\(error)".contains(key), "\(error)")
    }
}

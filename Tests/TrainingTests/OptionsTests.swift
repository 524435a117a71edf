import Foundation
import TestSupport
import Testing
import W2VBackbone

@testable import W2VTraining

/// Recipes, the documentation's table of options, and the arguments of NVIDIA's scripts must agree.
///
/// `UPDATE_SNAPSHOTS=1 swift test --filter OptionsTests` rewrites the table of the recipes' values.
@Suite(.onTestThreads) struct OptionsTests {
    private static let pretraining = [("base", "pretrain_base"), ("large", "pretrain_large")]
    private static let finetuning = [
        ("finetune-base-1h", "finetune_base_1h"), ("finetune-base-10h", "finetune_base_10h"),
        ("finetune-base-100h", "finetune_base_100h"), ("finetune-base-960h", "finetune_base_960h"),
        ("finetune-vox-100h", "finetune_vox_100h"), ("finetune-vox-960h", "finetune_vox_960h"),
        ("finetune-vox-960h-cv", "finetune_vox_960h_cv"),
    ]
    private static let benchmarks = [
        ("base-benchmark", "pretrain_base_benchmark"), ("finetune-base-benchmark", "finetune_base_benchmark"),
    ]
    private static let scripts = pretraining + finetuning + benchmarks

    @Test func everyKeyStandsInTheTableOnce() throws {
        let documented = try OptionsPage().rows.map(\.key)
        let keys = Recipe().values.keys
        #expect(Set(keys).subtracting(documented).sorted() == [], "keys that the page Options does not have")
        #expect(Set(documented).subtracting(keys).sorted() == [], "rows of the page Options without a key")
        #expect(documented.count == Set(documented).count)
    }

    /// `UPDATE_SNAPSHOTS=1` writes the program's table from the page.
    @Test func theProgramHasThePagesTable() throws {
        let page = try OptionsPage().foreign
        #expect(page.count > 300)
        if ProcessInfo.processInfo.environment["UPDATE_SNAPSHOTS"] == "1" {
            let lines = page.map { "\([$0.program, $0.name, $0.key ?? "", $0.remark].joined(separator: "\t"))\n" }
            let file = Repository.root.appendingPathComponent("Sources/Train/Training/Options/foreign-options.tsv")
            try Data(lines.joined().utf8).write(to: file)
        } else {
            #expect(ForeignOption.all == page, "renew the table, and build again")
        }
        let keys = Recipe().values.keys
        for option in page { #expect(option.key.map { keys.contains($0) } ?? true, "\(option.name)") }
    }

    /// What people type who come from other programs.
    @Test(arguments: [
        ("model.layerdrop=0.1", "fairseq's model.layerdrop is model.encoder_layerdrop=0.1 here"),
        ("common.fp16=true", "fairseq's common.fp16 is precision.mode=fp16 here"),
        ("fp16=false", "NVIDIA's fp16 is precision.mode=fp32 here"),
        ("model.w2v_path=x.pt", "in place of fairseq's model.w2v_path: --from CHECKPOINT"),
        ("optimization.learning_rate=3", "Transformers' learning_rate is optimization.lr=3 here"),
        ("gradient_accumulation_steps=3", "is optimization.update_freq=3 here"),
        ("lr=0.1", "optimization.lr"), ("max_update=3", "'optimization.max_update'"),
        ("optimization.max_updates=3", "'optimization.max_update'"),
        ("model.encoder_layer=3", "'model.encoder_layers'"), ("train.lr=1", "'optimization.lr'"),
    ])
    func foreignNamesAreAnswered(_ assignment: String, _ advice: String) {
        var recipe = Recipe()
        let error = #expect(throws: ConfigurationError.self) { try recipe.apply([assignment]) }
        #expect(error?.description.contains(advice) == true, "\(error?.description ?? "")")
    }

    @Test func everyOptionOfTheOriginalsIsMapped() throws {
        let page = try OptionsPage()
        let fairseq = Set(try OptionsPage.fixture("fairseq").lines.map { $0[0] })
        let nvidia = Set(
            try OptionsPage.fixture("nvidia-scripts").lines.map { $0[0] }
                + OptionsPage.fixture("nvidia-inference").lines.map { $0[0] })
        for (name, options, mapped, others) in [
            ("fairseq", fairseq, page.rows.flatMap(\.fairseq), page.others.fairseq),
            ("NVIDIA", nvidia, page.rows.flatMap(\.nvidia), page.others.nvidia),
        ] {
            let told = Set(mapped + others)
            #expect(options.subtracting(told).sorted() == [], "\(name)'s options that the page does not tell of")
            #expect(told.subtracting(options).sorted() == [], "\(name) has no such options")
            #expect(Set(mapped).isDisjoint(with: others), "an option cannot both have a key and have none")
        }
    }

    @Test func everyScriptHasARecipe() throws {
        let scripts = try OptionsPage.fixture("nvidia-scripts").header.dropFirst()
        #expect(Set(scripts) == Set(Self.scripts.map(\.1)))
        #expect(Set(Self.scripts.map(\.0)).isSubset(of: Set(Recipe.builtInNames)))
    }

    /// Keys whose meaning differs from the original option: their expected values, given the script's options.
    private static func translated(
        _ key: String, _ script: [String: String], pretrains: Bool
    ) throws -> String? {
        func number(_ name: String) throws -> Int { try #require(script[name].flatMap(Int.init), "\(name)") }
        switch key {
        case "optimization.schedule": return ["poly": "polynomial", "exp": "exponential"][script["lr_policy"] ?? ""]
        // Our recipes are for one process.
        case "optimization.update_freq": return String(try number("update_freq") * number("processes"))
        case "batching.crop": return pretrains ? "to_shortest" : "none"
        case "batching.max_tokens_valid":
            return script["max_tokens_valid"] == script["max_tokens"] ? "off" : script["max_tokens_valid"]
        // FP32, whose products their GPUs round to TF32 if they can.
        case "precision.mode": return script["fp16"] == "true" ? "fp16" : script["bf16"] == "true" ? "bf16" : "auto"
        case "checkpoint.save_every": return script["save_frequency"].map { "\($0) epochs" }
        // Their scripts set the FP32 overrides with the format; here that is what auto means.
        case _ where key.hasPrefix("precision.fp32_"): return script["fp16"] == "true" ? nil : "auto"
        case "checkpoint.keep_milestones": return "off"
        // Their option concerns validation; in training unsuitable utterances are always left out.
        case "batching.skip_invalid_size_inputs": return "true"
        default: return nil
        }
    }

    /// A benchmark is the recipe that it measures, except for its length and its checkpoints.
    @Test(arguments: [("base-benchmark", "base"), ("finetune-base-benchmark", "finetune-base-960h")])
    func benchmarksDifferInLengthOnly(_ benchmark: String, _ recipe: String) throws {
        let original = try Recipe.load(recipe).values
        let differing = try Recipe.load(benchmark).values.filter { original[$0.key] != $0.value }
        #expect(
            Set(differing.keys) == ["optimization.max_epoch", "checkpoint.no_save", "logging.benchmark_epochs_num"])
        let script = try OptionsPage.script(Self.benchmarks.first { $0.0 == benchmark }?.1 ?? "")
        #expect(differing["optimization.max_epoch"] == script["epochs_this_job"])
    }

    /// A value as numbers if it consists of them, so that `2.0 0.5` equals `[2, 0.5]`.
    private static func normalized(_ text: String, of key: String) throws -> String {
        if key == "model.conv_feature_layers" { return try ConvolutionLayers(parsing: text).description }
        let text = text != "none" ? text : key == "data.min_sample_size" ? "0" : "off"
        let words = text.trimmingCharacters(in: CharacterSet(charactersIn: "[]")).split { " ,".contains($0) }
        let numbers = words.compactMap { Double($0) }
        return numbers.count == words.count ? "\(numbers)" : text
    }

    @Test(arguments: Self.scripts)
    func recipesHoldWhatTheScriptPasses(_ recipe: String, _ name: String) throws {
        let script = try OptionsPage.script(name)
        let values = try Recipe.load(recipe).values
        var compared = 0
        for row in try OptionsPage().rows where !OptionsPage.free.contains(row.key) {
            guard let passed = row.nvidia.first.flatMap({ script[$0] }), !["checkpoint", "absent"].contains(passed)
            else { continue }
            let wanted = try Self.translated(row.key, script, pretrains: name.hasPrefix("pretrain")) ?? passed
            let found = try #require(values[row.key], "\(row.key)")
            #expect(
                try Self.normalized(found, of: row.key) == Self.normalized(wanted, of: row.key),
                "\(recipe): \(row.key) is \(found), and NVIDIA's \(name) passes \(wanted)")
            compared += 1
        }
        let batch = try ["processes", "num_concat_batches", "update_freq"].map {
            try #require(script[$0].flatMap(Int.init), "\($0)")
        }
        #expect(values["batching.effective_batch"] == String(batch.reduce(1, *)))
        #expect(compared > (name.hasPrefix("pretrain") ? 75 : 45), "\(compared) values were compared")
    }

    @Test func theTablesOfValuesAreThoseOfTheRecipes() throws {
        for (name, recipes) in [("pretraining", Self.pretraining), ("finetuning", Self.finetuning)] {
            let page = try OptionsPage()
            let table = try page.values(recipes.map { (name: $0.0, script: $0.1) }) + "\n"
            let range = try page.range(of: name)
            if ProcessInfo.processInfo.environment["UPDATE_SNAPSHOTS"] == "1" {
                try Data(page.text.replacingCharacters(in: range, with: table).utf8).write(to: OptionsPage.file)
            } else {
                #expect(page.text[range] == table, "the values changed: look at them, and renew the table")
            }
        }
    }

    /// The guide names the tests that cover the original programs' errors: they must exist.
    @Test func theGuidesTestsExist() throws {
        let root = OptionsPage.file.deletingLastPathComponent()
        let guide = try String(contentsOf: root.appendingPathComponent("Training.md"), encoding: .utf8)
        let table = guide.components(separatedBy: "| There | Here | Test |").last?.components(separatedBy: "\n\n").first
        let names = try #require(table).split(separator: "\n").dropFirst(2).flatMap { row in
            row.split(separator: "|").last.map(OptionsPage.codes) ?? []
        }
        let tests = root.appendingPathComponent("../../Tests").standardized
        let files = FileManager.default.enumerator(at: tests, includingPropertiesForKeys: nil)?.allObjects ?? []
        let sources = try files.compactMap { $0 as? URL }.filter { $0.pathExtension == "swift" }.map {
            try String(contentsOf: $0, encoding: .utf8)
        }.joined()
        #expect(names.count > 9)
        for name in names {
            #expect(
                sources.contains("func \(name)(") || sources.contains("struct \(name) "), "there is no test \(name)")
        }
    }
}

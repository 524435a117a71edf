import Foundation
import TestSupport
import Testing
import W2VTorch

@testable import W2VBackbone
@testable import W2VInterchange

/// The files of a folder beside the weights: input normalization, other content, and mismatches.
@Suite(.onTestThreads) struct HuggingFaceFolderTests {
    private func write(_ text: String, _ folder: URL, _ name: String) throws {
        let file = folder.appendingPathComponent(name)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
    }

    private func change(_ folder: URL, _ body: (inout [String: Tensor]) throws -> Void) throws {
        let file = folder.appendingPathComponent("model.safetensors")
        var tensors = try TensorFile.read(file)
        try body(&tensors)
        try TensorFile.write(tensors, metadata: ["format": "pt"], to: file)
    }

    private func refusal(_ folder: URL) throws -> String {
        let error = #expect(throws: (any Error).self) { try Checkpoint.read(folder) }
        let sentence = "\(try #require(error))"
        #expect(!sentence.contains("\n"), "\(sentence)")
        return sentence
    }

    // MARK: Normalization

    @Test func whatIsAddedToTheVarianceFollowsTheOrigin() throws {
        try withTemporaryFolder { folder in
            let theirs = try Checkpoint.read(Repository.golden.appendingPathComponent("hf_large_ctc"))
            #expect(theirs.description.normalize && theirs.description.normalizeEpsilon == 1e-7)
            for format in CheckpointFormat.allCases {
                let place = folder.appendingPathComponent("theirs-\(format.rawValue)\(format.isFolder ? "" : ".pt")")
                let left = try theirs.convert(to: place, format: format)
                let isTold = left.contains("normalize_epsilon 1e-07: theirs is always 1e-05")
                #expect(isTold == !format.isFolder, "\(format): \(left)")
                #expect(try Checkpoint.read(place).description.normalizeEpsilon == 1e-7, "\(format)")
            }
            let ours = try Checkpoint.read(SmallModel(task: .ctc, isLarge: true).write(to: folder, "ours"))
            #expect(ours.description.normalizeEpsilon == 1e-5)
            for format in CheckpointFormat.allCases {
                let place = folder.appendingPathComponent("ours-\(format.rawValue)\(format.isFolder ? "" : ".pt")")
                let left = try ours.convert(to: place, format: format)
                let sentence = "normalize_epsilon: 1e-05, where theirs is always 1e-07"
                #expect(left.contains(sentence) == (format == .huggingFace))
                #expect(try Checkpoint.read(place).description.normalizeEpsilon == 1e-5, "\(format)")
            }
        }
    }

    @Test func nullIsFalseAsInPython() throws {
        try withCopy(of: "hf_large_ctc") { folder in
            let name = "preprocessor_config.json"
            try FileManager.default.removeItem(at: folder.appendingPathComponent("processor_config.json"))
            for (value, expected) in [("null", false), ("false", false), ("0", false), ("true", true), ("1", true)] {
                try write("{\"do_normalize\": \(value), \"sampling_rate\": 16000.0}", folder, name)
                #expect(try Checkpoint.read(folder).description.normalize == expected, "\(value)")
            }
            try write("{}", folder, name)
            #expect(try Checkpoint.read(folder).description.normalize)
            try write("{\"do_normalize\": \"no\"}", folder, name)
            #expect(try refusal(folder).contains("do_normalize is \"no\", where true or false is expected"))
            // As in Transformers, settings inside the processor's configuration take precedence.
            try write("{\"feature_extractor\": {\"do_normalize\": false}}", folder, "processor_config.json")
            let checkpoint = try Checkpoint.read(folder)
            #expect(!checkpoint.description.normalize && checkpoint.notes.count == 1)
        }
    }

    // MARK: Beside the model

    @Test func aLanguageModelIsNamed() throws {
        try withCopy(of: "hf_base_ctc") { folder in
            #expect(try Checkpoint.read(folder).notes == [])
            try write("\\data\\", folder, "language_model/3gram.arpa")
            try write("a\n", folder, "language_model/unigrams.txt")
            try write("{\"alpha\": 0.25, \"beta\": 1.5}", folder, "language_model/attrs.json")
            try write("{}", folder, "alphabet.json")
            try write("", folder, "training_args.bin")
            let checkpoint = try Checkpoint.read(folder)
            let model = folder.appendingPathComponent("language_model")
            #expect(
                checkpoint.notes == [
                    CheckpointNote(
                        "language_model/3gram.arpa: a language model, used only where it is given: "
                            + "the model \(model.path)/3gram.arpa with the lexicon \(model.path)/unigrams.txt with alpha 0.25 "
                            + "with beta 1.5",
                        .languageModel)
                ])
            #expect(checkpoint.notCarriedOver.count == 2)
            #expect(checkpoint.notCarriedOver.last == "training_args.bin: a file that is not read")
        }
    }

    @Test func aLanguageModelThatIsMissingOrElsewhereIsNamed() throws {
        try withCopy(of: "hf_base_ctc") { folder in
            try edit(folder, "tokenizer_config.json") { $0["processor_class"] = "Wav2Vec2ProcessorWithLM" }
            let notes = try Checkpoint.read(folder).notes
            #expect(notes.count == 1 && notes[0].subject == .languageModel, "\(notes)")
            #expect(notes[0].phrase.hasPrefix("tokenizer_config.json: its Wav2Vec2ProcessorWithLM decodes with a"))
            try write("\\data\\", folder, "language_model/3 gram.arpa")
            let found = try Checkpoint.read(folder).notes
            let path = folder.appendingPathComponent("language_model/3 gram.arpa").path
            #expect(found.count == 1 && found[0].phrase.hasSuffix(" the model '\(path)'"), "\(found)")
            try write("\\data\\", folder, "5gram.arpa")
            let beside = try Checkpoint.read(folder).notes
            #expect(beside.count == 2 && beside[1].phrase.hasPrefix("5gram.arpa: a language model"), "\(beside)")
        }
    }

    @Test(arguments: ["model.safetensors", "pytorch_model.bin"])
    func pointersOfGitLFSAreRefusedByName(_ name: String) throws {
        try withCopy(of: "hf_base_ctc") { folder in
            try FileManager.default.removeItem(at: folder.appendingPathComponent("model.safetensors"))
            try write("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", folder, name)
            let sentence = try refusal(folder)
            #expect(sentence.contains("\(name) cannot be used: it is a pointer of Git LFS"), "\(sentence)")
            guard name.hasSuffix(".safetensors") else {
                #expect(try refusal(folder.appendingPathComponent(name)).contains("it is a pointer of Git LFS"))
                return
            }
            let own = try SmallModel(task: .ctc).write(to: folder, "own")
            let weights = own.appendingPathComponent(name)
            try FileManager.default.removeItem(at: weights)
            try FileManager.default.createSymbolicLink(
                at: weights, withDestinationURL: folder.appendingPathComponent(name))
            #expect(try refusal(own).contains("own/\(name) cannot be used: it is a pointer of Git LFS"))
        }
    }

    @Test func userNotesAreDistinguished() throws {
        try withCopy(of: "hf_base_ctc") { folder in
            try change(folder) {
                $0["wav2vec2.masked_spec_embed"] = nil
                for name in ["a", "b", "c", "d", "e", "f"] { $0["classifier.\(name)"] = try .zeros([2]) }
            }
            for name in ["preprocessor_config.json", "processor_config.json"] {
                try FileManager.default.removeItem(at: folder.appendingPathComponent(name))
            }
            try edit(folder, "config.json") {
                $0["pad_token_id"] = 7
                $0["invented"] = [1, 2]
            }
            try write("{}", folder, "adapter_config.json")
            let checkpoint = try Checkpoint.read(folder)
            let subjects = checkpoint.notes.map { $0.phrase.prefix { $0 != ":" } }
            #expect(
                subjects == [
                    "classifier.a, classifier.b, classifier.c, classifier.d, classifier.e and 1 more",
                    "preprocessor_config.json", "masked_spec_embed", "pad_token_id 7 of config.json",
                    "adapter_config.json",
                ], "\(checkpoint.notes)")
            #expect(checkpoint.notCarriedOver.contains("invented of config.json"))
        }
    }

    @Test(arguments: [
        ("wav2vec2.encoder.layers.0.adapter_layer.norm.weight", "belong to adapters"),
        ("wav2vec2.adapter.layers.0.conv.weight", "belong to adapters"),
        ("wav2vec2.encoder.layers.0.gate.weight", "have no place in this architecture"),
        ("wav2vec2.feature_extractor.conv_layers.3.layer_norm.weight", "have no place in this architecture"),
    ])
    func tensorsOfTheModelThatHaveNoPlaceAreRefused(_ name: String, _ reason: String) throws {
        try withCopy(of: "hf_base_ctc") { folder in
            try change(folder) {
                $0[name] = try .zeros([4])
                $0[name + "_2"] = try .zeros([4])
            }
            let sentence = try refusal(folder)
            #expect(sentence.contains("its tensor \(name) and 1 more \(reason)"), "\(sentence)")
            try change(folder) { $0[name + "_2"] = nil }
            let single = reason.replacing("belong ", with: "belongs ").replacing("have ", with: "has ")
            let one = try refusal(folder)
            #expect(one.contains("its tensor \(name) \(single)") && one.contains("without it"), "\(one)")
        }
    }

    @Test func earlyFilesHaveAnotherNameForTheMaskEmbedding() throws {
        try withCopy(of: "hf_base_ctc") { folder in
            let original = try Checkpoint.read(folder)
            let (later, earlier) = ("wav2vec2.masked_spec_embed", "wav2vec2.mask_time_emb_vector")
            try change(folder) {
                $0[earlier] = $0[later]
                $0[later] = nil
            }
            let renamed = try Checkpoint.read(folder)
            #expect(try differences(renamed.state, original.state) == [] && renamed.notes == [])
            // Saved again by a later version, such a folder contains a random embedding under the later name.
            try change(folder) { $0[later] = try .zeros(#require($0[earlier]).shape) }
            let both = try Checkpoint.read(folder)
            #expect(try differences(both.state, original.state) == [] && both.notes.count == 1)
            #expect(both.notes[0].phrase.hasPrefix(later))
        }
    }

    // MARK: Files

    @Test func filesMayBeginWithAByteOrderMark() throws {
        try withCopy(of: "hf_base_ctc") { folder in
            let original = try Checkpoint.read(folder)
            for name in ["config.json", "preprocessor_config.json", "vocab.json", "tokenizer_config.json"] {
                let file = folder.appendingPathComponent(name)
                try (Data([0xEF, 0xBB, 0xBF]) + Data(contentsOf: file)).write(to: file)
            }
            let marked = try Checkpoint.read(folder)
            #expect(marked.description == original.description && marked.notes == [])
            try Data([0x7B, 0x0A, 0xE9, 0x7D]).write(to: folder.appendingPathComponent("tokenizer_config.json"))
            #expect(try refusal(folder).contains("tokenizer_config.json cannot be used: line 2 is not UTF-8"))
        }
        try withTemporaryFolder { folder in
            let url = try SmallModel(task: .ctc).write(to: folder)
            let file = url.appendingPathComponent("config.json")
            try (Data([0xEF, 0xBB, 0xBF]) + Data(contentsOf: file)).write(to: file)
            #expect(try Checkpoint.read(url).description == SmallModel(task: .ctc).description())
        }
    }

    @Test func longValuesAreQuotedOnOneLine() throws {
        try withCopy(of: "hf_base_ctc") { folder in
            try edit(folder, "config.json") { $0["conv_stride"] = Array(repeating: ["a": "b\n"], count: 10_000) }
            let sentence = try refusal(folder)
            #expect(
                sentence.contains("conv_stride is [{\"a\": \"b<U+000A>\"}, ") && sentence.count < 400, "\(sentence)")
        }
    }

    // MARK: Text

    @Test func howTextIsWrittenIsCarriedThroughEveryFormat() throws {
        try withTemporaryFolder { folder in
            let model = SmallModel(task: .ctc)
            var description = try model.description()
            description.text.wordSeparator = "-"
            description.text.lowercases = true
            description.labels[8] = "<8>"
            description.text.written = ["<8>": "|"]
            let native = folder.appendingPathComponent("native")
            try FileManager.default.createDirectory(at: native, withIntermediateDirectories: true)
            try Checkpoint.write(description, state: model.state(), to: native)
            let checkpoint = try Checkpoint.read(native)
            #expect(checkpoint.description == description)
            for format in CheckpointFormat.allCases {
                let place = folder.appendingPathComponent("to-\(format.rawValue)\(format.isFolder ? "" : ".pt")")
                let left = try checkpoint.convert(to: place, format: format)
                #expect(left.contains { $0.hasPrefix("text {") } == !format.isFolder, "\(format): \(left)")
                let read = try Checkpoint.read(place).description
                #expect(read.text == description.text && read.labels == description.labels, "\(format)")
            }
        }
    }
}

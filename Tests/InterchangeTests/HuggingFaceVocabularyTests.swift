import Foundation
import Testing
import Torch

@testable import Interchange

@Suite struct HuggingFaceVocabularyTests {
    /// Reads a vocabulary from files that are written for it.
    private func read(
        _ vocabulary: String, rows: Int, padding: Int? = 0, tokenizer: String? = nil, specials: String? = nil,
        added: String? = nil
    ) throws -> HuggingFaceVocabulary {
        try withTemporaryFolder { folder in
            for (name, text) in [
                ("vocab.json", vocabulary), ("tokenizer_config.json", tokenizer),
                ("special_tokens_map.json", specials), ("added_tokens.json", added),
            ] {
                if let text { try Data(text.utf8).write(to: folder.appendingPathComponent(name)) }
            }
            return try #require(
                try HuggingFaceVocabulary.read(HuggingFaceFolder(url: folder), rows: rows, padding: padding))
        }
    }

    @Test func theUsualOrderGetsFairseqsNames() throws {
        let found = try read("{\"<pad>\":0,\"<s>\":1,\"</s>\":2,\"<unk>\":3,\"|\":4,\"E\":5}", rows: 6)
        #expect(found.symbols == ["<s>", "<pad>", "</s>", "<unk>", "|", "E"] && found.rows == Array(0..<6))
        #expect(found.notes == [])
    }

    @Test func theBlankComesFirstWhereverItIs() throws {
        let found = try read(
            "{\"a\":0,\"b\":1,\" \":2,\"[UNK]\":3,\"[PAD]\":4}", rows: 5, padding: 4,
            tokenizer: "{\"unk_token\":\"[UNK]\",\"pad_token\":\"[PAD]\",\"word_delimiter_token\":\" \"}",
            added: "{\"<s>\":5,\"</s>\":6}")
        #expect(found.symbols == ["<s>", "a", "b", "|", "<unk>"] && found.rows == [4, 0, 1, 2, 3])
    }

    @Test func allSpecialsComeFirstWhenAllAreThere() throws {
        let found = try read(
            "{\"a\":0,\"|\":1,\"[UNK]\":2,\"[PAD]\":3,\"<s>\":4,\"</s>\":5}", rows: 6, padding: 3,
            specials: """
                {"unk_token":{"content":"[UNK]"},"pad_token":{"content":"[PAD]"},"bos_token":"<s>","eos_token":"</s>"}
                """)
        #expect(found.symbols == ["<s>", "<pad>", "</s>", "<unk>", "a", "|"] && found.rows == [3, 4, 5, 2, 0, 1])
    }

    @Test func specialsWithOneRoleTwiceKeepTheirNames() throws {
        let found = try read(
            "{\"<pad>\":0,\"x\":1,\"<unk>\":2}", rows: 3,
            tokenizer: "{\"bos_token\":\"<unk>\",\"eos_token\":null,\"unk_token\":\"<unk>\"}")
        #expect(found.symbols == ["<pad>", "x", "<unk>"])
    }

    @Test func theTokenizersPaddingIsTheBlank() throws {
        let found = try read("{\"x\":0,\"<pad>\":1}", rows: 2, padding: 0)
        #expect(found.symbols == ["<s>", "x"] && found.rows == [1, 0])
        #expect(found.notes.count == 1 && found.notes[0].hasPrefix("pad_token_id 0 of config.json: "))
        let named = try read("{\"x\":0,\"y\":1}", rows: 2, padding: 1, tokenizer: "{\"pad_token\":\"[PAD]\"}")
        #expect(named.symbols == ["<s>", "x"] && named.rows == [1, 0])
    }

    @Test func lowerCaseIsTheTokenizers() throws {
        let tokenizer = "{\"do_lower_case\":true}"
        let found = try read("{\"<pad>\":0,\"A\":1,\"É\":2}", rows: 3, tokenizer: tokenizer)
        #expect(found.symbols == ["<s>", "a", "é"])
        let ambiguous = try read("{\"<pad>\":0,\"A\":1,\"a\":2}", rows: 3, tokenizer: tokenizer)
        #expect(ambiguous.symbols == ["<s>", "A", "a"] && ambiguous.notes.count == 1)
    }

    @Test(arguments: [
        ("{\"<pad>\":0,\"a\":1}", 3, "it has 2 symbols, but lm_head has 3 rows, and none is called 2"),
        ("{\"<pad>\":0,\"a\":1,\"b\":2}", 2, "b has the index 2, but lm_head has 2 rows"),
        ("{\"<pad>\":0,\"a\":1,\"b\":1}", 3, "both a and b have the index 1"),
        ("{\"<pad>\":0,\"a\":-1}", 2, "a has the index -1"), ("{\"<pad>\":0,\"a\":\"x\"}", 2, "a has the index \"x\""),
        ("{\"eng\":{\"<pad>\":0},\"deu\":{\"<pad>\":0}}", 1, "a vocabulary for each language"),
        ("{\"a\":0,\"b\":1}", 2, "so there is no blank"),
    ])
    func badVocabulariesAreRefused(_ vocabulary: String, _ rows: Int, _ text: String) throws {
        let error = #expect(throws: CheckpointError.self) { try read(vocabulary, rows: rows, padding: nil) }
        let sentence = try #require(error).description
        #expect(sentence.contains(text) && sentence.contains("vocab.json"), "\(sentence)")
    }

    @Test func theOutputLayerFollowsTheOrder() throws {
        try withCopy(of: "hf_base_ctc") { folder in
            let original = try Checkpoint.read(folder)
            // Row r of their layer becomes row 31 − r, and the vocabulary says so.
            let file = folder.appendingPathComponent("model.safetensors")
            var tensors = try TensorFile.read(file)
            for name in ["lm_head.weight", "lm_head.bias"] {
                tensors[name] = try tensors[name]?.taking(Tensor((0..<32).map { 31 - $0 }))
            }
            try TensorFile.write(tensors, to: file)
            try edit(folder, "vocab.json") { $0 = $0.mapValues { 31 - ($0 as? Int ?? 0) } }
            try edit(folder, "config.json") { $0["pad_token_id"] = 31 }
            let checkpoint = try Checkpoint.read(folder)
            #expect(checkpoint.description.labels.prefix(4) == original.description.labels.prefix(4))
            let rows = try checkpoint.description.labels.map {
                try #require(original.description.labels.firstIndex(of: $0))
            }
            let name = "w2v_encoder.proj.weight"
            let expected = try #require(original.state[name]).taking(Tensor(rows))
            #expect(try differences(["": expected], ["": #require(checkpoint.state[name])]) == [])
        }
    }

    @Test func aFolderWithoutVocabularyAsksForADictionary() throws {
        try withCopy(of: "hf_base_ctc") { folder in
            try FileManager.default.removeItem(at: folder.appendingPathComponent("vocab.json"))
            let checkpoint = try Checkpoint.read(folder)
            #expect(checkpoint.labelCount == 32 && checkpoint.description.labels == [])
            #expect(throws: CheckpointError.self) { try checkpoint.requireLabels() }
            let labelled = try checkpoint.labelled((0..<32).map(String.init), from: "numbers")
            #expect(try labelled.requireLabels().count == 32)
        }
    }

    @Test func labelsComeBack() throws {
        for labels in [
            SmallModel.labels, ["<blank>", "a", "b", "|"], ["<s>", "<pad>", "</s>", "<unk>", "AA", "B", "ʃ"],
            ["<s>", "a", "|", "<unk>"],
        ] {
            try withTemporaryFolder { folder in
                let files = try HuggingFaceVocabulary.files(labels)
                for (name, value) in files.contents {
                    try Data(value.text.utf8).write(to: folder.appendingPathComponent(name))
                }
                let read = try HuggingFaceVocabulary.read(
                    HuggingFaceFolder(url: folder), rows: labels.count, padding: files.tokens.padding)
                let expected = labels[0] == "<blank>" ? ["<s>"] + labels.dropFirst() : labels
                #expect(read?.symbols == expected && read?.notes == [])
            }
        }
        #expect(throws: CheckpointError.self) { try HuggingFaceVocabulary.files(["<s>", "a", "a"]) }
    }
}

import Foundation
import TestSupport
import Testing
import W2VBase
import W2VTorch

@testable import W2VInterchange

@Suite(.onTestThreads) struct HuggingFaceVocabularyTests {
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

    /// Added tokens that vocab.json has under another number; the outputs were trained with vocab.json's.
    @Test(
        arguments: [
            (nil, "{\"[PAD]\":4,\"a\":5,\"<s>\":6}"),
            ("{\"4\":{\"content\":\"[PAD]\"},\"5\":{\"content\":\"a\"}}", nil),
        ] as [(String?, String?)])
    func vocabJSONGoesBeforeOtherNumbersOfItsTokens(_ decoder: String?, _ added: String?) throws {
        let settings = "\"pad_token\":\"[PAD]\"" + (decoder.map { ",\"added_tokens_decoder\":\($0)" } ?? "")
        let found = try read(
            "{\"a\":0,\"b\":1.0,\"|\":2,\"[PAD]\":3}", rows: 4, padding: 3, tokenizer: "{\(settings)}", added: added)
        #expect(found.symbols == ["<s>", "a", "b", "|"] && found.rows == [3, 0, 1, 2])
        let phrases = found.notes.map(\.phrase)
        #expect(phrases.count == 2, "\(phrases)")
        #expect(phrases.contains { $0.hasSuffix("\"a\" has the index 5 as well as 0 in vocab.json") })
    }

    @Test(arguments: [3, 4]) func ofTwoPaddingsTheConfigurationsIsTheBlank(_ padding: Int) throws {
        let found = try read(
            "{\"a\":0,\"b\":1,\"|\":2,\"<pad>\":3}", rows: 5, padding: padding, added: "{\"<pad>\":4}")
        #expect(found.rows[0] == padding && found.symbols.prefix(4) == ["<s>", "a", "b", "|"])
        #expect(found.style.text(of: found.symbols[4]) == "", "\(found.symbols)")
    }

    @Test func wordSeparatorsAreLowercasedToo() throws {
        let found = try read(
            "{\"<pad>\":0,\"A\":1,\"|\":2}", rows: 3,
            tokenizer: "{\"do_lower_case\":true,\"replace_word_delimiter_char\":\"X\"}")
        #expect(found.symbols == ["<s>", "a", "|"] && found.style.wordSeparator == "x")
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
        #expect(found.notes.count == 1 && found.notes[0].phrase.hasPrefix("pad_token_id 0 of config.json: "))
        let named = try read("{\"x\":0,\"y\":1}", rows: 2, padding: 1, tokenizer: "{\"pad_token\":\"[PAD]\"}")
        #expect(named.symbols == ["<s>", "x"] && named.rows == [1, 0])
    }

    @Test func lowerCaseIsTheTokenizers() throws {
        let tokenizer = "{\"do_lower_case\":true}"
        let found = try read("{\"<pad>\":0,\"A\":1,\"É\":2}", rows: 3, tokenizer: tokenizer)
        #expect(found.symbols == ["<s>", "a", "é"])
        #expect(found.style == TextStyle(letters: true))
        let ambiguous = try read("{\"<pad>\":0,\"A\":1,\"a\":2}", rows: 3, tokenizer: tokenizer)
        #expect(ambiguous.symbols == ["<s>", "A", "a"] && ambiguous.style.lowercases)
        #expect(ambiguous.notes.map(\.phrase).contains { $0.hasPrefix("do_lower_case of tokenizer_config.json: ") })
        // At the end of a word a capital sigma becomes another letter.
        let greek = try read("{\"<pad>\":0,\"Α\":1,\"Σ\":2}", rows: 3, tokenizer: tokenizer)
        #expect(greek.symbols == ["<s>", "Α", "Σ"] && greek.style.lowercases && greek.notes == [])
        for value in ["null", "0", "false"] {
            #expect(
                try read("{\"<pad>\":0,\"A\":1}", rows: 2, tokenizer: "{\"do_lower_case\":\(value)}").symbols[1] == "A")
        }
    }

    @Test(arguments: [
        ("{\"<pad>\":0,\"a\":1}", 3, "it has 2 symbols, but lm_head has 3 rows, and none is called 2"),
        ("{\"<pad>\":0,\"a\":1,\"b\":2}", 2, "\"b\" has the index 2, but lm_head has 2 rows"),
        ("{\"<pad>\":0,\"a\":1,\"b\":1}", 3, "both \"a\" and \"b\" have the index 1"),
        ("{\"<pad>\":0,\"a\":-1}", 2, "\"a\" has the index -1"),
        ("{\"<pad>\":0,\"a\":\"x\"}", 2, "\"a\" has the index \"x\""),
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
            // Row r of their layer becomes row 31 − r, and the vocabulary shows it.
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
            let labeled = try checkpoint.labeled((0..<32).map(String.init), from: "numbers")
            #expect(try labeled.requireLabels().count == 32)
        }
    }

    @Test func labelsComeBack() throws {
        for labels in [
            SmallModel.labels, ["<blank>", "a", "b", "|"], ["<s>", "<pad>", "</s>", "<unk>", "AA", "B", "ʃ"],
            ["<s>", "a", "|", "<unk>"],
        ] {
            try withTemporaryFolder { folder in
                let files = try HuggingFaceTokenizerFiles(labels)
                for (name, value) in files.contents {
                    try Data(value.text.utf8).write(to: folder.appendingPathComponent(name))
                }
                let read = try HuggingFaceVocabulary.read(
                    HuggingFaceFolder(url: folder), rows: labels.count, padding: files.tokens.padding)
                let expected = labels[0] == "<blank>" ? ["<s>"] + labels.dropFirst() : labels
                #expect(
                    read?.symbols == expected && read?.notes == [] && read?.style == TextStyle() && files.left == [])
            }
        }
        #expect(throws: CheckpointError.self) { try HuggingFaceTokenizerFiles(["<s>", "a", "a"]) }
    }

    // MARK: Numbers

    @Test func theVocabularyGoesBeforeAddedTokens() throws {
        let vocabulary = "{\"a\":0,\"b\":1,\"|\":2,\"[UNK]\":3,\"[PAD]\":4}"
        let names = "\"pad_token\":\"[PAD]\",\"unk_token\":\"[UNK]\""
        let found = try read(
            vocabulary, rows: 5, padding: 4, tokenizer: "{\(names)}", added: "{\"<s>\":4,\"</s>\":5}")
        #expect(found.symbols == ["<s>", "a", "b", "|", "<unk>"] && found.rows == [4, 0, 1, 2, 3])
        #expect(
            found.notes.map(\.phrase)
                == ["added_tokens.json: \"<s>\" has the index 4, but so has \"[PAD]\" in vocab.json, which counts"])
        // Newer versions store the numbers in tokenizer_config.json, and ignore all other files then.
        let decoder = "\"added_tokens_decoder\":{\"5\":{\"content\":\"<s>\"},\"6\":{\"content\":\"</s>\"}}"
        let newer = try read(
            vocabulary, rows: 7, padding: 4, tokenizer: "{\(names),\(decoder)}", specials: "{\"pad_token\":\"a\"}",
            added: "{\"x\":5}")
        #expect(newer.symbols == ["<s>", "<pad>", "</s>", "<unk>", "a", "b", "|"])
        #expect(newer.rows == [4, 5, 6, 3, 0, 1, 2] && newer.notes == [])
        // Without either, Transformers gives sentence marks the next numbers.
        let marks = "\"bos_token\":\"<s>\",\"eos_token\":{\"content\":\"</s>\"}"
        let unnumbered = try read(vocabulary, rows: 7, padding: 4, tokenizer: "{\(names),\(marks)}")
        #expect(unnumbered.symbols == newer.symbols && unnumbered.rows == newer.rows && unnumbered.notes.count == 2)
        let beside = try read(
            vocabulary, rows: 5, padding: 4, tokenizer: "{\"pad_token\":\"a\"}",
            specials: "{\"pad_token\":{\"content\":\"[PAD]\"},\"unk_token\":\"[UNK]\"}")
        #expect(beside.rows == [4, 0, 1, 2, 3], "special_tokens_map.json goes before tokenizer_config.json")
    }

    @Test func theLaterOfTwoTokensWithOneNumberCounts() throws {
        let found = try read("{\"<pad>\":0,\"b\":1,\"a\":1,\"|\":2}", rows: 3)
        #expect(found.symbols == ["<s>", "a", "|"] && found.notes.count == 1)
        #expect(found.notes[0].phrase.contains("the later one counts, as in Transformers"))
    }

    @Test func tokensWithTwoNumbersKeepBothRows() throws {
        let found = try read(
            "{\"<pad>\":0,\"a\":1,\"|\":2}", rows: 4,
            tokenizer: "{\"added_tokens_decoder\":{\"3\":{\"content\":\"a\"}}}")
        #expect(found.symbols == ["<s>", "a", "|", "<3>"] && found.style.text(of: "<3>") == "a")
    }

    @Test(arguments: [
        "{\"added_tokens_decoder\":{\"x\":{\"content\":\"a\"}}}",
        "{\"added_tokens_decoder\":{\"-1\":{\"content\":\"a\"}}}",
        "{\"added_tokens_decoder\":{\"1\":{}}}", "{\"added_tokens_decoder\":[1]}",
        "{\"replace_word_delimiter_char\":1}", "{\"do_lower_case\":\"yes\"}",
    ])
    func badSettingsAreRefused(_ tokenizer: String) throws {
        let error = #expect(throws: CheckpointError.self) {
            try read("{\"<pad>\":0,\"a\":1}", rows: 2, tokenizer: tokenizer)
        }
        let sentence = try #require(error).description
        #expect(sentence.contains("tokenizer_config.json cannot be used: ") && !sentence.contains("\n"), "\(sentence)")
    }

    // MARK: Identity

    @Test func symbolsThatLookEqualAreTwo() throws {
        let found = try read(
            "{\"<pad>\":0,\"<s>\":1,\"</s>\":2,\"<unk>\":3,\"K\":4,\"\\u212a\":5,\"é\":6,\"e\\u0301\":7,\"|\":8}",
            rows: 9)
        let scalars = found.symbols.dropFirst(4).map { $0.unicodeScalars.map(\.value) }
        #expect(scalars == [[0x4B], [0x212A], [0xE9], [0x65, 0x301], [0x7C]] && found.rows == Array(0..<9))
        let files = try HuggingFaceTokenizerFiles(found.symbols)
        #expect(files.contents["vocab.json"]?["\u{212A}"] == .integer(5))
        let again = try read(#require(files.contents["vocab.json"]).text, rows: 9)
        #expect(again.symbols.dropFirst(4).map { $0.unicodeScalars.map(\.value) } == scalars)
    }

    @Test func byteOrderMarksAreDroppedAndOtherEncodingsNamed() throws {
        #expect(try read("\u{FEFF}{\"<pad>\":0,\"a\":1}", rows: 2, tokenizer: "\u{FEFF}{}").symbols == ["<s>", "a"])
        try withTemporaryFolder { folder in
            try Data([0x7B, 0x0A, 0x22, 0xE4, 0x22, 0x3A, 0x30, 0x7D]).write(
                to: folder.appendingPathComponent("vocab.json"))
            let error = #expect(throws: CheckpointError.self) {
                try HuggingFaceVocabulary.read(HuggingFaceFolder(url: folder), rows: 1, padding: 0)
            }
            let sentence = try #require(error).description
            #expect(sentence.contains("vocab.json cannot be used: line 2 is not UTF-8"), "\(sentence)")
        }
    }

    // MARK: Text

    @Test func theNamedTokenPartsWords() throws {
        let tokenizer = "{\"word_delimiter_token\":\" \",\"replace_word_delimiter_char\":\"-\"}"
        let found = try read("{\"a\":0,\"|\":1,\" \":2,\"<pad>\":3}", rows: 4, padding: 3, tokenizer: tokenizer)
        #expect(found.symbols == ["<s>", "a", "<1>", "|"] && found.rows == [3, 0, 1, 2])
        #expect(found.style.text(of: "<1>") == "|" && found.style.wordSeparator == "-" && found.style.unit == nil)
        // A generated name is not that of another symbol.
        let odd = try read(
            "{\"a\":0,\"|\":1,\" \":2,\"<pad>\":3,\"<1>\":4}", rows: 5, padding: 3, tokenizer: tokenizer)
        #expect(odd.symbols == ["<s>", "a", "<<1>>", "|", "<1>"])
    }

    @Test func lettersWithoutADelimiterAreOneWord() throws {
        for tokenizer in ["{\"word_delimiter_token\":null}", "{\"word_delimiter_token\":\"#\"}", "{}"] {
            let found = try read("{\"<pad>\":0,\"一\":1,\"二\":2}", rows: 3, tokenizer: tokenizer)
            #expect(found.symbols == ["<s>", "一", "二"] && found.style.unit == .letters)
        }
        let letter = try read("{\"<pad>\":0,\"a\":1,\"|\":2}", rows: 3, tokenizer: "{\"word_delimiter_token\":null}")
        #expect(letter.symbols == ["<s>", "a", "<2>"] && letter.style.unit == .letters)
        #expect(letter.style.text(of: "<2>") == "|")
    }

    @Test func phonemesAreWordsWhateverElseThereIs() throws {
        let phonemes = "\"tokenizer_class\":\"Wav2Vec2PhonemeCTCTokenizer\""
        let vocabulary = "{\"<pad>\":0,\"h\":1,\"oʊ\":2,\"|\":3}"
        let bounded = try read(vocabulary, rows: 4, tokenizer: "{\(phonemes),\"word_delimiter_token\":\"|\"}")
        #expect(bounded.symbols == ["<s>", "h", "oʊ", "|"] && bounded.style.unit == .words)
        let sign = try read(vocabulary, rows: 4, tokenizer: "{\(phonemes)}")
        #expect(sign.symbols == ["<s>", "h", "oʊ", "<3>"] && sign.style.text(of: "<3>") == "|")
        #expect(sign.style.unit(of: sign.symbols) == .words)
    }

    @Test func textStylesComeBack() throws {
        let styles: [(labels: [String], style: TextStyle)] = [
            (["<s>", "a", "<2>", "|"], TextStyle(separator: "-", written: ["<2>": "|"])),
            (["<s>", "A", "a", "|"], TextStyle(lowercases: true)), (["<s>", "'", "|"], TextStyle(cleansUp: true)),
            (["<s>", "一"], TextStyle(letters: true)),
            (["<s>", "h", "|"], TextStyle(letters: false)), (["<s>", "h", "<2>"], TextStyle(written: ["<2>": "|"])),
        ]
        for (labels, style) in styles {
            #expect(try TextStyle(encoded: style.encoded) == style)
            try withTemporaryFolder { folder in
                let files = try HuggingFaceTokenizerFiles(labels, style: style)
                for (name, value) in files.contents {
                    try Data(value.text.utf8).write(to: folder.appendingPathComponent(name))
                }
                let read = try HuggingFaceVocabulary.read(
                    HuggingFaceFolder(url: folder), rows: labels.count, padding: files.tokens.padding)
                #expect(read?.symbols == labels && read?.style == style, "\(files.contents)")
            }
        }
        for text in ["{\"unit\":\"x\"}", "{\"word_separator\":1}", "{\"written\":[[\"a\"]]}", "{\"other\":1}", "[]"] {
            #expect(throws: (any Error).self) { try TextStyle(encoded: text) }
        }
    }
}

extension TextStyle {
    /// A style that differs from fairseq's in some respects.
    fileprivate init(
        letters: Bool? = nil, separator: String = " ", lowercases: Bool = false, cleansUp: Bool = false,
        written: [ExactText: String] = [:]
    ) {
        self.init()
        unit = letters.map { $0 ? .letters : .words }
        wordSeparator = separator
        self.lowercases = lowercases
        self.cleansUp = cleansUp
        self.written = written
    }
}

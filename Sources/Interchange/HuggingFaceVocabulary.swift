import Foundation

/// Hugging Face's vocabulary in terms of ours.
///
/// Here the blank is label 0 and the specials bear fairseq's names; there the blank is the tokenizer's padding, anywhere
/// in the vocabulary. Transformers' own conversions keep the rows and exchange the names: fairseq's `<s>` (the blank) is
/// their `<pad>`, and fairseq's `<pad>` their `<s>`.
struct HuggingFaceVocabulary: Equatable, Sendable {
    /// Our symbols, the blank first.
    var symbols: [String]
    /// The row of their output layer that each symbol's logit comes from.
    var rows: [Int]
    /// What is worth telling about the choice.
    var notes: [String] = []

    private static let boundary = "|"
    private static let fileName = "vocab.json"

    // MARK: Reading

    /// Reads a folder's vocabulary.
    ///
    /// - Parameters:
    ///   - folder: With `vocab.json`, and perhaps `tokenizer_config.json`, `special_tokens_map.json`, `added_tokens.json`.
    ///   - rows: The rows of the model's output layer.
    ///   - padding: `pad_token_id` of the model's configuration.
    /// - Returns: The vocabulary; nil when the folder has none.
    /// - Throws: ``CheckpointError`` naming the file and what does not fit.
    static func read(_ folder: HuggingFaceFolder, rows: Int, padding: Int?) throws -> HuggingFaceVocabulary? {
        guard let vocabulary = try folder.object(fileName) else { return nil }
        let path = folder.path(fileName)
        func damaged(_ reason: String) -> CheckpointError { .damaged(path: path, reason: reason) }
        let tokenizer = try folder.object("tokenizer_config.json") ?? [:]
        let specials = try folder.object("special_tokens_map.json") ?? [:]
        let added = try folder.object("added_tokens.json") ?? [:]

        if let language = vocabulary.first(where: { if case .object = $1 { true } else { false } })?.key {
            throw damaged("it holds a vocabulary for each language (\(language), …), which belongs to adapters")
        }
        var symbolOfRow: [Int: String] = [:]
        for (symbol, value) in vocabulary.merging(added, uniquingKeysWith: { own, _ in own }) {
            guard let index = value.integer, index >= 0 else {
                throw damaged("\(symbol) has the index \(value.text), where a whole number is expected")
            }
            if let other = symbolOfRow.updateValue(symbol, forKey: index) {
                throw damaged("both \([symbol, other].sorted().joined(separator: " and ")) have the index \(index)")
            }
        }
        func special(_ key: String, _ fallback: String?) -> String? {
            for source in [tokenizer, specials] {
                guard let value = source[key] else { continue }
                return value.string ?? value["content"]?.string
            }
            return fallback
        }
        let isPhonemic = tokenizer["tokenizer_class"]?.string == "Wav2Vec2PhonemeCTCTokenizer"
        let (beginning, end) = (special("bos_token", "<s>"), special("eos_token", "</s>"))
        let unknown = special("unk_token", "<unk>")
        let delimiter = special("word_delimiter_token", isPhonemic ? nil : boundary)

        // Sentence marks are often added behind the vocabulary, where no model has an output for them.
        for (index, symbol) in symbolOfRow where index >= rows {
            guard symbol == beginning || symbol == end || added[symbol] != nil else {
                throw damaged("\(symbol) has the index \(index), but lm_head has \(rows) rows")
            }
            symbolOfRow[index] = nil
        }
        if let missing = (0..<rows).first(where: { symbolOfRow[$0] == nil }) {
            throw damaged(
                "it has \(symbolOfRow.count) symbols, but lm_head has \(rows) rows, and none is called \(missing): "
                    + "is this the vocabulary that the model was trained with?")
        }
        let own = (0..<rows).map { symbolOfRow[$0] ?? "" }
        let rowOf = Dictionary(uniqueKeysWithValues: zip(own, 0...))

        let token = special("pad_token", "<pad>")
        guard let blank = token.flatMap({ rowOf[$0] }) ?? padding.flatMap({ $0 < rows && $0 >= 0 ? $0 : nil }) else {
            throw damaged("its padding token \(token ?? "") is not among its symbols, so there is no blank")
        }
        var result = HuggingFaceVocabulary(symbols: [], rows: [])
        if let padding, padding != blank {
            result.notes.append(
                "pad_token_id \(padding) of config.json: the tokenizer's \(own[blank]) with index \(blank) is the blank"
            )
        }
        result.arrange(
            own, blank: blank, beginning: beginning.flatMap { rowOf[$0] }, end: end.flatMap { rowOf[$0] },
            unknown: unknown.flatMap { rowOf[$0] })
        result.rename(delimiter: delimiter, lowerCase: tokenizer["do_lower_case"]?.bool == true)
        return result
    }

    /// Puts the blank first, behind it the other specials if all are there, and gives them fairseq's names.
    private mutating func arrange(_ own: [String], blank: Int, beginning: Int?, end: Int?, unknown: Int?) {
        var names = own
        let renamed = [(blank, "<s>"), (beginning, "<pad>"), (end, "</s>"), (unknown, "<unk>")]
        let places = renamed.compactMap(\.0)
        // Two roles of one symbol, or a name that another symbol has: then all keep their own names.
        let others = Set(own.indices.filter { !places.contains($0) }.map { own[$0] })
        let isClear = Set(places).count == places.count && !renamed.contains { $0.0 != nil && others.contains($0.1) }
        if isClear {
            for case (let place?, let name) in renamed { names[place] = name }
        }
        let first = isClear && places.count == renamed.count ? places : [blank]
        rows = first + own.indices.filter { !first.contains($0) }
        symbols = rows.map { names[$0] }
    }

    private mutating func rename(delimiter: String?, lowerCase: Bool) {
        if let delimiter, delimiter != Self.boundary, !symbols.contains(Self.boundary),
            let place = symbols.firstIndex(of: delimiter)
        {
            symbols[place] = Self.boundary
        }
        guard lowerCase else { return }
        let lowered = symbols.map { $0.lowercased() }
        if Set(lowered).count == lowered.count {
            symbols = lowered
        } else {
            notes.append("do_lower_case of tokenizer_config.json: some symbols differ by their case only")
        }
    }

    // MARK: Writing

    /// The tokenizer's files for a model's labels.
    struct Files: Sendable {
        /// By name.
        var contents: [String: JSONValue]
        /// The numbers of the blank, and of the sentence's beginning and end where there are such symbols.
        var tokens: (padding: Int, beginning: Int?, end: Int?)
    }

    /// The tokenizer's files for a model's labels.
    ///
    /// - Parameter labels: The symbols, the blank first.
    /// - Returns: The files, and the specials' numbers.
    /// - Throws: ``CheckpointError/cannotHold(format:what:advice:)`` for a symbol that occurs twice.
    static func files(_ labels: [String]) throws -> Files {
        var names = labels
        if names.first == "<s>" {
            for (index, label) in labels.enumerated() {
                names[index] = ["<s>": "<pad>", "<pad>": "<s>"][label] ?? label
            }
        }
        var indices: [String: Int] = [:]
        for (index, name) in names.enumerated() where indices.updateValue(index, forKey: name) != nil {
            throw CheckpointError.cannotHold(
                format: .huggingFace, what: "the symbol \(name) twice",
                advice: "give another dictionary by --dictionary")
        }
        func known(_ name: String) -> JSONValue { indices[name] == nil ? .null : .string(name) }
        let blank = JSONValue.string(names.first ?? "<pad>")
        let specials: [String: JSONValue] = [
            "pad_token": blank, "bos_token": names.first == "<s>" ? .null : known("<s>"), "eos_token": known("</s>"),
            "unk_token": known("<unk>"),
        ]
        var tokenizer = specials
        // Without a boundary symbols are phonemes, which are written with spaces between them.
        if indices[boundary] == nil {
            tokenizer["tokenizer_class"] = .string("Wav2Vec2PhonemeCTCTokenizer")
            tokenizer["do_phonemize"] = .bool(false)
            tokenizer["phone_delimiter_token"] = .string(" ")
            tokenizer["word_delimiter_token"] = .null
        } else {
            tokenizer["tokenizer_class"] = .string("Wav2Vec2CTCTokenizer")
            tokenizer["do_lower_case"] = .bool(false)
            tokenizer["word_delimiter_token"] = .string(boundary)
            tokenizer["replace_word_delimiter_char"] = .string(" ")
        }
        tokenizer["processor_class"] = .string("Wav2Vec2Processor")
        return Files(
            contents: [
                fileName: .object(indices.mapValues(JSONValue.integer)), "tokenizer_config.json": .object(tokenizer),
                "special_tokens_map.json": .object(specials.filter { $0.value != .null }),
            ],
            tokens: (0, names.first == "<s>" ? nil : indices["<s>"], indices["</s>"]))
    }
}

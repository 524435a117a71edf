import Foundation
import W2VBase

/// The tokenizer's files of a Hugging Face folder, for a model's labels.
struct HuggingFaceTokenizerFiles: Sendable {
    /// The files by name.
    private(set) var contents: [String: JSONValue] = [:]
    /// The numbers of the blank, and of the sentence's beginning and end if there are such symbols.
    private(set) var tokens: (padding: Int, beginning: Int?, end: Int?) = (0, nil, nil)
    /// Differences in Transformers' behavior, one phrase each.
    private(set) var left: [String] = []

    /// Makes the files.
    ///
    /// - Parameter labels: The symbols, the blank first.
    /// - Throws: ``CheckpointError/cannotHold(format:what:advice:)`` for a symbol that occurs twice.
    init(_ labels: [String], style: TextStyle = TextStyle()) throws {
        var names = labels
        if names.first == "<s>" {
            for (index, label) in labels.enumerated() {
                names[index] = ["<s>": "<pad>", "<pad>": "<s>"][label] ?? label
            }
        }
        let delimiter = writeTexts(&names, style)
        var vocabulary = JSONObject()
        for (index, name) in names.enumerated() {
            guard vocabulary[name] == nil else {
                throw CheckpointError.cannotHold(
                    format: .huggingFace, what: "the symbol \(name.quotedWithCodePoints) twice",
                    advice: "\(.otherDictionary)")
            }
            vocabulary[name] = .integer(index)
        }
        func known(_ name: String) -> JSONValue { vocabulary[name] == nil ? .null : .string(name) }
        let specials: JSONObject = [
            "pad_token": .string(names.first ?? "<pad>"), "bos_token": names.first == "<s>" ? .null : known("<s>"),
            "eos_token": known("</s>"), "unk_token": known("<unk>"),
        ]
        var tokenizer = specials
        tokenizer["word_delimiter_token"] = delimiter.map(JSONValue.string) ?? .null
        switch style.unit(of: labels) {
        case .words:
            // Phonemes, which are written with spaces between them.
            tokenizer["tokenizer_class"] = .string("Wav2Vec2PhonemeCTCTokenizer")
            tokenizer["do_phonemize"] = .bool(false)
            tokenizer["phone_delimiter_token"] = .string(" ")
            if style.lowercases { left.append("text.lower_case: their phonemes are written as they are") }
        case .letters:
            tokenizer["tokenizer_class"] = .string("Wav2Vec2CTCTokenizer")
            tokenizer["do_lower_case"] = .bool(style.lowercases)
            tokenizer["replace_word_delimiter_char"] = .string(style.wordSeparator)
        }
        if style.cleansUp { tokenizer["clean_up_tokenization_spaces"] = .bool(true) }
        tokenizer["processor_class"] = .string("Wav2Vec2Processor")
        contents = [
            HuggingFaceTokens.vocabularyName: .object(vocabulary), "tokenizer_config.json": .object(tokenizer),
            "special_tokens_map.json": .object(JSONObject(inOrder: specials.filter { $0.value != .null })),
        ]
        tokens = (0, names.first == "<s>" ? nil : vocabulary["<s>"]?.integer, vocabulary["</s>"]?.integer)
    }

    /// Renames labels to their written text, and the one between words to a name that no other label has.
    ///
    /// - Returns: The delimiter's name; nil if there is none.
    private mutating func writeTexts(_ names: inout [String], _ style: TextStyle) -> String? {
        let boundary = names.firstIndex(of: TextStyle.boundary)
        var taken = Set(names.map { ExactText($0) })
        var delimiter = TextStyle.boundary
        if style.written.values.contains(TextStyle.boundary) {
            // The letter has that name there; of the usual delimiters only the space is left.
            delimiter = " "
            while taken.contains(ExactText(delimiter)) {
                delimiter = delimiter == " " ? "<delimiter>" : "<\(delimiter)>"
            }
            if let boundary { names[boundary] = delimiter }
            taken.remove(ExactText(TextStyle.boundary))
        }
        for (index, name) in names.enumerated() {
            let text = style.text(of: name)
            guard !text.hasSameCodePoints(as: name) else { continue }
            if taken.insert(ExactText(text)).inserted {
                names[index] = text
            } else {
                left.append("text.written: \(name.printable) is another label for \(text.quotedWithCodePoints)")
            }
        }
        return boundary.map { names[$0] }
    }
}

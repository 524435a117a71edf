import Foundation
import W2VBase

/// The token of each output, and the tokenizer's settings, by the rules of Transformers' tokenizers (version 5).
///
/// vocab.json takes precedence over added tokens. Added tokens are in `added_tokens_decoder` of tokenizer_config.json
/// (since version 4.34). Only without that, they are in added_tokens.json or tokenizer.json, and special_tokens_map.json
/// is read for settings. Special tokens without a number get the next ones.
struct HuggingFaceTokens {
    /// The token of each number.
    private(set) var names: [Int: String] = [:]
    /// The tokens that vocab.json lacks.
    private(set) var added: Set<ExactText> = []
    /// The special tokens without a number in the folder, by the next numbers, which they get.
    private(set) var numbered: [Int: String] = [:]
    /// The tokenizer's settings.
    private(set) var settings: JSONObject = [:]
    /// The numbers of added tokens that vocab.json has under another number.
    private(set) var repeated: Set<Int> = []
    /// Notes for the user.
    private(set) var notes: [CheckpointNote] = []
    /// Whether symbols are phonemes, which are written with spaces between them.
    let isPhonemic: Bool

    static let vocabularyName = "vocab.json"
    private static let settingsName = "tokenizer_config.json"
    private static let letterClasses: Set = [
        "Wav2Vec2CTCTokenizer", "Wav2Vec2Tokenizer", "Wav2Vec2Processor", "Wav2Vec2ProcessorWithLM",
    ]

    /// Reads a folder's tokens.
    ///
    /// - Parameters:
    ///   - folder: A folder with `vocab.json`, and possibly the tokenizer's other files.
    ///   - tokenizerClass: The class that the model's configuration names.
    /// - Returns: The tokens; nil when the folder has no `vocab.json`.
    /// - Throws: ``CheckpointError`` naming the file and the problem.
    static func read(_ folder: HuggingFaceFolder, tokenizerClass: String?) throws -> HuggingFaceTokens? {
        guard let vocabulary = try folder.object(vocabularyName) else { return nil }
        let settings = try folder.object(settingsName) ?? [:]
        var name = settings["tokenizer_class"]?.string ?? tokenizerClass ?? "Wav2Vec2CTCTokenizer"
        if name.hasSuffix("Fast") { name.removeLast(4) }
        var tokens = HuggingFaceTokens(settings: settings, isPhonemic: name == "Wav2Vec2PhonemeCTCTokenizer")
        if !tokens.isPhonemic, !letterClasses.contains(name) {
            tokens.notes.append(
                CheckpointNote("tokenizer_class \(name.printable): its vocabulary is read as Wav2Vec2CTCTokenizer's"))
        }
        try tokens.take(vocabulary: vocabulary, path: folder.path(vocabularyName))
        let known = Set(vocabulary.keys.map { ExactText($0) })
        let extra = try tokens.addedTokens(folder)
        tokens.added = Set(extra.map { ExactText($0.token) }).subtracting(known)
        for (number, token, file) in extra {
            tokens.take(token, number, file, known: vocabulary[token].flatMap(Self.index))
        }
        tokens.numberSpecials(known.union(tokens.added))
        return tokens
    }

    private init(settings: JSONObject, isPhonemic: Bool) {
        self.settings = settings
        self.isPhonemic = isPhonemic
    }

    /// Returns a special token's text; nil if the settings say null.
    ///
    /// - Parameter fallback: Transformers' default if the settings have no such key.
    func special(_ key: String, _ fallback: String?) -> String? {
        // Version 5 also has objects for tokens that only one model has.
        let places = ["model_specific_special_tokens", "extra_special_tokens"].compactMap { settings[$0]?[key] }
        guard let value = settings[key] ?? places.first else { return fallback }
        return value.string ?? value["content"]?.string
    }

    // MARK: Numbers

    private mutating func take(vocabulary: JSONObject, path: String) throws {
        func damaged(_ reason: String) -> CheckpointError { .damaged(path: path, reason: reason) }
        if let (language, _) = vocabulary.first(where: { $0.value.object != nil }) {
            throw damaged(
                "it holds a vocabulary for each language (\(language.printable), …), which belongs to adapters")
        }
        for (token, value) in vocabulary {
            guard let number = Self.index(value) else {
                throw damaged(
                    "\(token.quotedWithCodePoints) has the index \(value.excerpt), where a whole number is expected")
            }
            // As in Transformers, whose dictionary from numbers to tokens is filled in the file's order.
            if let earlier = names.updateValue(token, forKey: number) {
                notes.append(
                    CheckpointNote(
                        "\(Self.vocabularyName): both \(earlier.quotedWithCodePoints) and \(token.quotedWithCodePoints) "
                            + "have the index \(number), and the later one counts, as in Transformers"))
            }
        }
    }

    /// Returns a token's number; nil for anything but a nonnegative integer.
    ///
    /// As in Python, 4.0 is 4.
    private static func index(_ value: JSONValue) -> Int? {
        value.double.flatMap(Int.init(exactly:)).flatMap { $0 >= 0 ? value.integer ?? $0 : nil }
    }

    /// Adds an added token.
    ///
    /// - Parameter number: Its number in the file.
    private mutating func take(_ token: String, _ number: Int, _ file: String, known: Int?) {
        if let known, known != number {
            notes.append(
                CheckpointNote(
                    "\(file): \(token.quotedWithCodePoints) has the index \(number) as well as \(known) in "
                        + Self.vocabularyName))
            repeated.insert(number)
        }
        guard let name = names[number] else {
            names[number] = token
            return
        }
        guard !name.hasSameCodePoints(as: token) else { return }
        notes.append(
            CheckpointNote(
                "\(file): \(token.quotedWithCodePoints) has the index \(number), but so has "
                    + "\(name.quotedWithCodePoints) in \(Self.vocabularyName), which counts"))
    }

    /// Reads the tokens beside vocab.json, and their settings.
    private mutating func addedTokens(
        _ folder: HuggingFaceFolder
    ) throws -> [(number: Int, token: String, file: String)] {
        func damaged(_ file: String, _ reason: String) -> CheckpointError {
            .damaged(path: folder.path(file), reason: reason)
        }
        func number(_ value: Int?, _ token: String, _ found: String, _ file: String) throws -> Int {
            guard let value, value >= 0 else {
                throw damaged(
                    file, "\(token.quotedWithCodePoints) has the index \(found), where a whole number is expected")
            }
            return value
        }
        if let decoder = settings["added_tokens_decoder"], decoder != .null {
            guard let members = decoder.object else {
                throw damaged(
                    Self.settingsName, "added_tokens_decoder is \(decoder.excerpt), where an object is expected")
            }
            return try members.map { key, value in
                guard let token = value["content"]?.string ?? value.string else {
                    throw damaged(
                        Self.settingsName, "added_tokens_decoder has no content for the token \(key.printable)")
                }
                return (
                    try number(Int(key), token, "\"\(key.printable)\"", Self.settingsName), token, Self.settingsName
                )
            }
        }
        for (key, value) in try folder.object("special_tokens_map.json") ?? [:] { settings[key] = value }
        let list = "added_tokens.json"
        var found = try (folder.object(list) ?? [:]).map { token, value in
            (try number(Self.index(value), token, value.excerpt, list), token, list)
        }
        let whole = "tokenizer.json"
        for item in try folder.object(whole)?["added_tokens"]?.array ?? [] {
            guard let token = item["content"]?.string else { continue }
            found.append(
                (
                    try number(item["id"].flatMap(Self.index), token, item["id"]?.excerpt ?? "missing", whole), token,
                    whole
                ))
        }
        return found
    }

    /// Gives the next numbers to special tokens without one.
    ///
    /// Only those that the folder names: with Transformers' default names too, a vocabulary that lacks some letters
    /// would be accepted.
    private mutating func numberSpecials(_ known: Set<ExactText>) {
        var known = known
        let keys = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"]
        var tokens = (keys + (isPhonemic ? [] : ["word_delimiter_token"])).compactMap { special($0, nil) }
        for key in ["additional_special_tokens", "extra_special_tokens"] {
            tokens += (settings[key]?.array ?? []).compactMap { $0.string ?? $0["content"]?.string }
        }
        for token in tokens where !token.isEmpty && !known.contains(ExactText(token)) {
            if names[known.count] == nil {
                names[known.count] = token
                numbered[known.count] = token
            }
            known.insert(ExactText(token))
            added.insert(ExactText(token))
        }
    }
}

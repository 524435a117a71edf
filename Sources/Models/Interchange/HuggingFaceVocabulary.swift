import Foundation
import W2VBase

/// Hugging Face's vocabulary in terms of our labels.
///
/// Here the blank is label 0 and the specials have fairseq's names; there the blank is the tokenizer's padding,
/// anywhere in the vocabulary. Transformers' own conversions keep the rows and exchange the names: fairseq's `<s>` (the
/// blank) is their `<pad>`, and fairseq's `<pad>` their `<s>`. The word boundary is always `|` here, whatever the
/// tokenizer calls it, and no symbol occurs twice.
struct HuggingFaceVocabulary: Equatable, Sendable {
    /// Our symbols, the blank first.
    var symbols: [String] = []
    /// The row of their output layer for each symbol.
    var rows: [Int] = []
    /// The conversion of symbols to text.
    var style = TextStyle()
    /// Notes for the user.
    var notes: [CheckpointNote] = []

    /// Reads a folder's vocabulary.
    ///
    /// - Parameters:
    ///   - folder: A folder with `vocab.json`, and possibly the tokenizer's other files.
    ///   - rows: The rows of the model's output layer.
    ///   - padding: `pad_token_id` of the model's configuration.
    ///   - tokenizerClass: `tokenizer_class` of the model's configuration.
    /// - Returns: The vocabulary; nil when the folder has none.
    /// - Throws: ``CheckpointError`` naming the file and what does not match.
    static func read(
        _ folder: HuggingFaceFolder, rows: Int, padding: Int?, tokenizerClass: String? = nil
    ) throws -> HuggingFaceVocabulary? {
        guard let tokens = try HuggingFaceTokens.read(folder, tokenizerClass: tokenizerClass) else { return nil }
        var own = try named(tokens, rows: rows, path: folder.path(HuggingFaceTokens.vocabularyName))
        let rowOf = Dictionary(zip(own.map { ExactText($0) }, 0...)) { first, _ in first }
        func row(_ token: String?) -> Int? { token.flatMap { rowOf[ExactText($0)] } }

        let token = tokens.special("pad_token", "<pad>")
        // If there are several paddings, the model was trained with the one that its configuration names.
        let paddings = own.indices.filter { token?.hasSameCodePoints(as: own[$0]) == true }
        let named = padding.flatMap { $0 < rows && $0 >= 0 ? $0 : nil }
        guard let blank = paddings.first(where: { $0 == named }) ?? paddings.first ?? named else {
            throw CheckpointError.damaged(
                path: folder.path(HuggingFaceTokens.vocabularyName),
                reason:
                    "its padding token \(token?.quotedWithCodePoints ?? "") is not among its symbols, so there is no "
                    + "blank")
        }
        var result = HuggingFaceVocabulary(notes: tokens.notes)
        for row in paddings where row != blank {
            // Transformers drops every symbol with the name of the padding.
            own[row] = "<\(row)>"
            result.style.written[ExactText(own[row])] = ""
        }
        for (row, token) in tokens.numbered.sorted(by: { $0.key < $1.key }) where row < rows {
            result.notes.append(
                CheckpointNote(
                    "\(token.quotedWithCodePoints) has no index in the folder, and gets the next one, \(row), as in "
                        + "Transformers"))
        }
        if let padding, padding != blank {
            result.notes.append(
                CheckpointNote(
                    "pad_token_id \(padding) of config.json: the tokenizer's \(own[blank].printable) with index \(blank) "
                        + "is the blank"))
        }
        var delimiter = row(tokens.special("word_delimiter_token", tokens.isPhonemic ? nil : TextStyle.boundary))
        if delimiter == blank { delimiter = nil }
        result.arrange(
            own, blank: blank, beginning: row(tokens.special("bos_token", "<s>")),
            end: row(tokens.special("eos_token", "</s>")), unknown: row(tokens.special("unk_token", "<unk>")),
            delimiter: delimiter)
        try result.chooseStyle(tokens, delimiter: delimiter, path: folder.path("tokenizer_config.json"))
        return result
    }

    /// Returns the token of each row.
    private static func named(_ tokens: HuggingFaceTokens, rows: Int, path: String) throws -> [String] {
        // Sentence marks are often added after the vocabulary, where no model has an output for them.
        let marks = [tokens.special("bos_token", "<s>"), tokens.special("eos_token", "</s>")]
            .compactMap { $0.map { ExactText($0) } }
        for (index, token) in tokens.names.sorted(by: { $0.key < $1.key }) where index >= rows {
            let token = ExactText(token)
            guard marks.contains(token) || tokens.added.contains(token) || tokens.repeated.contains(index) else {
                throw CheckpointError.damaged(
                    path: path,
                    reason: "\(token.text.quotedWithCodePoints) has the index \(index), but lm_head has \(rows) rows")
            }
        }
        return try (0..<rows).map { row in
            guard let name = tokens.names[row] else {
                let twice = tokens.notes.first { $0.phrase.contains("have the index") }
                throw CheckpointError.damaged(
                    path: path,
                    reason:
                        "it has \(tokens.names.keys.count { $0 < rows }) symbols, but lm_head has \(rows) rows, and "
                        + "none is called \(row): is this the vocabulary that the model was trained with?"
                        + (twice.map { " (\($0.phrase))" } ?? ""))
            }
            return name
        }
    }

    /// Puts the blank first, followed by the other specials if all exist, and gives them fairseq's names.
    private mutating func arrange(
        _ own: [String], blank: Int, beginning: Int?, end: Int?, unknown: Int?, delimiter: Int?
    ) {
        var names = own
        let renamed = [(blank, "<s>"), (beginning, "<pad>"), (end, "</s>"), (unknown, "<unk>")]
        let places = renamed.compactMap(\.0)
        // If one symbol has two roles, or another symbol has one of the names, all keep their own names.
        let others = Set(own.indices.filter { !places.contains($0) }.map { ExactText(own[$0]) })
        let isClear =
            Set(places).count == places.count && !places.contains { $0 == delimiter }
            && !renamed.contains { $0.0 != nil && others.contains(ExactText($0.1)) }
        if isClear {
            for case (let place?, let name) in renamed { names[place] = name }
        }
        let first = isClear && places.count == renamed.count ? places : [blank]
        let isFirst = Set(first)
        rows = first + own.indices.filter { !isFirst.contains($0) }
        symbols = rows.map { names[$0] }
        nameOnce(delimiter: delimiter)
    }

    /// Renames the delimiter to `|`; a letter of that name, and a repeated symbol, is named by its row.
    private mutating func nameOnce(delimiter: Int?) {
        var seen: Set<ExactText> = [ExactText(TextStyle.boundary)]
        // Generated names must not be those of other symbols.
        let taken = Set(symbols.map { ExactText($0) })
        for (place, row) in rows.enumerated() {
            if row == delimiter {
                symbols[place] = TextStyle.boundary
            } else if !seen.insert(ExactText(symbols[place])).inserted {
                var name = "<\(row)>"
                while taken.contains(ExactText(name)) { name = "<\(name)>" }
                style.written[ExactText(name)] = symbols[place]
                symbols[place] = name
            }
        }
    }

    private mutating func chooseStyle(_ tokens: HuggingFaceTokens, delimiter: Int?, path: String) throws {
        let unit = tokens.isPhonemic ? TextStyle.Unit.words : .letters
        if unit != style.unit(of: symbols) { style.unit = unit }
        style.cleansUp = try HuggingFaceFolder.flag(
            tokens.settings, "clean_up_tokenization_spaces", default: false, path: path)
        guard !tokens.isPhonemic else { return }
        if let value = tokens.settings["replace_word_delimiter_char"], value != .null {
            guard let text = value.string else {
                throw CheckpointError.damaged(
                    path: path, reason: "replace_word_delimiter_char is \(value.excerpt), where a text is expected")
            }
            style.wordSeparator = text
        }
        if try HuggingFaceFolder.flag(tokens.settings, "do_lower_case", default: false, path: path) {
            lower()
            // Transformers converts the whole text to lower case, including the word separator.
            style.wordSeparator = style.wordSeparator.lowercased()
        }
    }

    /// Converts text to lower case, by symbol if the result is the same.
    private mutating func lower() {
        let lowered = symbols.map { $0.lowercased() }
        // A capital sigma becomes another letter at the end of a word.
        let dependsOnPlace = symbols.contains { $0.unicodeScalars.contains("\u{3A3}") }
        let isClear = Set(lowered.map { ExactText($0) }).count == lowered.count
        guard style.written.isEmpty, isClear, !dependsOnPlace else {
            style.lowercases = true
            if !isClear {
                let first = symbols.indices.first { index in
                    lowered[..<index].contains { $0.hasSameCodePoints(as: lowered[index]) }
                }
                let name = first.map { lowered[$0].quotedWithCodePoints } ?? ""
                notes.append(
                    CheckpointNote(
                        "do_lower_case of tokenizer_config.json: several symbols are written \(name), as they differ by "
                            + "case only; transcripts are aligned with the first of them"))
            }
            return
        }
        symbols = lowered
    }
}

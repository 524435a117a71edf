import Foundation
import W2VBackbone
import W2VBase

/// How a recognizer's labels become text, where that is not fairseq's way.
///
/// fairseq has letters with `|` between words, or symbols that are words themselves. Transformers' tokenizers write text in
/// other ways too; a checkpoint that comes from there keeps its own.
public struct TextStyle: Sendable, Equatable {
    /// What symbols are.
    public enum Unit: String, Sendable, Equatable, CaseIterable {
        /// Parts of words: the symbol `|`, where there is one, stands between words.
        case letters
        /// Words of their own, such as phonemes: a `|` is never written.
        case words
    }

    /// What symbols are; nil for fairseq's rule: letters where `|` is one of them, words elsewhere.
    public var unit: Unit?
    /// What is written between words.
    public var wordSeparator = " "
    /// Whether text is written in lower case.
    public var lowercases = false
    /// Whether a space before punctuation or an English contraction is left out, as in "it 's".
    public var cleansUp = false
    /// What is written for symbols that only name a label, by symbol.
    public var written: [ExactText: String] = [:]

    /// fairseq's way.
    public init() {}

    /// What is written for a symbol; for `|` between words see ``wordSeparator``.
    ///
    /// - Returns: Its text, not yet in lower case.
    public func text(of symbol: String) -> String { written.isEmpty ? symbol : written[ExactText(symbol)] ?? symbol }

    /// What symbols are, for a model with these labels.
    ///
    /// - Returns: The unit, by fairseq's rule where none is set.
    public func unit(of labels: [String]) -> Unit { unit ?? (labels.contains(Self.boundary) ? .letters : .words) }

    /// The symbol between words.
    static let boundary = "|"
}

extension TextStyle {
    /// What differs from fairseq's way, as JSON on one line.
    public var encoded: String { json.line }

    /// Reads what ``encoded`` gave.
    ///
    /// - Throws: `ConfigurationError` naming the member, or what is wrong with the JSON.
    public init(encoded: String) throws { try self.init(json: JSONParser.value(Data(encoded.utf8))) }

    /// What differs from fairseq's way.
    var json: JSONValue {
        var members = JSONObject()
        if let unit { members["unit"] = .string(unit.rawValue) }
        if wordSeparator != " " { members["word_separator"] = .string(wordSeparator) }
        if lowercases { members["lower_case"] = .bool(true) }
        if cleansUp { members["clean_up"] = .bool(true) }
        if !written.isEmpty {
            let pairs = written.sorted { $0.key < $1.key }
            members["written"] = .array(pairs.map { .array([.string($0.key.text), .string($0.value)]) })
        }
        return .object(members)
    }

    /// Reads what ``json`` gave.
    ///
    /// - Throws: `ConfigurationError` naming the member.
    init(json: JSONValue) throws {
        self.init()
        func bad(_ key: String, _ value: JSONValue, _ expected: String) -> ConfigurationError {
            ConfigurationError("text.\(key) is \(value.excerpt), where \(expected) is expected")
        }
        guard let members = json.object else {
            throw ConfigurationError("text is \(json.excerpt), where an object is expected")
        }
        for (key, value) in members {
            switch key {
            case "unit":
                guard let unit = value.string.flatMap(Unit.init) else {
                    throw bad(key, value, Unit.allCases.map(\.rawValue).joined(separator: " or "))
                }
                self.unit = unit
            case "word_separator":
                guard let text = value.string else { throw bad(key, value, "a text") }
                wordSeparator = text
            case "lower_case", "clean_up":
                guard let flag = value.bool else { throw bad(key, value, "true or false") }
                if key == "clean_up" { cleansUp = flag } else { lowercases = flag }
            case "written":
                for pair in value.array ?? [value] {
                    guard let texts = pair.array?.compactMap(\.string), texts.count == 2, pair.array?.count == 2 else {
                        throw bad(key, pair, "a symbol and its text")
                    }
                    written[ExactText(texts[0])] = texts[1]
                }
            default: throw ConfigurationError("there is no key 'text.\(key)'")
            }
        }
    }
}

import Foundation
import W2VBackbone
import W2VBase

/// The conversion of a recognizer's labels to text, if it differs from fairseq's.
///
/// fairseq has letters with `|` between words, or symbols that are words themselves. Transformers' tokenizers write
/// text in other ways too; a checkpoint from there keeps its own.
public struct TextStyle: Sendable, Equatable {
    /// The unit that symbols represent.
    public enum Unit: String, Sendable, Equatable, CaseIterable {
        /// Parts of words, with the symbol `|`, if it exists, as the word boundary.
        case letters
        /// Words of their own, such as phonemes: `|` is never written.
        case words
    }

    /// The unit of symbols; nil for fairseq's rule: letters if `|` is one of them, otherwise words.
    public var unit: Unit?
    /// The text between words.
    public var wordSeparator = " "
    /// Whether text is written in lower case.
    public var lowercases = false
    /// Whether the space before punctuation or an English contraction is removed, as in "it 's".
    public var cleansUp = false
    /// The text of symbols whose names only identify a label, by symbol.
    public var written: [ExactText: String] = [:]

    /// Makes fairseq's style.
    public init() {}

    /// Returns the text of a symbol, not yet in lower case; for `|` between words see ``wordSeparator``.
    public func text(of symbol: String) -> String { written.isEmpty ? symbol : written[ExactText(symbol)] ?? symbol }

    /// Returns the unit of symbols for a model with these labels, by fairseq's rule if none is set.
    public func unit(of labels: [String]) -> Unit { unit ?? (labels.contains(Self.boundary) ? .letters : .words) }

    /// The word boundary.
    static let boundary = "|"
}

extension TextStyle {
    /// The differences from fairseq's style, as JSON on one line.
    public var encoded: String { json.line }

    /// Reads the value of ``encoded``.
    ///
    /// - Throws: `ConfigurationError` naming the member or the JSON error.
    public init(encoded: String) throws { try self.init(json: JSONParser.value(Data(encoded.utf8))) }

    /// The differences from fairseq's style.
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

    /// Reads the value of ``json``.
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

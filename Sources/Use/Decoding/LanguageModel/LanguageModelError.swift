import W2VBase

/// An error of a language model file.
public enum LanguageModelError: ExplainedError, Equatable {
    /// A file cannot be opened or read.
    case unreadable(path: String, reason: String)
    /// A file cannot be written.
    case unwritable(path: String, reason: String)
    /// A line of a text file is not what the format has there.
    case badLine(path: String, line: Int, expected: String, found: String)
    /// A line of a text file is not UTF-8; `found` is its beginning with � for what is not.
    case notUTF8(path: String, line: Int, found: String)
    /// A file as a whole is not a language model that can be used; the reason says what to do.
    case unusable(path: String, reason: String)

    /// Failure where nothing can be written, else input.
    public var kind: ErrorKind { if case .unwritable = self { .failure } else { .input } }

    /// The problem with the file and line, and what to do about it.
    public var explanation: Explanation {
        switch self {
        case .unreadable(let path, let reason): Explanation("\(path): cannot be read (\(reason))")
        case .unwritable(let path, let reason):
            Explanation("\(path): cannot be written (\(reason))", "make room, or choose another folder")
        case .badLine(let path, let line, let expected, let found):
            Explanation("\(path), line \(line): expected \(expected), found \(Self.quoted(found))")
        case .notUTF8(let path, let line, let found):
            Explanation(
                "\(path), line \(line): expected UTF-8, found \(Self.quoted(found))",
                "\(UTF8Text.remedy(for: found, line: line))")
        case .unusable(let path, let reason): Explanation("\(path): \(reason)")
        }
    }

    private static func quoted(_ text: String) -> String {
        if text.isEmpty { return "an empty line" }
        let beginning = text.prefix(80)
        return "\"\(beginning.printable)\(beginning.endIndex < text.endIndex ? "…" : "")\""
    }
}

extension Phrase {
    /// Advice to convert a language model to our binary form.
    public static let convertLanguageModel = Phrase("convert the ARPA file again", name: "convertLanguageModel")
    /// Advice to have a model's discounts estimated automatically.
    public static let fixedDiscounts = Phrase("allow fixed discounts", name: "fixedDiscounts")
}

import Foundation

/// The form of a text that is learned, compared or written: the case of its letters, its punctuation, and Unicode's
/// composition.
///
/// Applying a form twice is the same as applying it once.
public struct TextForm: Sendable, Hashable {
    /// The case of letters.
    public enum Case: String, CaseIterable, Sendable {
        /// Small letters.
        case lower
        /// Capitals.
        case upper
        /// As in the text.
        case keep
    }

    /// The case of letters.
    public var letterCase: Case
    /// Whether punctuation and symbols become spaces, except apostrophes between letters.
    public var stripsPunctuation: Bool
    /// Whether letters are composed with their accents: Unicode's NFC.
    public var composes: Bool

    /// Makes a form; by default, that of the text itself.
    ///
    /// - Parameters:
    ///   - letterCase: The case of letters.
    ///   - stripsPunctuation: Whether punctuation and symbols become spaces, except apostrophes between letters.
    ///   - composes: Whether letters are composed with their accents (NFC).
    public init(letterCase: Case = .keep, stripsPunctuation: Bool = false, composes: Bool = false) {
        self.letterCase = letterCase
        self.stripsPunctuation = stripsPunctuation
        self.composes = composes
    }

    /// Whether every text already has the form.
    public var isUnchanging: Bool { self == TextForm() }

    /// Returns a text in this form.
    ///
    /// - Parameter text: Any text.
    /// - Returns: The text; with punctuation stripped, its words are separated by single spaces.
    public func callAsFunction(_ text: String) -> String {
        guard !isUnchanging else { return text }
        let cased = casing(text)
        let stripped = stripsPunctuation ? Self.withoutPunctuation(cased) : cased
        return composes ? stripped.precomposedStringWithCanonicalMapping : stripped
    }

    /// Returns a text in this form's case.
    public func casing(_ text: String) -> String {
        switch letterCase {
        case .lower: text.lowercased(with: Self.locale)
        case .upper: text.uppercased(with: Self.locale)
        case .keep: text
        }
    }

    /// The case of letters does not depend on the user's language.
    private static let locale = Locale(identifier: "en_US_POSIX")

    /// Returns whether a code point is punctuation or a symbol: Unicode's categories P and S.
    public static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
            .finalPunctuation, .otherPunctuation, .mathSymbol, .currencySymbol, .modifierSymbol, .otherSymbol:
            true
        default: false
        }
    }

    /// Apostrophes: typewriters', typesetters', and the letter.
    public static let apostrophes: Set<Unicode.Scalar> = ["'", "\u{2019}", "\u{2BC}"]

    private static func withoutPunctuation(_ text: String) -> String {
        let scalars = Array(text.unicodeScalars)
        func isLetter(_ index: Int) -> Bool {
            guard scalars.indices.contains(index) else { return false }
            return scalars[index].properties.isAlphabetic || scalars[index].isCombining
        }
        var result = String.UnicodeScalarView()
        for (index, scalar) in scalars.enumerated() {
            let isKept =
                Self.apostrophes.contains(scalar)
                ? isLetter(index - 1) && isLetter(index + 1) : !isPunctuation(scalar)
            result.append(isKept ? scalar : " ")
        }
        return String(result).whitespaceSeparated.joined(separator: " ")
    }
}

extension TextForm: CustomStringConvertible {
    /// The form in words, such as `small letters, no punctuation`; `as written` for an unchanged text.
    public var description: String {
        let parts = [
            letterCase == .lower ? "small letters" : letterCase == .upper ? "capitals" : nil,
            stripsPunctuation ? "no punctuation" : nil, composes ? "NFC" : nil,
        ].compactMap { $0 }
        return parts.isEmpty ? "as written" : parts.joined(separator: ", ")
    }
}

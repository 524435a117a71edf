/// A text whose identity is that of its code points.
///
/// Swift's `String` treats canonically equivalent texts as equal: "é" as one code point and as "e" with U+0301, or K
/// and the Kelvin sign. Symbols, words and file names are compared code point by code point everywhere else (fairseq,
/// Transformers, Kaldi, KenLM, the file system), so a table of them needs keys of this type. The order is that of the
/// code points, which is also that of the UTF-8 bytes.
public struct ExactText: Hashable, Comparable, Sendable, CustomStringConvertible, ExpressibleByStringLiteral {
    /// The text.
    public let text: String

    /// Wraps a text.
    public init(_ text: some StringProtocol) { self.text = String(text) }

    /// Wraps a literal.
    public init(stringLiteral text: String) { self.text = text }

    /// The text.
    public var description: String { text }

    /// Returns whether both have the same code points.
    public static func == (left: ExactText, right: ExactText) -> Bool { left.text.hasSameCodePoints(as: right.text) }

    /// Returns whether the left one's code points come first.
    public static func < (left: ExactText, right: ExactText) -> Bool {
        left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
    }

    /// Feeds the code points to a hasher.
    public func hash(into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        hasher.combine(0xFF as UInt8)
    }
}

extension StringProtocol {
    /// Returns whether two texts have the same code points; `==` also holds for canonically equivalent ones.
    public func hasSameCodePoints(as other: some StringProtocol) -> Bool { utf8.elementsEqual(other.utf8) }
}

import Foundation

/// Foreign text in messages: characters that a terminal would not show, or would obey, appear as code points.
extension Unicode.Scalar {
    /// The code point in Unicode's notation, such as U+00AD.
    public var codePoint: String {
        let digits = String(value, radix: 16, uppercase: true)
        return "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }

    /// Whether a terminal obeys the code point or shows nothing for it.
    ///
    /// These are controls, format characters such as the zero-width space and the byte-order mark, line and paragraph
    /// separators, white space other than the space, and unassigned ones.
    public var isInvisible: Bool {
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned, .privateUse: true
        case .spaceSeparator: self != " "
        default: properties.isDefaultIgnorableCodePoint
        }
    }

    /// Whether the code point combines with the one before it on a screen: accents, vowel signs, variation selectors.
    public var isCombining: Bool {
        switch properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark: true
        default: false
        }
    }
}

extension StringProtocol {
    /// The text on one line, safe for a terminal: invisible code points and controls as `<U+001B>`.
    ///
    /// For names of files, requests and the like in messages and log lines; a text without such code points is
    /// unchanged.
    public var printable: String {
        guard unicodeScalars.contains(where: \.isInvisible) else { return String(self) }
        var result = ""
        for scalar in unicodeScalars {
            if scalar.isInvisible {
                result += "<\(scalar.codePoint)>"
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// Returns the text's beginning on one line, safe for a terminal, with an ellipsis for the rest.
    ///
    /// For lines of files in messages: a broken file may have lines of megabytes.
    ///
    /// - Parameter limit: The maximum number of code points.
    public func excerpt(_ limit: Int = 200) -> String {
        let scalars = Substring(self).unicodeScalars
        guard let end = scalars.index(scalars.startIndex, offsetBy: limit, limitedBy: scalars.endIndex),
            end != scalars.endIndex
        else { return printable }
        return Substring(scalars[..<end]).printable + "…"
    }

    /// The text in quotation marks, followed by its code points if a screen does not show which they are.
    ///
    /// This is the case if it has invisible or combining code points, or no ASCII ones: `"é" (U+0065 U+0301)`. At most
    /// 12 code points are listed.
    public var quotedWithCodePoints: String {
        let scalars = Array(unicodeScalars)
        let isPlain = scalars.allSatisfy { $0.isASCII && !$0.isInvisible }
        guard !isPlain else { return "\"\(excerpt())\"" }
        var points = scalars.prefix(12).map(\.codePoint).joined(separator: " ")
        if scalars.count > 12 { points += " …" }
        return "\"\(excerpt())\" (\(points))"
    }

    /// Whether canonical composition (Unicode's NFC) changes the text's code points: "e" with U+0301 for é.
    public var isDecomposed: Bool { !hasSameCodePoints(as: String(self).precomposedStringWithCanonicalMapping) }

    /// The parts between white space, code point by code point: a mark after a space is a word of its own, not part of
    /// the space.
    public var whitespaceSeparated: [Substring] {
        Substring(self).unicodeScalars.split(whereSeparator: \.properties.isWhitespace).map { Substring($0) }
    }
}

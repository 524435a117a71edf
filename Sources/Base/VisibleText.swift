import Foundation

/// Texts of others in messages: what a screen would not show, or would obey, appears as code points.
extension Unicode.Scalar {
    /// The code point as Unicode writes it, such as U+00AD.
    public var codePoint: String {
        let digits = String(value, radix: 16, uppercase: true)
        return "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }

    /// Whether a terminal acts on the code point or shows nothing for it: controls, format characters such as the zero-width
    /// space and the byte-order mark, line and paragraph separators, white space other than the space, unassigned ones.
    public var isInvisible: Bool {
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned, .privateUse: true
        case .spaceSeparator: self != " "
        default: properties.isDefaultIgnorableCodePoint
        }
    }

    /// Whether the code point joins the one before it on a screen: accents, vowel signs, variation selectors.
    public var isCombining: Bool {
        switch properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark: true
        default: false
        }
    }
}

extension StringProtocol {
    /// The text on one line that a terminal shows as it is: invisible code points and controls as `<U+001B>`.
    ///
    /// For names of files, requests and the like in messages and log lines; a text without such code points is unchanged.
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

    /// The text in quotation marks, with its code points behind it where a screen does not show which they are.
    ///
    /// That is where it has invisible or combining code points, or none that are ASCII: `"é" (U+0065 U+0301)`. At most 12 code
    /// points are listed.
    public var quotedWithCodePoints: String {
        let scalars = Array(unicodeScalars)
        let isPlain = scalars.allSatisfy { $0.isASCII && !$0.isInvisible }
        guard !isPlain else { return "\"\(self)\"" }
        var points = scalars.prefix(12).map(\.codePoint).joined(separator: " ")
        if scalars.count > 12 { points += " …" }
        return "\"\(printable)\" (\(points))"
    }

    /// Whether canonical composition (Unicode's NFC) changes the text's code points: "e" with U+0301 for é.
    public var isDecomposed: Bool { !hasSameCodePoints(as: String(self).precomposedStringWithCanonicalMapping) }
}

import Foundation

/// Formatting of text and numbers for HTML and SVG.
enum Markup {
    /// Escapes text for content and quoted attributes; characters that XML forbids become U+FFFD.
    static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            case "\n", "\t": result.unicodeScalars.append(scalar)
            case "\u{0}"..<" ": result.unicodeScalars.append("\u{FFFD}")
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// Returns a coordinate rounded to a tenth of a pixel, so that long curves stay small.
    static func coordinate(_ value: Double) -> String {
        guard abs(value) < 1e9 else { return "0" }
        let tenths = (value * 10).rounded()
        return tenths.truncatingRemainder(dividingBy: 10) == 0
            ? String(Int(tenths / 10)) : String(format: "%.1f", tenths / 10)
    }
}

/// The format of a chart's values.
public enum ValueFormat: Sendable {
    /// Plain numbers, with as many digits as they need.
    case number
    /// Fractions written as percentages.
    case percent

    /// Returns a value for a reader, with about three significant digits.
    ///
    /// - Returns: For example "0.0251", "12.3", "4,810", "1.2e-05" or "41.3 %"; "n/a" for NaN.
    public func string(_ value: Double) -> String {
        guard value.isFinite else { return value.isNaN ? "n/a" : value > 0 ? "∞" : "−∞" }
        switch self {
        case .percent:
            return minus(String(format: abs(value) < 0.9995 ? "%.1f %%" : "%.0f %%", value * 100))
        case .number:
            let magnitude = abs(value)
            if magnitude >= 1e7 || (magnitude > 0 && magnitude < 1e-3) { return minus(String(format: "%.1e", value)) }
            if magnitude >= 1000 { return minus(grouped(value)) }
            if value == value.rounded() { return minus(String(Int(value))) }
            let digits = magnitude >= 100 ? 1 : magnitude >= 10 ? 2 : magnitude >= 0.1 ? 3 : 4
            return minus(String(format: "%.\(digits)f", value))
        }
    }

    /// Returns an axis label with exactly the digits that the distance between ticks needs.
    func tick(_ value: Double, step: Double) -> String {
        let scaled = self == .percent ? value * 100 : value
        let distance = self == .percent ? step * 100 : step
        let suffix = self == .percent ? " %" : ""
        if scaled == 0 { return "0" + suffix }
        let magnitude = abs(scaled)
        if magnitude >= 1e6 || magnitude < 1e-4 {
            // An axis in small steps far from zero must still distinguish its ticks.
            let digits = max(0, Int((log10(magnitude).rounded(.down) - log10(distance).rounded(.down))))
            return minus(String(format: "%.\(min(digits, 6))e", scaled)) + suffix
        }
        let digits = min(8, max(0, Int(-(log10(distance) + 1e-9).rounded(.down))))
        let text = digits == 0 && magnitude >= 1000 ? grouped(scaled) : String(format: "%.\(digits)f", scaled)
        return minus(text) + suffix
    }

    private func grouped(_ value: Double) -> String {
        var digits = String(Int(abs(value).rounded()))
        var groups: [String] = []
        while digits.count > 3 {
            groups.insert(String(digits.suffix(3)), at: 0)
            digits.removeLast(3)
        }
        groups.insert(digits, at: 0)
        return (value < 0 ? "-" : "") + groups.joined(separator: ",")
    }

    private func minus(_ text: String) -> String {
        text.hasPrefix("-") ? "−" + text.dropFirst() : text
    }
}

import Foundation

/// Sizes and times as people read them.
public enum ReadableText {
    /// Formats a size with a decimal unit, as `6.4 GB`.
    public static func size(_ bytes: Int) -> String {
        let units = ["bytes", "kB", "MB", "GB", "TB"]
        var value = Double(bytes)
        var unit = 0
        while value >= 999.5 && unit < units.count - 1 {
            value /= 1000
            unit += 1
        }
        return String(format: unit == 0 || value >= 99.95 ? "%.0f %@" : "%.1f %@", value, units[unit])
    }

    /// Formats a time in seconds in its two largest units, as `45 s`, `12 min 30 s` or `3 h 05 min`; `unknown` if it is
    /// not finite.
    public static func duration(_ seconds: Double) -> String {
        guard seconds.isFinite, abs(seconds) < 1e12 else { return "unknown" }
        let whole = Int(seconds.rounded())
        if whole < 60 { return "\(whole) s" }
        if whole < 3600 { return String(format: "%d min %02d s", whole / 60, whole % 60) }
        return String(format: "%d h %02d min", whole / 3600, whole / 60 % 60)
    }
}

/// The numbers that a setting may have.
public enum SettingBounds: Sendable, Equatable {
    /// This number or more.
    case atLeast(Double)
    /// More than this number.
    case moreThan(Double)
    /// More than 0, and at most this number.
    case upTo(Double)
    /// From one number to another, both included.
    case within(ClosedRange<Double>)
    /// From 0 to 1, both included.
    case share
    /// From 0 to below 1.
    case shareBelowOne

    /// Returns whether a number is within the bounds.
    func allow(_ value: Double) -> Bool {
        switch self {
        case .atLeast(let least): value >= least
        case .moreThan(let limit): value > limit
        case .upTo(let most): value > 0 && value <= most
        case .within(let range): range.contains(value)
        case .share: (0...1).contains(value)
        case .shareBelowOne: (0..<1).contains(value)
        }
    }

    /// The bounds in words, after "it must be".
    var words: String {
        switch self {
        case .atLeast(let least): "at least \(least.settingText)"
        case .moreThan(let limit): "more than \(limit.settingText)"
        case .upTo(let most): "more than 0 and at most \(most.settingText)"
        case .within(let range): "from \(range.lowerBound.settingText) to \(range.upperBound.settingText)"
        case .share: "a share from 0 to 1"
        case .shareBelowOne: "at least 0 and below 1"
        }
    }
}

/// A setting's value that is a number, possibly absent.
public protocol SettingNumber: SettingValue {
    /// The number; nil where the setting is off.
    var settingNumber: Double? { get }
}

extension Int: SettingNumber {
    /// The number.
    public var settingNumber: Double? { Double(self) }
}

extension Double: SettingNumber {
    /// The number.
    public var settingNumber: Double? { self }
}

extension Optional: SettingNumber where Wrapped: SettingNumber {
    /// The number; nil where the setting is off.
    public var settingNumber: Double? { flatMap(\.settingNumber) }
}

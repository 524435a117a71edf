import W2VBackbone

/// An interval of training.
public enum Interval: Sendable, Equatable {
    /// Every N updates.
    case updates(Int)
    /// At the end of every N epochs.
    case epochs(Int)
    /// Every N minutes.
    case minutes(Double)
}

extension Interval: SettingValue {
    /// Parses `500`, `500 updates`, `2 epochs` or `10 minutes`.
    ///
    /// - Throws: ``/W2VBackbone/ConfigurationError`` for anything else and for numbers that are not positive.
    public init(settingText: String) throws {
        let words = settingText.split(separator: " ")
        guard let first = words.first, words.count <= 2 else { throw ConfigurationError.malformed }
        switch words.count == 2 ? words[1] : "updates" {
        case "updates", "update": self = .updates(try Int(settingText: String(first)))
        case "epochs", "epoch": self = .epochs(try Int(settingText: String(first)))
        case "minutes", "minute": self = .minutes(try Double(settingText: String(first)))
        default: throw ConfigurationError.malformed
        }
        guard isPositive else { throw ConfigurationError("the interval '\(settingText)' must be more than 0") }
    }

    private var isPositive: Bool {
        switch self {
        case .updates(let count), .epochs(let count): count > 0
        case .minutes(let minutes): minutes > 0
        }
    }

    /// The interval as text that parses back to it.
    public var settingText: String {
        switch self {
        case .updates(let count): "\(count) updates"
        case .epochs(let count): "\(count) epochs"
        case .minutes(let minutes): "\(minutes.settingText) minutes"
        }
    }

    /// The expected form, for error messages.
    public static var settingType: String { "a number of updates such as 500, or \"2 epochs\", or \"10 minutes\"" }
}

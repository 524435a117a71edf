import W2VBackbone

/// The updates after which a checkpoint is kept permanently.
public enum Milestones: Sendable, Equatable {
    /// After these updates.
    case updates([Int])
    /// At regular intervals.
    case every(Interval)
}

extension Milestones: SettingValue {
    /// Parses `[100000, 200000]`, `50000 updates` or `10 epochs`; a single number is one update.
    ///
    /// - Throws: ``/W2VBackbone/ConfigurationError`` for anything else, for minutes and for numbers that are not positive.
    public init(settingText: String) throws {
        if settingText.hasSuffix("s") || settingText.hasSuffix("e") || settingText.hasSuffix("h") {
            let interval = try Interval(settingText: settingText)
            if case .minutes = interval {
                throw ConfigurationError(
                    "milestones are updates or epochs, which a resumed run meets again; not minutes")
            }
            self = .every(interval)
            return
        }
        let numbers = try [Double](settingText: settingText).map { number in
            guard let whole = Int(exactly: number) else { throw ConfigurationError.malformed }
            guard whole > 0 else { throw ConfigurationError("the milestone \(whole) must be at least 1") }
            return whole
        }
        guard !numbers.isEmpty else { throw ConfigurationError.malformed }
        self = .updates(numbers)
    }

    /// The value as text that parses back to it.
    public var settingText: String {
        switch self {
        case .updates(let updates): updates.map(Double.init).settingText
        case .every(let interval): interval.settingText
        }
    }

    /// The expected form, for error messages.
    public static var settingType: String {
        "a list of updates such as [100000, 200000], or \"50000 updates\", or \"10 epochs\""
    }
}

extension Milestones {
    /// Returns whether a state is kept permanently.
    ///
    /// - Parameter state: A saved state.
    /// - Returns: The answer, the same at any time.
    func include(_ state: TrainingState) -> Bool {
        switch self {
        case .updates(let updates): updates.contains(state.update)
        case .every(.updates(let count)): state.update > 0 && state.update % count == 0
        case .every(.epochs(let count)): state.position == 0 && state.epoch > 0 && state.epoch % count == 0
        case .every(.minutes): false
        }
    }
}

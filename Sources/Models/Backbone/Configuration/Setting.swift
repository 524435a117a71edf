import W2VBase

/// A value with a textual form for recipes, the command line and checkpoints' configurations.
public protocol SettingValue: Sendable {
    /// Reads the text.
    ///
    /// - Throws: ``ConfigurationError`` or any other error for malformed text; the caller adds the key's name.
    init(settingText: String) throws
    /// The text from which the value can be read again.
    var settingText: String { get }
    /// The expected form in error messages: "a whole number".
    static var settingType: String { get }
}

/// One key of a configuration: its name, the property that it sets, and its meaning.
public struct Setting<Root>: Sendable {
    /// The key, in snake case.
    public let name: String
    /// One sentence on the effect of the value.
    public let help: String
    /// The expected form in error messages.
    public let type: String
    /// The part of a run or model that the value belongs to.
    public let scope: SettingScope
    private let get: @Sendable (Root) -> String
    private let put: @Sendable (inout Root, String) throws -> Void
    private let bounds: SettingBounds?
    private let number: (@Sendable (Root) -> Double?)?

    /// Makes a key for a number with bounds.
    public init<Value: SettingNumber>(
        _ name: String, _ path: any WritableKeyPath<Root, Value> & Sendable, _ help: String,
        of scope: SettingScope = .run, in bounds: SettingBounds
    ) {
        self.name = name
        self.help = help
        self.scope = scope
        self.bounds = bounds
        type = Value.settingType
        get = { $0[keyPath: path].settingText }
        put = { $0[keyPath: path] = try Value(settingText: $1) }
        number = { $0[keyPath: path].settingNumber }
    }

    /// Makes a key for a property.
    public init<Value: SettingValue>(
        _ name: String, _ path: any WritableKeyPath<Root, Value> & Sendable, _ help: String,
        of scope: SettingScope = .run
    ) {
        self.name = name
        self.help = help
        self.scope = scope
        type = Value.settingType
        get = { $0[keyPath: path].settingText }
        put = { $0[keyPath: path] = try Value(settingText: $1) }
        (bounds, number) = (nil, nil)
    }

    package init(
        name: String, help: String, type: String, scope: SettingScope, bounds: SettingBounds? = nil,
        number: (@Sendable (Root) -> Double?)? = nil, get: @escaping @Sendable (Root) -> String,
        put: @escaping @Sendable (inout Root, String) throws -> Void
    ) {
        (self.bounds, self.number) = (bounds, number)
        self.name = name
        self.help = help
        self.scope = scope
        self.type = type
        self.get = get
        self.put = put
    }

    /// Returns the same key for an enclosing configuration.
    ///
    /// - Parameter prefix: The name of the part in the enclosing configuration; empty to keep the key's name.
    public func lifted<Outer>(
        _ prefix: String, _ path: any WritableKeyPath<Outer, Root> & Sendable
    ) -> Setting<Outer> {
        let (get, put, number) = (get, put, number)
        var lifted: (@Sendable (Outer) -> Double?)?
        if let number { lifted = { number($0[keyPath: path]) } }
        return Setting<Outer>(
            name: prefix.isEmpty ? name : "\(prefix).\(name)", help: help, type: type, scope: scope, bounds: bounds,
            number: lifted, get: { get($0[keyPath: path]) }, put: { try put(&$0[keyPath: path], $1) })
    }

    /// Returns the value as text.
    public func text(_ root: Root) -> String { get(root) }

    /// Checks that a number is within its bounds.
    ///
    /// - Throws: ``ConfigurationError`` that names the key, the number and the bounds.
    public func check(_ root: Root) throws {
        guard let bounds, let value = number?(root), !bounds.allow(value) else { return }
        throw ConfigurationError("\(name) is \(value.settingText); it must be \(bounds.words)")
    }

    /// Sets the value from text; errors lack the key's name, which an enclosing configuration adds.
    ///
    /// - Throws: Any error of reading the text.
    package func read(_ text: String, into root: inout Root) throws { try put(&root, text) }

    /// Sets the value from text.
    ///
    /// - Throws: ``ConfigurationError`` that names the key, what was found and what is expected.
    public func set(_ text: String, in root: inout Root) throws {
        do {
            try put(&root, text)
        } catch let error as ConfigurationError where error != .malformed {
            throw error.at("\(name): ")
        } catch {
            throw ConfigurationError("\(name) is '\(text)', where \(type) is expected")
        }
    }
}

/// All keys of a configuration.
public struct SettingTable<Root>: Sendable {
    /// The keys, in the order in which they are written.
    public let settings: [Setting<Root>]
    private let byName: [String: Setting<Root>]

    /// Makes the table.
    public init(_ settings: [Setting<Root>]) {
        self.settings = settings
        byName = Dictionary(settings.map { ($0.name, $0) }) { first, _ in first }
    }

    /// Whether there is a key of this name.
    public func has(_ name: String) -> Bool { byName[name] != nil }

    /// Sets a value by its key.
    ///
    /// - Throws: ``ConfigurationError`` with the nearest valid key for an unknown key, or when the text is not a value
    ///   of its type.
    public func set(_ name: String, to text: String, in root: inout Root) throws {
        guard let setting = byName[name] else {
            // A key without its section is compared with the keys of all sections.
            func distance(_ key: String) -> Int {
                let last = key.split(separator: ".").last.map(String.init) ?? key
                return name.contains(".")
                    ? name.editDistance(to: key) : min(name.editDistance(to: last), name.editDistance(to: key))
            }
            let nearest = settings.map(\.name).min { distance($0) < distance($1) } ?? ""
            throw ConfigurationError("there is no key '\(name)'", "the nearest is '\(nearest)'")
        }
        try setting.set(text, in: &root)
    }
}

extension Int: SettingValue {
    /// Reads an integer, in which underscores may group digits.
    ///
    /// Sizes are multiplied with each other: the maximum is 2³¹ − 1.
    public init(settingText: String) throws {
        guard let value = Int(settingText.replacing("_", with: "")) else { throw ConfigurationError.malformed }
        guard Int32(exactly: value) != nil else {
            throw ConfigurationError("\(settingText) is out of reach: at most \(Int32.max)")
        }
        self = value
    }
    /// The text from which the value can be read again.
    public var settingText: String { String(self) }
    /// The expected form in error messages.
    public static var settingType: String { "a whole number" }
}

extension UInt64: SettingValue {
    /// Reads the text; throws ``ConfigurationError/malformed`` for any other, since the key is not known here.
    public init(settingText: String) throws {
        guard let value = UInt64(settingText) else { throw ConfigurationError.malformed }
        self = value
    }
    /// The text from which the value can be read again.
    public var settingText: String { String(self) }
    /// The expected form in error messages.
    public static var settingType: String { "a whole number of at least 0" }
}

extension Double: SettingValue {
    /// Reads the text; throws ``ConfigurationError/malformed`` for any other, since the key is not known here.
    ///
    /// Single precision ends at 3.4e38, which is the maximum.
    public init(settingText: String) throws {
        guard let value = Double(settingText), value.isFinite else { throw ConfigurationError.malformed }
        guard Float(value).isFinite else {
            throw ConfigurationError("\(settingText) is out of reach: at most 1e38")
        }
        self = value
    }
    /// The text from which the value can be read again.
    public var settingText: String {
        self == rounded() && magnitude < 1e15 ? String(Int(self)) : String(self)
    }
    /// The expected form in error messages.
    public static var settingType: String { "a number" }
}

extension Bool: SettingValue {
    /// Reads true, yes, on, false, no or off in any case.
    public init(settingText: String) throws {
        switch settingText.lowercased() {
        case "true", "yes", "on": self = true
        case "false", "no", "off": self = false
        default: throw ConfigurationError.malformed
        }
    }
    /// The text from which the value can be read again.
    public var settingText: String { self ? "true" : "false" }
    /// The expected form in error messages.
    public static var settingType: String { "true or false" }
}

extension String: SettingValue {
    /// Takes the text as it is.
    public init(settingText: String) throws { self = settingText }
    /// The text from which the value can be read again.
    public var settingText: String { self }
    /// The expected form in error messages.
    public static var settingType: String { "a text" }
}

extension [Double]: SettingValue {
    /// Reads comma-separated numbers, in brackets, parentheses or neither.
    public init(settingText: String) throws {
        var text = settingText[...]
        if text.hasPrefix("["), text.hasSuffix("]") { text = text.dropFirst().dropLast() }
        if text.hasPrefix("("), text.hasSuffix(")") { text = text.dropFirst().dropLast() }
        self = try text.split(separator: ",").map { part in
            try Double(settingText: String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()))
        }
    }
    /// The text from which the value can be read again.
    public var settingText: String { "[" + map(\.settingText).joined(separator: ", ") + "]" }
    /// The expected form in error messages.
    public static var settingType: String { "a list of numbers such as [0.1, 10]" }
}

extension Optional: SettingValue where Wrapped: SettingValue {
    /// Reads off, none, null or an empty text as absent, and anything else as the wrapped value.
    public init(settingText: String) throws {
        let isAbsent = ["off", "none", "null", ""].contains(settingText.lowercased())
        self = try isAbsent ? nil : Wrapped(settingText: settingText)
    }
    /// The text from which the value can be read again.
    public var settingText: String { map(\.settingText) ?? "off" }
    /// The expected form in error messages.
    public static var settingType: String { Wrapped.settingType + ", or off" }
}

extension ConvolutionLayers: SettingValue {
    /// Parses the expression; an error gives the position.
    public init(settingText: String) throws { try self.init(parsing: settingText) }
    /// The text from which the value can be read again.
    public var settingText: String { description }
    /// The expected form in error messages.
    public static var settingType: String { "an expression such as \"[(512,10,5)]+[(512,3,2)]*4\"" }
}

extension HourglassLayout: SettingValue {
    /// Parses the expression; an error gives the position.
    public init(settingText: String) throws { try self.init(parsing: settingText) }
    /// The text from which the value can be read again.
    public var settingText: String { description }
    /// The expected form in error messages.
    public static var settingType: String { "\"[pre,(middle,factor),post]\"" }
}

/// A choice among named values.
public protocol SettingChoice: SettingValue, RawRepresentable<String>, CaseIterable {}

extension SettingChoice {
    /// Reads the text; throws ``ConfigurationError/malformed`` for any other, since the key is not known here.
    public init(settingText: String) throws {
        guard let value = Self(rawValue: settingText) else { throw ConfigurationError.malformed }
        self = value
    }
    /// The text from which the value can be read again.
    public var settingText: String { rawValue }
    /// The expected form in error messages.
    public static var settingType: String { "one of " + allCases.map(\.rawValue).joined(separator: ", ") }
}

extension ModelConfiguration.ExtractorMode: SettingChoice {}
extension ModelConfiguration.Activation: SettingChoice {}
extension HourglassLayout.Resampling: SettingChoice {}
extension SpanMasking.Selection: SettingChoice {}
extension SpanMasking.Count: SettingChoice {}

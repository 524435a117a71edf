import W2VBackbone
import W2VBase

/// An option of another program, and its name here.
///
/// The table is that of the guide *Options*, and a test keeps the two equal.
public struct ForeignOption: Sendable, Equatable {
    /// The other program.
    public let program: String
    /// Its name there, of fairseq with the group: `optimization.lr`.
    public let name: String
    /// The recipe's key; `nil` if there is none.
    public let key: String?
    /// What takes the option's place if there is no key: a clause.
    public let remark: String

    /// All options whose names differ from the keys here.
    public static let all = table(String(decoding: PackageResources.foreign_options_tsv, as: UTF8.self))

    /// Parses lines of program, name, key and remark with tabs between them.
    static func table(_ text: String) -> [ForeignOption] {
        text.split(separator: "\n").compactMap { line in
            let cells = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            guard cells.count == 4 else { return nil }
            return ForeignOption(
                program: cells[0], name: cells[1], key: cells[2].isEmpty ? nil : cells[2], remark: cells[3])
        }
    }

    /// Finds an option by its name there, with or without a group, and in any spelling: `--learning-rate` is
    /// `learning_rate`.
    ///
    /// - Parameter text: The name.
    /// - Returns: The option; of several, one that has a key.
    public static func named(_ text: String) -> ForeignOption? {
        let name = String(text.drop { $0 == "-" || $0 == "+" }).replacing("-", with: "_").lowercased()
        guard !name.isEmpty else { return nil }
        func best(_ fits: (ForeignOption) -> Bool) -> ForeignOption? {
            let found = all.filter(fits)
            return found.first { $0.key != nil } ?? found.first
        }
        return best { $0.name == name } ?? best { $0.name.last(after: ".") == name.last(after: ".") }
    }

    /// Whether it is a switch there and a choice of a value here.
    public var isSwitch: Bool { Self.switches.contains(name.last(after: ".")) }

    private static let switches = ["fp16", "bf16", "tf32"]

    /// The clause that says what the option is here.
    ///
    /// - Parameter value: The value that it was given there, if any.
    public func advice(value: String? = nil) -> String {
        let owner = program.hasSuffix("s") ? "\(program)'" : "\(program)'s"
        guard let key else { return "in place of \(owner) \(name): \(remark)" }
        return "\(owner) \(name) is \(key)\(value.map { "=\(Self.translated($0, of: name))" } ?? "") here"
    }

    /// The key's value for a value of the option there.
    ///
    /// - Parameters:
    ///   - value: The value.
    ///   - name: The option's name.
    static func translated(_ value: String, of name: String) -> String {
        // Their formats are switches of their own.
        let last = name.last(after: ".")
        let isOn = ["true", "1", "yes", "on"].contains(value.lowercased())
        return switches.contains(last) ? (isOn ? last : "fp32") : value
    }
}

extension Recipe {
    /// Returns the error of a key that does not exist: with the key of an option of another program, or else the nearest
    /// one, in the same section if it has one.
    ///
    /// - Parameters:
    ///   - key: The unknown key.
    ///   - value: The value that it should have had.
    static func unknown(_ key: String, value: String) -> ConfigurationError {
        let problem = "there is no key '\(key)'"
        let keys = table.settings.map(\.name)
        let name = key.last(after: ".")
        let sameName = keys.filter { $0.last(after: ".") == name }
        let foreign = ForeignOption.named(key)
        // A key that lacks its section, or has a wrong one, is ours unless it is exactly another program's.
        let isOurs = !sameName.isEmpty && (foreign?.name != key || foreign?.key.map { sameName.contains($0) } ?? false)
        if let foreign, !isOurs { return ConfigurationError(problem, "\(foreign.advice(value: value))") }
        let section = key.prefix { $0 != "." } + "."
        let similar = keys.min {
            $0.last(after: ".").editDistance(to: name) < $1.last(after: ".").editDistance(to: name)
        }
        let nearest =
            sameName.nearest(to: key) ?? sameName.first ?? keys.filter { $0.hasPrefix(section) }.nearest(to: key)
            ?? similar ?? ""
        return ConfigurationError(problem, "the nearest is '\(nearest)'")
    }
}

extension String {
    /// The part after the last separator; the whole text without one.
    fileprivate func last(after separator: Character) -> String {
        lastIndex(of: separator).map { String(self[index(after: $0)...]) } ?? self
    }
}

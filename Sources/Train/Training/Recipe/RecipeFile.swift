import Foundation
import W2VBackbone
import W2VBase
import W2VObjectives
import Yams

extension Recipe {
    /// The names of the built-in recipes.
    public static let builtInNames = builtIns.map(\.name)

    private static let builtIns: [(name: String, bytes: [UInt8])] = [
        ("base", PackageResources.base_yaml),
        ("large", PackageResources.large_yaml),
        ("base-benchmark", PackageResources.base_benchmark_yaml),
        ("finetune-base-1h", PackageResources.finetune_base_1h_yaml),
        ("finetune-base-10h", PackageResources.finetune_base_10h_yaml),
        ("finetune-base-100h", PackageResources.finetune_base_100h_yaml),
        ("finetune-base-960h", PackageResources.finetune_base_960h_yaml),
        ("finetune-vox-100h", PackageResources.finetune_vox_100h_yaml),
        ("finetune-vox-960h", PackageResources.finetune_vox_960h_yaml),
        ("finetune-vox-960h-cv", PackageResources.finetune_vox_960h_cv_yaml),
        ("finetune-base-benchmark", PackageResources.finetune_base_benchmark_yaml),
        ("demo-pretrain", PackageResources.demo_pretrain_yaml),
        ("demo-finetune", PackageResources.demo_finetune_yaml),
    ]

    /// Reads a built-in recipe, or a file.
    ///
    /// - Parameter nameOrPath: A built-in recipe's name, or a path.
    /// - Throws: ``/W2VBackbone/ConfigurationError`` that names file, line and key.
    public static func load(_ nameOrPath: String) throws -> Recipe {
        if let found = builtIns.first(where: { $0.name == nameOrPath }) {
            return try Recipe(yaml: String(decoding: found.bytes, as: UTF8.self), path: "recipe \(nameOrPath)")
        }
        guard let data = FileManager.default.contents(atPath: nameOrPath) else {
            throw ConfigurationError(
                "there is no recipe '\(nameOrPath)': neither a readable file nor one of "
                    + builtInNames.joined(separator: ", "),
                builtInNames.nearest(to: nameOrPath).map { name -> Advice in "did you mean \(name)?" })
        }
        do {
            return try Recipe(yaml: UTF8Text.decode(data), path: nameOrPath)
        } catch let error as UTF8Text.Invalid {
            throw ConfigurationError("\(nameOrPath): \(error.problem)", error.advice)
        }
    }

    /// Returns the text of a built-in recipe, with its comments.
    ///
    /// - Parameter name: The name.
    /// - Returns: The YAML; `nil` if there is no recipe of that name.
    public static func builtInText(_ name: String) -> String? {
        builtIns.first { $0.name == name }.map { String(decoding: $0.bytes, as: UTF8.self) }
    }

    /// Guesses the task that a recipe is meant for.
    ///
    /// - Parameter nameOrPath: The name or path that it was loaded from.
    /// - Returns: The task; `nil` if neither the name nor the contents show it.
    public func intendedKind(_ nameOrPath: String) -> TrainingJob.Kind? {
        if Self.builtInNames.contains(nameOrPath) {
            return nameOrPath.contains(TrainingJob.Kind.finetuning.command) ? .finetuning : .pretraining
        }
        let meant = TrainingJob.Kind.all.filter { $0.isMeant(self) }
        return meant.count == 1 ? meant[0] : nil
    }

    /// Parses a recipe's text; absent keys keep their defaults.
    ///
    /// - Parameters:
    ///   - yaml: Nested sections in snake case.
    ///   - path: The text's name for errors.
    /// - Throws: ``/W2VBackbone/ConfigurationError`` that names file, line and key.
    public init(yaml: String, path: String) throws {
        self.init()
        let root: Node?
        do {
            root = try Yams.compose(yaml: yaml)
        } catch let error as YamlError {
            throw ConfigurationError(error.sentence(path))
        }
        guard let root else { return }
        try set(root, at: "", path: path)
        do {
            try validate()
        } catch let error as ConfigurationError {
            throw error.at("\(path): ")
        }
    }

    private mutating func set(_ node: Node, at key: String, path: String) throws {
        let place = node.mark.map { "\(path):\($0.line)" } ?? path
        switch node {
        case .mapping(let mapping):
            for (name, value) in mapping {
                guard let name = name.string else { throw ConfigurationError("\(place): a key must be a text") }
                try set(value, at: key.isEmpty ? name : "\(key).\(name)", path: path)
            }
        case _ where key.isEmpty:
            throw ConfigurationError("\(place): a recipe is made of sections, such as \"model:\"")
        case .scalar(let scalar):
            try set(key, to: scalar.string, place: place)
        case .sequence(let sequence):
            let items = try sequence.map { item in
                guard let text = item.scalar?.string else {
                    throw ConfigurationError("\(place): \(key) holds a list of something else than numbers")
                }
                return text
            }
            try set(key, to: "[" + items.joined(separator: ", ") + "]", place: place)
        case .alias:
            throw ConfigurationError("\(place): aliases are not supported", "write \(key)'s value out")
        }
    }

    private mutating func set(_ key: String, to text: String, place: String) throws {
        do {
            let section = String(key.prefix { $0 != "." })
            guard section == key || !objectives.names.contains(section) || ObjectiveRegistry.find(section) != nil else {
                throw ConfigurationError(
                    "\(key) configures objective \(section), which this program does not have",
                    "use the program that registers it")
            }
            guard Self.table.has(key) else { throw Self.unknown(key, value: text) }
            try Self.table.set(key, to: text, in: &self)
        } catch let error as ConfigurationError {
            throw error.at("\(place): ")
        }
    }

    /// Sets keys from `key=value` texts, as on the command line.
    ///
    /// - Throws: ``/W2VBackbone/ConfigurationError`` that names the key, and the nearest one if it does not exist.
    public mutating func apply(_ assignments: [String]) throws {
        for assignment in assignments {
            guard let equals = assignment.firstIndex(of: "=") else {
                throw ConfigurationError(
                    "\(Phrase.assignment(assignment)): expected key=value, such as optimization.lr=0.0005")
            }
            let value = String(assignment[assignment.index(after: equals)...])
            try set(String(assignment[..<equals]), to: value, place: "\(Phrase.assignment(assignment))")
        }
        try validate()
    }

    /// Every key with its value as text.
    public var values: [String: String] {
        Dictionary(uniqueKeysWithValues: settings.map { ($0.name, $0.text(self)) })
    }

    /// The recipe as YAML: every key, with its help as a comment.
    public var yaml: String {
        var lines: [String] = []
        var section = ""
        for setting in settings {
            let path = setting.name.split(separator: ".", maxSplits: 1).map(String.init)
            if path.count == 2, path[0] != section {
                section = path[0]
                if !lines.isEmpty { lines.append("") }
                lines.append("\(section):")
            } else if path.count == 1 {
                lines.append("")
            }
            let indent = path.count == 2 ? "  " : ""
            lines.append("\(indent)# \(setting.help)")
            lines.append("\(indent)\(path.last ?? setting.name): \(Self.quoted(setting.text(self)))")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Quotes text that YAML would parse as something else.
    private static func quoted(_ text: String) -> String {
        let isPlain =
            !text.isEmpty && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "._- ".contains($0)) }
        let isNumberList = text.hasPrefix("[") && text.allSatisfy { $0.isNumber || "[], .-e".contains($0) }
        if isPlain && text.first != "-" || Double(text) != nil || isNumberList { return text }
        // JSON strings are valid YAML.
        return text.jsonQuoted
    }
}

extension YamlError {
    /// Describes the problem with a file in one sentence that begins with its name and the line.
    ///
    /// - Parameter path: The file.
    func sentence(_ path: String) -> String {
        switch self {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            let place = context.map { context in
                " " + context.text + (context.mark.line == mark.line ? "" : " that begins in line \(context.mark.line)")
            }
            return "\(path):\(mark.line): this is not YAML: \(problem)\(place ?? "") (column \(mark.column))"
        case .duplicatedKeysInMapping(let duplicates, let context):
            let keys = duplicates.sorted().map { "'\($0)'" }.joined(separator: ", ")
            return
                "\(path):\(context.mark.line): the section that begins here has \(keys) more than once: keep one of them"
        case .reader(let problem, let offset, let value, let yaml):
            let line = offset.map { yaml.prefix($0).count { $0.isNewline } + 1 }
            let code = UInt32(exactly: value).flatMap(Unicode.Scalar.init).map { " (\($0.codePoint))" } ?? ""
            return "\(path)\(line.map { ":\($0)" } ?? ""): this is not YAML: \(problem)\(code)"
        default:
            return "\(path): this is not YAML: " + "\(self)".split(whereSeparator: \.isNewline).joined(separator: " ")
        }
    }
}

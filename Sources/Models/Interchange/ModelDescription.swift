import Foundation
import W2VBackbone
import W2VBase
import W2VObjectives

/// The description of a checkpoint's weights: architecture, objective and dictionary.
///
/// The settings of tasks are properties too, each declared with its ``ModelTask``: ``objective``, ``ctc``.
public struct ModelDescription: Sendable, Equatable {
    /// The task that the model was trained for.
    public var task: ModelTask
    /// The architecture.
    public var model: ModelConfiguration
    /// The masking of frames and channels in training.
    public var masking = MaskingConfiguration()
    /// Whether the model expects input of zero mean and unit variance.
    public var normalize = false
    /// The number added to the variance in normalizing input: 1e-5 in fairseq and NVIDIA's program, 1e-7 in
    /// Transformers.
    public var normalizeEpsilon = 1e-5
    /// The dictionary's symbols by label index, for a model with labels; the blank of a CTC model is index 0.
    public var labels: [String] = []
    /// The conversion of labels to text, for a CTC model.
    public var text = TextStyle()
    private var configurations = TaskConfigurations()

    /// Makes the description of a model.
    public init(task: ModelTask, model: ModelConfiguration) {
        self.task = task
        self.model = model
    }

    /// An objective's configuration, for which each task declares a named property.
    public subscript<Configuration: ObjectiveConfiguration>(_ type: Configuration.Type) -> Configuration {
        get { configurations[type] }
        set { configurations[type] = newValue }
    }

    /// Returns the keys of all sections, with those of these tasks.
    private static func table(_ tasks: [ModelTask]) -> SettingTable<ModelDescription> {
        SettingTable(
            ModelConfiguration.settings.map { $0.lifted("model", \.model) }
                + MaskingConfiguration.settings.map { $0.lifted("masking", \.masking) }
                + tasks.flatMap { $0.section?.qualified ?? [] }
                + [
                    Setting(
                        "normalize", \.normalize, "whether the input is normalized to zero mean and unit variance",
                        of: .architecture),
                    Setting(
                        "normalize_epsilon", \.normalizeEpsilon, "added to the variance when normalizing",
                        of: .normalizedInput),
                ])
    }

    /// The keys that the description has.
    private var settings: [Setting<ModelDescription>] { Self.table(ModelTask.describing(task)).settings }

    private static let format = "wav2vec2"

    /// Returns the description as JSON with sorted keys.
    func json() throws -> Data {
        var root: JSONObject = [
            "format": .string(Self.format), "format_version": .integer(1), "task": .string(task.name),
        ]
        if task.hasLabels {
            root["labels"] = .array(labels.map(JSONValue.string))
            // Omitted if it is fairseq's.
            if text != TextStyle() { root["text"] = text.json }
        }
        for setting in settings {
            let path = setting.name.split(separator: ".").map(String.init)
            let value = jsonValue(setting.text(self))
            guard path.count == 2 else {
                root[setting.name] = value
                continue
            }
            var section = root[path[0]]?.object ?? [:]
            section[path[1]] = value
            root[path[0]] = .object(section)
        }
        return Data((JSONValue.object(root).text + "\n").utf8)
    }

    /// Reads a description.
    ///
    /// - Throws: ``CheckpointError`` naming the file and the problem.
    init(json data: Data, path: String) throws {
        func damaged(_ reason: String) -> CheckpointError { .damaged(path: path, reason: reason) }
        let root: JSONObject
        do {
            guard let found = try JSONParser.value(data).object else { throw damaged("it is not a JSON object") }
            root = found
        } catch let error as UTF8Text.Invalid {
            throw damaged("\(error)")
        } catch let error as JSONParser.Failure {
            throw damaged("it is not a JSON object (\(error))")
        }
        guard root["format"]?.string == Self.format, let version = root["format_version"]?.integer else {
            throw damaged("it has no \"format\": \"\(Self.format)\"; is this another program's checkpoint?")
        }
        guard version == 1 else {
            throw damaged("its format version is \(version), and this program reads version 1; use a newer program")
        }
        guard let task = root["task"]?.string.flatMap(ModelTask.named) else {
            let known = ModelTask.registered.map(\.name)
            throw damaged("its \"task\" is not one of \(known.joined(separator: ", "))")
        }
        self.init(task: task, model: ModelConfiguration())
        let table = Self.table(ModelTask.registered)
        let others = ["format", "format_version", "task", "labels", "text"]
        do {
            for (key, value) in root where !others.contains(key) {
                let pairs = value.object?.map { ("\(key).\($0.key)", $0.value) } ?? [(key, value)]
                for (name, value) in pairs { try table.set(name, to: settingText(value), in: &self) }
            }
            if let style = root["text"] { text = try TextStyle(json: style) }
            guard normalizeEpsilon > 0, normalizeEpsilon.isFinite else {
                throw ConfigurationError(
                    "normalize_epsilon is \(normalizeEpsilon), where a positive number is expected")
            }
        } catch {
            throw damaged("\(error)")
        }
        if task.hasLabels {
            guard let items = root["labels"]?.array, items.count > 1 else {
                throw damaged("a \(task.name) checkpoint needs its \"labels\"")
            }
            labels = try items.map { item in
                guard let symbol = item.string else {
                    throw damaged("its \"labels\" hold \(item.excerpt), where a text is expected")
                }
                return symbol
            }
        }
        do {
            try model.validate()
        } catch {
            throw damaged("\(error)")
        }
    }
}

extension ModelDescription {
    /// Returns the settings that differ in another description.
    ///
    /// - Parameter other: The same model in another program's description.
    /// - Returns: Each key with the value that this description has, in the order of the recipe's keys.
    func settings(differingFrom other: ModelDescription) -> [(key: String, text: String)] {
        settings.compactMap { setting in
            let text = setting.text(self)
            return text == setting.text(other) ? nil : (setting.name, text)
        }
    }

    /// Returns settings as the members of a JSON object.
    static func json(_ settings: [(key: String, text: String)]) -> JSONValue {
        .object(JSONObject(inOrder: settings.map { ($0.key, jsonValue($0.text)) }))
    }

    /// Applies settings that ``json(_:)`` wrote.
    ///
    /// - Throws: ``ConfigurationError`` naming the setting.
    mutating func apply(_ settings: JSONObject) throws {
        let table = Self.table(ModelTask.registered)
        for (key, value) in settings { try table.set(key, to: settingText(value), in: &self) }
    }

    /// Returns whether a setting applies to the model.
    func uses(_ name: String) -> Bool {
        settings.contains { $0.name == name && parts.contains($0.scope.part) }
    }
}

/// Returns a setting's text as the JSON value that it looks like.
private func jsonValue(_ text: String) -> JSONValue {
    if let flag = ["true": true, "false": false][text] { return .bool(flag) }
    if let integer = Int(text) { return .integer(integer) }
    if let number = Double(text) { return .number(number) }
    if let list = try? [Double](settingText: text) { return .array(list.map(JSONValue.number)) }
    return .string(text)
}

/// Returns a JSON value as a setting's text.
private func settingText(_ value: JSONValue) -> String {
    switch value {
    case .null: return "off"
    case .bool(let flag): return flag ? "true" : "false"
    case .integer(let integer): return String(integer)
    case .number(let number): return number.settingText
    case .string(let text): return text
    case .array(let items): return "[" + items.map(settingText).joined(separator: ", ") + "]"
    case .object: return "{…}"
    }
}

import W2VBase
import W2VTraining

/// What is wrong with a command line, in words that say what to type instead.
///
/// The parser reports what is missing before what is misspelt, so it would report `--chekpoint x` as a missing
/// `--checkpoint`.
struct UsageDiagnosis: Equatable {
    /// A sentence without a full stop.
    var sentence: String
    /// The words of the command that it is about, without the program's name.
    var command: [String]

    /// Finds the first word that the command does not know.
    ///
    /// - Parameters:
    ///   - arguments: The words after the program's name.
    ///   - program: The program's commands; nil is returned if every word is known.
    init?(_ arguments: [String], of program: CommandTree) {
        var tree = program
        command = []
        var rest = arguments[...]
        while let word = rest.first, let subcommands = tree.subcommands, !subcommands.isEmpty {
            guard !word.hasPrefix("-") else { break }
            guard let next = subcommands.first(where: { $0.commandName == word }) else {
                guard word != "help" else { return nil }
                let advice = Self.commandMeant(by: word, in: tree, at: command, of: program)
                sentence =
                    "there is no command '\((command + [word]).joined(separator: " "))'\(advice.map { "; did you mean \($0)?" } ?? "")"
                return
            }
            tree = next
            command.append(word)
            rest = rest.dropFirst()
        }
        guard let found = Self.unknown(in: Array(rest), tree) else { return nil }
        sentence = found
    }

    // MARK: Commands

    /// Commands of other programs, and other words for ours.
    private static let otherCommands: [String: String] = [
        "train": "finetune (with transcripts) or pretrain (without)", "fine-tune": "finetune", "pre-train": "pretrain",
        "tune": "finetune", "fit": "finetune", "hydra-train": "pretrain or finetune",
        "infer": "transcribe", "inference": "transcribe", "recognize": "transcribe", "recognise": "transcribe",
        "decode": "transcribe", "predict": "transcribe", "asr": "transcribe", "stt": "transcribe",
        "generate": "transcribe", "eval": "evaluate", "test": "evaluate", "score": "evaluate", "wer": "evaluate",
        "validate": "evaluate", "download": "checkpoint fetch", "pull": "checkpoint fetch",
        "models": "checkpoint fetch --list", "recipes": "recipe list", "server": "serve", "api": "serve",
        "info": "doctor", "env": "doctor", "extract": "features", "embed": "features", "kmeans": "units train",
        "version": "--version", "bench": "benchmark", "plot": "curves",
    ]

    private static func commandMeant(
        by word: String, in tree: CommandTree, at place: [String], of program: CommandTree
    ) -> String? {
        if place.isEmpty, let other = otherCommands[word.lowercased()] { return other }
        let names = (tree.subcommands ?? []).map(\.commandName)
        // The word may be a command of a group, without the group; a similar name at this place comes first.
        let nested = program.all().filter { $0.count > 1 && $0.last == word }.map { $0.joined(separator: " ") }
        let near = names.nearest(to: word).map { (place + [$0]).joined(separator: " ") }
        return near ?? (nested.isEmpty ? nil : nested.joined(separator: " or "))
    }

    // MARK: Options

    /// Other words for our options.
    private static let otherOptions: [String: [String]] = [
        "model": ["checkpoint", "from"], "model-path": ["checkpoint", "from"], "model-name": ["checkpoint", "from"],
        "model-name-or-path": ["checkpoint", "from"], "pretrained": ["from", "checkpoint"],
        "init": ["from"], "w2v-path": ["from", "checkpoint"], "restore-file": ["from", "checkpoint"],
        "path": ["checkpoint"], "config": ["recipe"], "config-name": ["recipe"], "config-file": ["recipe"],
        "output-dir": ["output"], "out-dir": ["output"], "save-dir": ["output"], "out": ["output"],
        "output-file": ["output"], "results-path": ["output"], "output-format": ["format"], "out-format": ["format"],
        "lm-model": ["lm"], "lm-path": ["lm"], "kenlm": ["lm"], "language-model": ["lm"], "lm-weight": ["alpha"],
        "word-score": ["beta"], "beam": ["beam-width"], "beam-size": ["beam-width"], "num-beams": ["beam-width"],
        "num-threads": ["threads"], "nthreads": ["threads"], "cpus": ["threads"], "jobs": ["threads"],
        "gpu": ["device"], "cuda": ["device"], "data": ["train", "manifest"], "dataset": ["train", "manifest"],
        "train-file": ["train"], "train-manifest": ["train"], "validation-file": ["valid"], "dev": ["valid"],
        "valid-file": ["valid"], "validation": ["valid"], "test-manifest": ["manifest"], "input": ["manifest"],
        "resume-from-checkpoint": ["resume"], "continue": ["resume"], "random-seed": ["seed"],
        "batch-size": ["batch-seconds"], "chunk-length-s": ["window-seconds"], "stride-length-s": ["overlap-seconds"],
        "nproc-per-node": ["processes"], "nnodes": ["nodes"], "dict": ["dictionary"], "vocab": ["dictionary"],
    ]

    /// Short options of other programs.
    private static let otherShortOptions: [String: [String]] = [
        "m": ["checkpoint"], "i": ["manifest"], "d": ["device"], "t": ["threads"], "p": ["port", "processes"],
        "n": ["processes"], "j": ["json"], "v": ["verbose"], "l": ["lm"],
    ]

    /// Returns a sentence about the first unknown option, or the first value of a recipe that does not follow `--set`.
    private static func unknown(in words: [String], _ tree: CommandTree) -> String? {
        let isTraining = tree.has("--set")
        var isValue = false
        for (index, word) in words.enumerated() {
            defer { isValue = word.hasPrefix("-") && !word.contains("=") && tree.takesValue(word) }
            if word == "--" { return nil }
            guard word.hasPrefix("-"), word != "-", Double(word) == nil else {
                if isTraining, !isValue, let sentence = assignment(word) { return sentence }
                continue
            }
            let name = String(word.prefix { $0 != "=" })
            let isKnown =
                word.hasPrefix("--") ? tree.has(name) : word.dropFirst().allSatisfy { tree.has("-\($0)") }
            guard !isKnown, !["--version", "--help", "-h"].contains(name) else { continue }
            let next = words[(index + 1)...].first.flatMap { $0.hasPrefix("-") && Double($0) == nil ? nil : $0 }
            let value = word.firstIndex(of: "=").map { String(word[word.index(after: $0)...]) } ?? next
            return "there is no option \(name)\(meant(by: name, value, in: tree).map { "; \($0)" } ?? "")"
        }
        return nil
    }

    private static func meant(by option: String, _ value: String?, in tree: CommandTree) -> String? {
        let name = String(option.drop { $0 == "-" }).replacing("_", with: "-").lowercased()
        let others = option.hasPrefix("--") ? otherOptions[name] : otherShortOptions[name]
        if let other = others?.first(where: { tree.has("--\($0)") }) { return "did you mean --\(other)?" }
        if tree.has("--set") {
            let key = name.replacing("-", with: "_")
            let own = Recipe.keys.first { $0 == key } ?? Recipe.keys.first { $0.hasSuffix("." + key) }
            if let own { return "keys of the recipe follow --set: --set \(own)=\(value ?? "…")" }
            if let foreign = ForeignOption.named(name), foreign.key != nil {
                let text = foreign.advice(value: value ?? (foreign.isSwitch ? "true" : "…"))
                return "\(text), and keys of the recipe follow --set"
            }
        }
        if let nearest = tree.options.nearest(to: name) { return "did you mean --\(nearest)?" }
        return tree.has("--set") ? ForeignOption.named(name)?.advice(value: value) : nil
    }

    /// Returns a sentence about a value of the recipe in Hydra's form, if it is one.
    private static func assignment(_ word: String) -> String? {
        guard let equals = word.firstIndex(of: "="), equals > word.startIndex else { return nil }
        let key = String(word[..<equals].drop { $0 == "+" || $0 == "~" })
        let value = String(word[word.index(after: equals)...])
        if Recipe.keys.contains(key) { return "'\(word)': keys of the recipe follow --set: --set \(key)=\(value)" }
        guard let foreign = ForeignOption.named(key) else { return nil }
        return
            "'\(word)': \(foreign.advice(value: value))\(foreign.key == nil ? "" : ", and keys of the recipe follow --set")"
    }
}

extension Recipe {
    /// All keys.
    fileprivate static let keys = table.settings.map(\.name)
}

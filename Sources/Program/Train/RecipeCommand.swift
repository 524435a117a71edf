import ArgumentParser
import Foundation
import W2VBackbone
import W2VBase
import W2VTraining

/// `wav2vec2 recipe`: the built-in recipes.
struct RecipeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recipe",
        abstract: "List and print the recipes of training.",
        subcommands: [RecipeListCommand.self, RecipeShowCommand.self])
}

/// `wav2vec2 recipe list`: what the built-in recipes are for.
struct RecipeListCommand: ParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the built-in recipes.")

    @Flag(help: "Print one JSON object per recipe and line.")
    var json = false

    @OptionGroup var logging: LogOptions

    func run() throws {
        let recipes = try Recipe.builtInNames.map(BuiltInRecipe.init)
        if json {
            for recipe in recipes { try Console.output(try jsonLine(recipe)) }
        } else {
            let rows = recipes.map { [$0.name, $0.command, $0.summary] }
            try Console.output(TextTable(header: ["recipe", "for", "what it is"], rows: rows, rightAligned: []).text)
        }
    }
}

/// `wav2vec2 recipe show`: a recipe as a file to start from.
struct RecipeShowCommand: ParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Print a recipe, as a file to start your own from.",
        discussion: """
            A recipe sets what differs from the defaults. --all prints every key with its value and a line of help, as \
            recipe.yaml in a run's folder has them.

            Examples:
              wav2vec2 recipe show finetune-base-10h > mine.yaml
              wav2vec2 recipe show base --all
            """)

    @Argument(
        help: "Name of a built-in recipe, or a YAML file.", completion: recipeCompletion)
    var recipe: String

    @Flag(help: "Print all keys, with help.")
    var all = false

    @Flag(help: "Print one JSON object with the value of every key, as text.")
    var json = false

    @OptionGroup var logging: LogOptions

    func validate() throws {
        if all, json { throw ValidationError("--json has all keys anyway: leave --all out.") }
    }

    func run() throws {
        do {
            let loaded = try Recipe.load(recipe)
            if json { return try Console.output(try jsonLine(loaded.values)) }
            // A file of the user's is printed in full: it is at hand as it is.
            let text = all ? nil : Recipe.builtInText(recipe)
            try Console.output(Data((text ?? loaded.yaml).utf8))
        } catch let error as ConfigurationError {
            throw CommandError(error, at: "", as: .usage)
        }
    }
}

/// A line of `recipe list`.
private struct BuiltInRecipe: Encodable {
    var name: String
    var command: String
    var summary: String

    init(_ name: String) throws {
        self.name = name
        command = try Recipe.load(name).intendedKind(name) == .finetuning ? "finetune" : "pretrain"
        // The first comment's first sentence.
        let lines = (Recipe.builtInText(name) ?? "").split(separator: "\n").prefix { $0.hasPrefix("#") }
        let text = lines.map { $0.drop { $0 == "#" || $0 == " " } }.joined(separator: " ")
        summary = text.components(separatedBy: ". ").first.map { $0.hasSuffix(".") ? String($0.dropLast()) : $0 } ?? ""
    }
}

/// Completes names of built-in recipes, and YAML files here and in the folders here.
var recipeCompletion: CompletionKind {
    let names = Recipe.builtInNames.map { "echo \($0)" }.joined(separator: "; ")
    return .shellCommand("\(names); ls -1d *.yaml */*.yaml 2>/dev/null")
}

import ArgumentParser
import Foundation

/// The program's commands and options, as the parser describes them.
struct CommandTree: Decodable {
    /// An option, a flag or an argument.
    struct Argument: Decodable {
        /// One of its names, without dashes.
        struct Name: Decodable {
            var kind: String
            var name: String
        }

        var kind: String
        var names: [Name]?
        var shouldDisplay: Bool?
    }

    var commandName: String
    var arguments: [Argument]?
    var subcommands: [CommandTree]?

    /// The names of the long options that the help shows.
    var options: [String] { names("long", in: (arguments ?? []).filter { $0.shouldDisplay != false }) }

    /// Whether there is an option of a name on the command line, also one that the help does not show: `--set`, `-c`.
    func has(_ option: String) -> Bool {
        option.hasPrefix("--")
            ? names("long", in: arguments ?? []).contains(String(option.dropFirst(2)))
            : names("short", in: arguments ?? []).contains(String(option.dropFirst()))
    }

    /// Whether an option takes a value.
    func takesValue(_ option: String) -> Bool {
        let name = String(option.drop { $0 == "-" })
        return (arguments ?? []).contains { $0.kind == "option" && ($0.names ?? []).contains { $0.name == name } }
    }

    private func names(_ kind: String, in arguments: [Argument]) -> [String] {
        arguments.flatMap { $0.names ?? [] }.filter { $0.kind == kind }.map(\.name)
    }

    /// The commands below this one, by their words.
    func all(after words: [String] = []) -> [[String]] {
        (subcommands ?? []).filter { $0.commandName != "help" }.flatMap { command -> [[String]] in
            let own = words + [command.commandName]
            return [own] + command.all(after: own)
        }
    }

    /// The program's commands; nil if the parser does not describe them.
    static func ofProgram() -> CommandTree? {
        struct Description: Decodable { var command: CommandTree }
        do {
            _ = try Program.parseAsRoot(["--experimental-dump-help"])
            return nil
        } catch {
            let text = Program.fullMessage(for: error)
            return try? JSONDecoder().decode(Description.self, from: Data(text.utf8)).command
        }
    }
}

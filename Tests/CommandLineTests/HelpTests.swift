import Foundation
import TestSupport
import Testing

/// Help texts are recorded in `Sources/System/CStart/Help`, from where the program prints them without loading LibTorch.
///
/// `UPDATE_SNAPSHOTS=1 swift test --filter HelpTests` renews them; then the program has to be built again.
@Suite(.onTestThreads) struct HelpTests {
    private static let sources = Repository.root.appendingPathComponent("Sources/System/CStart")
    private static let snapshots = sources.appendingPathComponent("Help")
    /// The environment in which the argument parser prints the help.
    private static let parser = ["WAV2VEC2_HELP": "parser"]

    /// A command as the program describes it.
    private struct Command: Decodable {
        var commandName: String
        var subcommands: [Command]?

        /// The words of this command and of all its subcommands, without the program's name.
        func all(after words: [String] = []) -> [[String]] {
            [words] + (subcommands ?? []).flatMap { $0.all(after: words + [$0.commandName]) }
        }
    }

    private struct Description: Decodable { var command: Command }

    private static func compare(_ name: String, _ text: String) throws {
        let file = snapshots.appendingPathComponent(name + ".txt")
        if Repository.updatesSnapshots {
            try FileManager.default.createDirectory(at: snapshots, withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
        }
        let expected = try String(contentsOf: file, encoding: .utf8)
        #expect(text == expected, "the help of \(name) changed: look at it, and renew the snapshot")
    }

    /// The list of the texts, for the part of the program that is written in C.
    private static func compareIndex(_ commands: [[String]]) throws {
        var lines = ["// Written by HelpTests: the texts of Help/ with the words of their commands.", ""]
        let names = commands.map { $0.joined(separator: " ") }.sorted()
        for (index, name) in names.enumerated() {
            let file = (["wav2vec2"] + name.split(separator: " ").map(String.init)).joined(separator: "-")
            lines += ["static const unsigned char text_\(index)[] = {", "#embed \"Help/\(file).txt\"", "};"]
        }
        lines += [
            "", "static const struct {", "    const char *name;", "    const unsigned char *text;", "    size_t size;",
        ]
        lines += ["} help_texts[] = {"]
        lines += names.enumerated().map { "    {\"\($1)\", text_\($0), sizeof text_\($0)}," } + ["};", ""]
        let text = lines.joined(separator: "\n")
        let file = sources.appendingPathComponent("HelpTexts.h")
        if Repository.updatesSnapshots { try Data(text.utf8).write(to: file) }
        #expect(try String(contentsOf: file, encoding: .utf8) == text, "renew the list, and build again")
    }

    /// What the program prints on its own is what the parser prints.
    @Test func helpIsPrintedWithoutTheParser() throws {
        guard !Repository.updatesSnapshots else { return }
        func help(_ words: [String], _ environment: [String: String] = [:]) throws -> String {
            let outcome = try run(words, environment: environment)
            #expect(outcome.code == 0 && outcome.errors == "", "\(words)")
            return outcome.output
        }
        for command in [[], ["transcribe"], ["checkpoint", "fetch"], ["units"]] {
            let expected = try help(command + ["--help"], Self.parser)
            #expect(expected.contains("USAGE: wav2vec2 \(command.joined(separator: " "))"))
            for words in [command + ["--help"], command + ["-h"], ["help"] + command] {
                #expect(try help(words) == expected, "\(words)")
            }
        }
        #expect(try help([]) == help([], Self.parser))
        // Lines that would not fit are the parser's to break.
        #expect(try help(["transcribe", "-h"], ["COLUMNS": "60"]) != help(["transcribe", "-h"]))
        #expect(try run("transcribe", "nonsense", "--help").code == 0)
    }

    /// Examples can be copied: a line is a whole command, or ends in a backslash.
    private static func checkExamples(_ help: String, of words: [String]) {
        var isExample = false
        var isContinued = false
        for line in help.split(separator: "\n", omittingEmptySubsequences: false) {
            if line == "Examples:" || line == "Example:" {
                isExample = true
            } else if line.isEmpty {
                #expect(!isContinued, "\(words)")
                isExample = false
            } else if isExample {
                let begins = ["wav2vec2 ", "curl ", "arecord ", "ffmpeg ", "ssh "].contains {
                    line.hasPrefix("  " + $0)
                }
                #expect(begins != isContinued && (begins || line.hasPrefix("    ")), "\(words): \(line)")
                isContinued = line.hasSuffix("\\") || line.hasSuffix("|")
            }
        }
    }

    /// The command's own options come before groups with a title.
    private static func checkOrder(_ help: String, of words: [String]) throws {
        let titles = help.split(separator: "\n").filter {
            $0.hasSuffix(":") && $0.first?.isUppercase == true
                && $0.allSatisfy { $0.isUppercase || " :,-".contains($0) }
        }
        #expect(titles.filter { $0 != "ARGUMENTS:" }.first == "OPTIONS:", "\(words): \(titles)")
    }

    @Test func theHelpOfEveryCommandIsAsRecorded() throws {
        let description = try JSONDecoder().decode(
            Description.self, from: Data(run("--experimental-dump-help").output.utf8))
        // The parser's own command prints the others' help.
        let commands = description.command.all().filter { $0 != ["help"] }
        #expect(commands.count > 40)
        for words in commands {
            let outcome = try run(words + ["--help"], environment: Self.parser)
            #expect(outcome.code == 0)
            #expect(outcome.errors == "")
            for line in outcome.output.split(separator: "\n") where !line.hasPrefix("USAGE:") {
                #expect(line.count <= 80, "\(words)")
            }
            Self.checkExamples(outcome.output, of: words)
            try Self.checkOrder(outcome.output, of: words)
            try Self.compare((["wav2vec2"] + words).joined(separator: "-"), outcome.output)
        }
        try Self.compareIndex(commands)
        let names = Set(commands.map { (["wav2vec2"] + $0).joined(separator: "-") + ".txt" })
        #expect(try Set(FileManager.default.contentsOfDirectory(atPath: Self.snapshots.path)) == names)
    }
}

import Foundation
import TestSupport
import Testing

/// Help texts are snapshots in `Tests/Fixtures/help`; `UPDATE_SNAPSHOTS=1 swift test --filter HelpTests` renews them.
@Suite(.onTestThreads) struct HelpTests {
    private static let snapshots = Repository.fixtures.appendingPathComponent("help")

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

    @Test func theHelpOfEveryCommandIsAsRecorded() throws {
        let description = try JSONDecoder().decode(
            Description.self, from: Data(run("--experimental-dump-help").output.utf8))
        // The parser's own command prints the others' help.
        let commands = description.command.all().filter { $0 != ["help"] }
        #expect(commands.count > 40)
        for words in commands {
            let outcome = try run(words + ["--help"])
            #expect(outcome.code == 0)
            #expect(outcome.errors == "")
            for line in outcome.output.split(separator: "\n") where !line.hasPrefix("USAGE:") {
                #expect(line.count <= 80, "\(words)")
            }
            try Self.compare((["wav2vec2"] + words).joined(separator: "-"), outcome.output)
        }
        let names = Set(commands.map { (["wav2vec2"] + $0).joined(separator: "-") + ".txt" })
        #expect(try Set(FileManager.default.contentsOfDirectory(atPath: Self.snapshots.path)) == names)
    }
}

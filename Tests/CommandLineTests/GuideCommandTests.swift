import Foundation
import TestSupport
import Testing

/// Commands in the README, in the guides and in the files for containers and clusters have options that exist.
@Suite(.onTestThreads) struct GuideCommandTests {
    /// A command as the program describes it.
    private struct Command: Decodable {
        struct Argument: Decodable {
            struct Name: Decodable { var name: String }
            var names: [Name]?
        }

        var commandName: String
        var arguments: [Argument]?
        var subcommands: [Command]?

        var options: Set<String> { Set((arguments ?? []).flatMap { $0.names ?? [] }.map(\.name)) }
    }

    private struct Description: Decodable { var command: Command }

    /// Lines in which a command is whole: those that end in a backslash are joined with the next one, and a list of
    /// arguments in YAML is one command.
    private static func lines(of text: String) -> [String] {
        var lines: [String] = []
        var isContinued = false
        var isList = false
        for line in text.components(separatedBy: "\n") {
            let trimmed = line.trimmingCharacters(in: .whitespaces)
            if trimmed == "- serve" {
                lines.append("wav2vec2 serve")
                isList = true
            } else if isList, trimmed.hasPrefix("- --") {
                lines[lines.count - 1] += " " + trimmed.dropFirst(2)
            } else if isList, trimmed.hasPrefix("#") {
                continue
            } else {
                isList = false
                if isContinued { lines[lines.count - 1] += " " + trimmed } else { lines.append(line) }
            }
            isContinued = lines.last?.hasSuffix("\\") == true
            if isContinued { lines[lines.count - 1].removeLast() }
        }
        return lines
    }

    /// The words after the program's name, up to the end of its command.
    private static func commands(in text: String) -> [[String]] {
        lines(of: text).flatMap { $0.components(separatedBy: "`") }.flatMap { snippet -> [[String]] in
            let words = snippet.split { $0.isWhitespace || "\"'()<>".contains($0) }.map(String.init)
            return words.indices.filter { words[$0] == "wav2vec2" || words[$0].hasSuffix("/wav2vec2") }.map { index in
                Array(words[(index + 1)...].prefix { !["|", "||", "&&", ";", "#", "wav2vec2"].contains($0) })
            }
        }
    }

    /// The options of a command that do not exist, and the number of those that do.
    private static func check(_ words: [String], _ program: Command) -> (unknown: [String], known: Int) {
        var command = program
        var unknown: [String] = []
        var known = 0
        var isBeforeOptions = true
        for word in words {
            if word == "--" {
                command = program
                isBeforeOptions = true
            } else if word.hasPrefix("--") {
                isBeforeOptions = false
                let name = word.dropFirst(2).prefix { $0.isLetter || $0.isNumber || $0 == "-" }
                if command.options.contains(String(name)) || name == "generate-completion-script" {
                    known += 1
                } else {
                    unknown.append("\(command.commandName) has no --\(name)")
                }
            } else if isBeforeOptions, let next = command.subcommands?.first(where: { $0.commandName == word }) {
                command = next
            } else if command.commandName == program.commandName {
                // A name in a sentence, or of an image.
                break
            }
        }
        return (unknown, known)
    }

    private static func files(below folder: String) throws -> [URL] {
        let url = Repository.root.appendingPathComponent(folder)
        return try FileManager.default.subpathsOfDirectory(atPath: url.path).sorted()
            .filter { !$0.hasSuffix(".svg") && !$0.hasSuffix(".png") }.map(url.appendingPathComponent)
            .filter { !$0.hasDirectoryPath && FileManager.default.isReadableFile(atPath: $0.path) }
    }

    @Test func optionsInGuidesAndManifestsExist() throws {
        let program = try JSONDecoder().decode(
            Description.self, from: Data(run("--experimental-dump-help").output.utf8)
        ).command
        let files =
            try ["README.md", "Dockerfile", "Packaging/Dockerfile"].map(Repository.root.appendingPathComponent)
            + Self.files(below: "Documentation/wav2vec2.docc") + Self.files(below: "Recipes/cluster")
        var known: [String: Int] = [:]
        for file in files {
            guard let text = try? String(contentsOf: file, encoding: .utf8) else { continue }
            for words in Self.commands(in: text) {
                let found = Self.check(words, program)
                #expect(found.unknown == [], "\(file.lastPathComponent): wav2vec2 \(words.joined(separator: " "))")
                known[file.lastPathComponent, default: 0] += found.known
            }
        }
        // These are read at all.
        for (name, least) in [
            "server.yaml": 10, "compose.yaml": 3, "pytorchjob.yaml": 12, "slurm.sbatch": 6, "Containers.md": 6,
            "Clusters.md": 10, "README.md": 30,
        ] {
            #expect(known[name, default: 0] >= least, "\(name)")
        }
    }

    @Test func unknownOptionsAreFound() throws {
        let program = try JSONDecoder().decode(
            Description.self, from: Data(run("--experimental-dump-help").output.utf8)
        ).command
        let text = """
            `wav2vec2 serve --prot 1` or
                $ wav2vec2 launch --processes 2 -- pretrain \\
                    --recipes base | wav2vec2 doctor --jsn
              - serve
              # Where.
              - --hosts=0.0.0.0
            """
        #expect(
            Self.commands(in: text).flatMap { Self.check($0, program).unknown } == [
                "serve has no --prot", "pretrain has no --recipes", "doctor has no --jsn", "serve has no --hosts",
            ])
    }

    /// The image has the compiler that the build asks for, and the manifests the image of this version.
    @Test func imagesAreOfThisVersion() throws {
        func text(_ path: String) throws -> String {
            try String(contentsOf: Repository.root.appendingPathComponent(path), encoding: .utf8)
        }
        let version = try #require(
            run("--version").output.split(separator: "\n").first?.split(separator: " ").last.map(String.init))
        for folder in ["serve", "train"] {
            let file = try text("Recipes/cluster/\(folder)/kustomization.yaml")
            let suffix = folder == "train" ? "-cuda" : ""
            #expect(file.contains("newTag: \(version)\(suffix)\n"), "\(folder): the version is \(version)")
        }
        let swift = try #require(try text("Scripts/setup").firstMatch(of: /swift_minimum=([0-9.]+)/)?.1)
        #expect(try text("Dockerfile").contains("ARG SWIFT=swift:\(swift)-bookworm\n"))
    }
}

import ArgumentParser
import Foundation
import W2VBase
import W2VCluster
import W2VKernels
import W2VTorch

/// The command-line program: its subcommands, and its exit after a failure.
@main
struct Program: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wav2vec2",
        abstract: "wav2vec 2.0: speech recognition that learns from recordings without transcripts.",
        discussion: """
            Run 'wav2vec2 doctor' to check the installation, and 'wav2vec2 help COMMAND' for the options and examples \
            of a command.

            Exit codes: 0 success; 1 failure; 64 wrong usage; 65 bad input data; 129, 130 or 143 stopped by a signal.
            """,
        version: versions,
        subcommands: [
            PretrainCommand.self,
            FinetuneCommand.self,
            LaunchCommand.self,
            RunsCommand.self,
            RecipeCommand.self,
            EvaluateCommand.self,
            TranscribeCommand.self,
            ServeCommand.self,
            AlignCommand.self,
            FeaturesCommand.self,
            UnitsCommand.self,
            LanguageModelCommand.self,
            DataCommand.self,
            CheckpointCommand.self,
            BenchmarkCommand.self,
            ReportCommand.self,
            CurvesCommand.self,
            DoctorCommand.self,
        ])

    /// The program's version.
    static let version = "0.2.0"

    /// What `--version` prints: the program's version, LibTorch's, and the instructions that computations use here.
    ///
    /// Every command asks for this text, because the parser wants it beforehand, so it takes microseconds.
    static var versions: String {
        """
        wav2vec2 \(version)
        LibTorch \(LibTorch.version)
        instructions \(HostInstructions.inUse), BF16 products \(HostInstructions.multiplyBFloat16 ? "yes" : "no")
        """
    }

    static func main() async {
        // Beyond a file-size limit, writing fails with an error instead of a signal that ends the program.
        signal(SIGXFSZ, SIG_IGN)
        var parsed: (any ParsableCommand)?
        do {
            endWithLauncher()
            Phrase.use(commandLinePhrases)
            var command = try parseAsRoot()
            parsed = command
            if let logging = (command as? any LoggingCommand)?.logging { Console.configure(logging) }
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            guard let code = failureCode(error) else { leave(withUsageError: error, of: parsed) }
            Console.log.error(
                "\((error as? CocoaError).map(SystemReason.sentence) ?? "\(error)")",
                metadata: ["exit_code": .stringConvertible(code)])
            Foundation.exit(code)
        }
    }

    /// Ends the program with an error of the argument parser, or with the help that was asked for.
    ///
    /// The parser may have failed before it read `--log-format`, so the arguments themselves are searched for it.
    ///
    /// - Parameters:
    ///   - error: The error.
    ///   - command: The command that refused its options, after they were parsed.
    private static func leave(withUsageError error: any Error, of command: (any ParsableCommand)?) -> Never {
        let code = exitCode(for: error).rawValue
        let text = fullMessage(for: error)
        if code == EXIT_SUCCESS {
            print(HelpText.arranged(text))
            Foundation.exit(code)
        }
        // A command's exit code alone has been explained before.
        guard !text.isEmpty else { Foundation.exit(code) }
        let diagnosis =
            command == nil
            ? CommandTree.ofProgram().flatMap { UsageDiagnosis(Array(CommandLine.arguments.dropFirst()), of: $0) } : nil
        let sentence = diagnosis?.sentence ?? message(for: error)
        if LogOptions.asksForJSON(CommandLine.arguments) {
            Console.configure(LogOptions(format: .json))
            Console.log.error("\(sentence)", metadata: ["exit_code": .stringConvertible(code)])
            Foundation.exit(code)
        }
        if let diagnosis {
            let type = commandType(diagnosis.command) ?? Program.self
            tell(
                diagnosis.sentence.prefix(1).uppercased() + diagnosis.sentence.dropFirst(), of: type, diagnosis.command)
        } else if let command {
            let type = Swift.type(of: command)
            tell(message(for: error), of: type, commandWords(type) ?? [])
        } else {
            MessageStream.standardError.line(text)
        }
        Foundation.exit(code)
    }

    /// Prints a sentence as the parser prints its own, with the usage of the command that it is about.
    private static func tell(_ sentence: some StringProtocol, of type: any ParsableCommand.Type, _ words: [String]) {
        let name = (["wav2vec2"] + words).joined(separator: " ")
        let usage = Program.usageString(for: type)
        MessageStream.standardError.line(
            "Error: \(sentence)\nUsage: \(usage)\n  See '\(name) --help' for more information.")
    }

    /// Returns the type of a command by its words.
    private static func commandType(_ words: [String]) -> (any ParsableCommand.Type)? {
        var type: any ParsableCommand.Type = Program.self
        for word in words {
            guard let next = type.configuration.subcommands.first(where: { $0.configuration.commandName == word })
            else { return nil }
            type = next
        }
        return type
    }

    /// Returns the words of a command by its type.
    private static func commandWords(_ wanted: any ParsableCommand.Type) -> [String]? {
        func search(_ type: any ParsableCommand.Type) -> [String]? {
            for inner in type.configuration.subcommands {
                if inner == wanted { return [inner.configuration.commandName ?? ""] }
                if let found = search(inner) { return [inner.configuration.commandName ?? ""] + found }
            }
            return nil
        }
        return search(Program.self)
    }
}

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
        do {
            endWithLauncher()
            Phrase.use(commandLinePhrases)
            var command = try parseAsRoot()
            if let logging = (command as? any LoggingCommand)?.logging { Console.configure(logging) }
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            guard let code = failureCode(error) else { leave(withUsageError: error) }
            Console.log.error(
                "\((error as? CocoaError).map(SystemReason.sentence) ?? "\(error)")",
                metadata: ["exit_code": .stringConvertible(code)])
            Foundation.exit(code)
        }
    }

    /// Ends the program with an error of the argument parser, or with the help that was asked for.
    ///
    /// The parser may have failed before it read `--log-format`, so the arguments themselves are searched for it.
    private static func leave(withUsageError error: any Error) -> Never {
        let code = exitCode(for: error).rawValue
        guard code != EXIT_SUCCESS, LogOptions.asksForJSON(CommandLine.arguments) else { exit(withError: error) }
        Console.configure(LogOptions(format: .json))
        Console.log.error("\(message(for: error))", metadata: ["exit_code": .stringConvertible(code)])
        Foundation.exit(code)
    }
}

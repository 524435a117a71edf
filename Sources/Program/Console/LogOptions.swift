import ArgumentParser
import Logging

/// The form of what people or programs read on standard error.
enum LogFormat: String, CaseIterable, ExpressibleByArgument {
    case text
    case json
}

/// How much a command prints on standard error, and in which form.
struct LogOptions: ParsableArguments {
    @Flag(help: "Print only warnings and errors on standard error.")
    var quiet = false

    @Flag(help: "Print details too.")
    var verbose = false

    @Option(
        help: """
            Form of the lines on standard error: text, or json, one object per line with time, level, message, label and \
            metadata.
            """)
    var logFormat = LogFormat.text

    func validate() throws {
        if quiet, verbose { throw ValidationError("--quiet and --verbose exclude each other.") }
    }

    /// The least level that is logged.
    var level: Logger.Level { quiet ? .warning : verbose ? .debug : .info }

    /// The same options for a command line that is launched, unless it has its own.
    ///
    /// - Parameter arguments: The command line.
    /// - Returns: What is added to it.
    func passedOn(to arguments: [String]) -> [String] {
        var more: [String] = []
        if !arguments.contains("--quiet"), !arguments.contains("--verbose") {
            more += (quiet ? ["--quiet"] : []) + (verbose ? ["--verbose"] : [])
        }
        if logFormat != .text, !arguments.contains(where: { $0 == "--log-format" || $0.hasPrefix("--log-format=") }) {
            more += ["--log-format", logFormat.rawValue]
        }
        return more
    }
}

/// A command that prints to standard error: every one that does work.
protocol LoggingCommand: ParsableCommand {
    /// How much it prints, and in which form.
    var logging: LogOptions { get }
}

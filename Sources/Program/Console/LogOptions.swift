import ArgumentParser
import Logging

/// The form of messages on standard error.
enum LogFormat: String, CaseIterable, ExpressibleByArgument {
    case text
    case json
}

/// Options for the amount and form of messages on standard error.
struct LogOptions: ParsableArguments {
    @Flag(name: [.customShort("q"), .long], help: "Print only warnings and errors on standard error.")
    var quiet = false

    @Flag(help: "Print details too.")
    var verbose = false

    @Option(
        help: """
            Form of the lines on standard error: text, or json, one object per line with time, level, message, label and \
            metadata.
            """)
    var logFormat = LogFormat.text

    /// Makes the defaults, which parsing replaces.
    init() {}

    /// Makes options of a form.
    init(format: LogFormat) { (quiet, verbose, logFormat) = (false, false, format) }

    /// Whether a command line has `--log-format json`.
    static func asksForJSON(_ arguments: [String]) -> Bool {
        arguments.contains("--log-format=json")
            || zip(arguments, arguments.dropFirst()).contains { $0 == ("--log-format", "json") }
    }

    func validate() throws {
        if quiet, verbose { throw ValidationError("--quiet and --verbose exclude each other.") }
    }

    /// The lowest level that is logged.
    var level: Logger.Level { quiet ? .warning : verbose ? .debug : .info }

    /// Passes these options on to a launched command line, unless it has its own.
    ///
    /// - Parameter arguments: The command line.
    /// - Returns: The arguments to add.
    func passedOn(to arguments: [String]) -> [String] {
        var more: [String] = []
        if !arguments.contains("-q"), !arguments.contains("--quiet"), !arguments.contains("--verbose") {
            more += (quiet ? ["--quiet"] : []) + (verbose ? ["--verbose"] : [])
        }
        if logFormat != .text, !arguments.contains(where: { $0 == "--log-format" || $0.hasPrefix("--log-format=") }) {
            more += ["--log-format", logFormat.rawValue]
        }
        return more
    }
}

/// A command that writes messages: every one that does work.
protocol LoggingCommand: ParsableCommand {
    /// The options for its messages.
    var logging: LogOptions { get }
}

import Foundation
import Logging
import Synchronization
import W2VBase
import W2VCluster

/// What people read goes to standard error, through a logger; results go to standard output.
enum Console {
    private struct Settings {
        var level = Logger.Level.info
        var format = LogFormat.text
        /// This process's number among several.
        var rank: Int?
    }

    private static let settings = Mutex(Settings())

    /// Sets how much is printed, and in which form, before a command runs.
    static func configure(_ options: LogOptions) {
        let layout = try? ProcessLayout.current(environment: ProcessInfo.processInfo.environment)
        settings.withLock { $0 = Settings(level: options.level, format: options.logFormat, rank: layout?.rank) }
    }

    /// A logger whose lines go to standard error.
    ///
    /// - Parameter part: The part of the program that logs; `nil` for its commands.
    /// - Returns: The logger.
    static func logger(_ part: String? = nil) -> Logger {
        let settings = settings.withLock { $0 }
        var logger = Logger(label: part.map { "wav2vec2.\($0)" } ?? "wav2vec2") {
            ConsoleLogHandler(label: $0, format: settings.format, stream: .standardError)
        }
        logger.logLevel = settings.level
        if let rank = settings.rank { logger[metadataKey: "rank"] = .stringConvertible(rank) }
        return logger
    }

    /// The logger of commands.
    static var log: Logger { logger() }

    /// Writes a line to standard output.
    ///
    /// - Throws: `CommandError` when it cannot be written.
    static func output(_ line: String) throws {
        try output(Data((line + "\n").utf8))
    }

    /// Writes text with its own line ends to standard output.
    ///
    /// - Throws: `CommandError` when it cannot be written, as on a full disk.
    static func output(_ text: Data) throws {
        MessageStream.standardError.clear()
        var rest = text[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if written >= 0 {
                rest = rest.dropFirst(written)
            } else if errno == EAGAIN {
                var waited = pollfd(fd: STDOUT_FILENO, events: Int16(POLLOUT), revents: 0)
                poll(&waited, 1, -1)
            } else if errno != EINTR {
                throw CommandError(
                    .failure,
                    "standard output cannot be written (\(String(cString: strerror(errno)))), so the result is incomplete"
                )
            }
        }
    }

    /// How many characters fit in a line of standard output.
    static var outputWidth: Int {
        if let columns = ProcessInfo.processInfo.environment["COLUMNS"].flatMap(Int.init), columns > 0 {
            return columns
        }
        return TerminalText.columns(of: STDOUT_FILENO)
    }

    /// Whether results may be colored: on a terminal, unless `NO_COLOR` says otherwise.
    static var outputIsColored: Bool {
        let environment = ProcessInfo.processInfo.environment
        return isatty(STDOUT_FILENO) == 1 && (environment["NO_COLOR"] ?? "").isEmpty && environment["TERM"] != "dumb"
    }

    /// Shows how far a command is, in place on a terminal, and as a line every ten seconds elsewhere.
    static func progress(_ text: @autoclosure () -> String) {
        show(.everywhere, text)
    }

    /// Shows how far a command is in place on a terminal, and nothing elsewhere: for commands that write lines of their
    /// own.
    static func live(_ text: @autoclosure () -> String) {
        show(.onTerminals, text)
    }

    private static func show(_ pace: MessageStream.Pace, _ text: () -> String) {
        let settings = settings.withLock { $0 }
        guard settings.level <= .info else { return }
        let line = settings.format == .json ? { (text: String) in log.info("\(text)") } : nil
        MessageStream.standardError.progress(pace, line: line, text)
    }
}

/// A number that is written as `null` where it is missing, so that the key is always there.
struct Nullable<Value: Encodable>: Encodable {
    var value: Value?

    init(_ value: Value?) { self.value = value }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if let value { try container.encode(value) } else { try container.encodeNil() }
    }
}

/// A number with a fixed count of decimals.
func decimal(_ number: Double, _ places: Int) -> String { String(format: "%.\(places)f", number) }

/// A fraction as a percentage with two decimals.
func percentage(_ fraction: Double?) -> String { fraction.map { decimal($0 * 100, 2) + " %" } ?? "undefined" }

import Foundation
import Logging
import Synchronization
import W2VBase
import W2VCluster

/// The program's output: messages for people go to standard error, through a logger; results go to standard output.
enum Console {
    private struct Settings {
        var level = Logger.Level.info
        var format = LogFormat.text
        /// This process's rank, with several processes.
        var rank: Int?
    }

    private static let settings = Mutex(Settings())

    /// This process's rank; nil for a single process.
    static var rank: Int? { settings.withLock(\.rank) }

    /// Sets the amount and form of messages, before a command runs.
    static func configure(_ options: LogOptions) {
        let layout = try? ProcessLayout.current(environment: ProcessInfo.processInfo.environment)
        settings.withLock { $0 = Settings(level: options.level, format: options.logFormat, rank: layout?.rank) }
    }

    /// Makes a logger that writes to standard error.
    ///
    /// - Parameter part: The logging part of the program; `nil` for its commands.
    static func logger(_ part: String? = nil) -> Logger {
        let settings = settings.withLock { $0 }
        var logger = Logger(label: part.map { "wav2vec2.\($0)" } ?? "wav2vec2") {
            ConsoleLogHandler(
                label: $0, format: settings.format, stream: .standardError, isColored: messagesAreColored)
        }
        logger.logLevel = settings.level
        if let rank = settings.rank { logger[metadataKey: "rank"] = .stringConvertible(rank) }
        return logger
    }

    /// The logger of commands.
    static var log: Logger { logger() }

    /// Writes a line to standard output.
    ///
    /// - Throws: `CommandError` if it cannot be written.
    static func output(_ line: String) throws {
        try output(Data((line + "\n").utf8))
    }

    /// Writes text with its own line ends to standard output.
    ///
    /// - Throws: `CommandError` if it cannot be written, for example on a full disk.
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
                    "standard output cannot be written (\(SystemReason.of(code: errno))), so the result is incomplete"
                )
            }
        }
    }

    /// Number of characters in a line of standard output.
    static var outputWidth: Int {
        if let columns = ProcessInfo.processInfo.environment["COLUMNS"].flatMap(Int.init), columns > 0 {
            return columns
        }
        return TerminalText.columns(of: STDOUT_FILENO)
    }

    /// Whether results may be colored: on a terminal, unless `NO_COLOR` is set.
    static var outputIsColored: Bool { mayColor(STDOUT_FILENO) }

    /// Whether messages may be colored, likewise.
    static var messagesAreColored: Bool { mayColor(STDERR_FILENO) }

    private static func mayColor(_ descriptor: Int32) -> Bool {
        let environment = ProcessInfo.processInfo.environment
        return isatty(descriptor) == 1 && (environment["NO_COLOR"] ?? "").isEmpty && environment["TERM"] != "dumb"
    }

    /// Shows a command's progress, in place on a terminal, otherwise as a line every ten seconds.
    ///
    /// - Parameters:
    ///   - text: The line.
    ///   - share: The share of the work that is done, which a terminal shows as a bar.
    static func progress(_ text: @autoclosure () -> String, share: Double? = nil) {
        show(.everywhere, share, text)
    }

    /// Shows a command's progress in place on a terminal only: for commands that log lines of their own.
    static func live(_ text: @autoclosure () -> String, share: Double? = nil) {
        show(.onTerminals, share, text)
    }

    private static func show(_ pace: MessageStream.Pace, _ share: Double?, _ text: () -> String) {
        let settings = settings.withLock { $0 }
        guard settings.level <= .info else { return }
        let line = settings.format == .json ? { (text: String) in log.info("\(text)") } : nil
        MessageStream.standardError.progress(pace, share: share, line: line, text)
    }
}

/// A value that is encoded as `null` if missing, so that its key is always present.
struct Nullable<Value: Encodable>: Encodable {
    var value: Value?

    init(_ value: Value?) { self.value = value }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if let value { try container.encode(value) } else { try container.encodeNil() }
    }
}

/// Formats a number with a fixed number of decimals.
func decimal(_ number: Double, _ places: Int) -> String { String(format: "%.\(places)f", number) }

/// Formats a fraction as a percentage with two decimals.
func percentage(_ fraction: Double?) -> String { fraction.map { decimal($0 * 100, 2) + " %" } ?? "undefined" }

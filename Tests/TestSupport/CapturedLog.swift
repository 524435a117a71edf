import InMemoryLogging
import Logging

/// A log that remembers what it gets.
public struct CapturedLog: Sendable {
    private let handler = InMemoryLogHandler()

    /// Makes an empty log.
    public init() {}

    /// The logger to hand out.
    ///
    /// - Parameter level: The least level that is remembered.
    /// - Returns: The logger.
    public func logger(_ level: Logger.Level = .info) -> Logger {
        var logger = Logger(label: "test") { _ in handler }
        logger.logLevel = level
        return logger
    }

    /// What was logged.
    public var entries: [InMemoryLogHandler.Entry] { handler.entries }

    /// The messages.
    public var lines: [String] { entries.map { "\($0.message)" } }

    /// The messages of warnings.
    public var warnings: [String] { entries.filter { $0.level == .warning }.map { "\($0.message)" } }
}

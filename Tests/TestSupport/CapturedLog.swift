import InMemoryLogging
import Logging

/// A log that records its messages.
public struct CapturedLog: Sendable {
    private let handler = InMemoryLogHandler()

    /// Makes an empty log.
    public init() {}

    /// Returns a logger that writes to this log.
    ///
    /// - Parameters:
    ///   - level: The lowest level that is recorded.
    ///   - provider: Provides additional metadata for every entry.
    public func logger(_ level: Logger.Level = .info, adding provider: Logger.MetadataProvider? = nil) -> Logger {
        var handler = handler
        handler.metadataProvider = provider
        var logger = Logger(label: "test") { [handler] _ in handler }
        logger.logLevel = level
        return logger
    }

    /// The logged entries.
    public var entries: [InMemoryLogHandler.Entry] { handler.entries }

    /// The messages.
    public var lines: [String] { entries.map { "\($0.message)" } }

    /// The messages of warnings.
    public var warnings: [String] { entries.filter { $0.level == .warning }.map { "\($0.message)" } }
}

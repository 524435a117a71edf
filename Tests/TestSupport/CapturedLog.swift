import InMemoryLogging
import Logging

/// A log that remembers what it gets.
public struct CapturedLog: Sendable {
    private let handler = InMemoryLogHandler()

    /// Makes an empty log.
    public init() {}

    /// The logger to hand out.
    ///
    /// - Parameters:
    ///   - level: The least level that is remembered.
    ///   - provider: What is added to the metadata of every entry.
    /// - Returns: The logger.
    public func logger(_ level: Logger.Level = .info, adding provider: Logger.MetadataProvider? = nil) -> Logger {
        var handler = handler
        handler.metadataProvider = provider
        var logger = Logger(label: "test") { [handler] _ in handler }
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

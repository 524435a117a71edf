import Foundation
import Logging
import Synchronization
import W2VBase

/// The file `log.txt` in a run's folder: every message of the run with its time, appended by each job.
final class RunMessages: Sendable {
    /// The file's name in the output folder.
    static let name = "log.txt"

    private struct State {
        /// Lines from before the folder existed.
        var waiting: [String] = []
        var handle: FileHandle?
    }

    private let state = Mutex(State())

    /// Opens the file, and writes what was said before.
    ///
    /// - Parameter folder: The run's folder.
    /// - Throws: ``TrainingError/cannotWrite(file:reason:)``.
    func open(in folder: URL) throws {
        let url = folder.appendingPathComponent(Self.name)
        do {
            if !FileManager.default.fileExists(atPath: url.path) { try Data().write(to: url) }
            let handle = try FileHandle(forWritingTo: url)
            try handle.seekToEnd()
            state.withLock { state in
                state.handle = handle
                for line in state.waiting { try? handle.write(contentsOf: Data(line.utf8)) }
                state.waiting = []
            }
        } catch {
            throw TrainingError.cannotWrite(file: url.path, reason: systemReason(error))
        }
    }

    /// Appends a message.
    func append(_ message: String, level: Logger.Level, time: Date = .now) {
        let stamp = time.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        let mark = level >= .warning ? level.rawValue.uppercased() + ": " : ""
        let line = "\(stamp)  \(mark)\(message.printable)\n"
        state.withLock { state in
            // A full disk must not end training: metrics.jsonl and checkpoints report it.
            if let handle = state.handle {
                try? handle.write(contentsOf: Data(line.utf8))
            } else {
                state.waiting.append(line)
            }
        }
    }
}

/// Passes messages on, and keeps those of level `info` and above in the run's folder, even if the console shows fewer.
struct RunMessageHandler: LogHandler {
    let messages: RunMessages
    var target: any LogHandler

    /// Returns a logger whose messages are kept too.
    static func keeping(_ messages: RunMessages, of logger: Logger) -> Logger {
        var logger = logger
        logger.handler = RunMessageHandler(messages: messages, target: logger.handler)
        return logger
    }

    var logLevel: Logger.Level {
        get { min(target.logLevel, .info) }
        set { target.logLevel = newValue }
    }

    var metadata: Logger.Metadata {
        get { target.metadata }
        set { target.metadata = newValue }
    }

    var metadataProvider: Logger.MetadataProvider? {
        get { target.metadataProvider }
        set { target.metadataProvider = newValue }
    }

    subscript(metadataKey key: String) -> Logger.MetadataValue? {
        get { target[metadataKey: key] }
        set { target[metadataKey: key] = newValue }
    }

    func log(event: LogEvent) {
        if event.level >= target.logLevel { target.log(event: event) }
        if event.level >= .info { messages.append(event.message.description, level: event.level) }
    }
}

import Foundation
import Logging
import W2VBase

/// Writes all log lines of the program to standard error, as lines for people or as JSON.
struct ConsoleLogHandler: LogHandler {
    /// The logger's label.
    let label: String
    /// The form of the lines.
    let format: LogFormat
    /// The stream that they are written to.
    let stream: MessageStream
    /// Whether marks are colored.
    let isColored: Bool

    var logLevel = Logger.Level.info
    var metadata = Logger.Metadata()
    var metadataProvider: Logger.MetadataProvider?

    init(label: String, format: LogFormat, stream: MessageStream, isColored: Bool = false) {
        self.label = label
        self.format = format
        self.stream = stream
        self.isColored = isColored
    }

    subscript(metadataKey key: String) -> Logger.MetadataValue? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        switch format {
        // Names of files and requests come from outside: control characters, which a terminal would obey or show as a
        // new line, appear as code points.
        case .text: stream.line(mark(event.level) + event.message.description.printable)
        case .json:
            let all = metadata.merging(metadataProvider?.get() ?? [:]) { $1 }.merging(event.metadata ?? [:]) { $1 }
            let line = JSONLogLine(
                time: Date.now.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)),
                level: event.level, message: event.message.description, label: label,
                metadata: all.mapValues(JSONMetadata.init))
            // Texts, numbers and lists of them can always be encoded.
            if let text = try? jsonLine(line) { stream.line(text) }
        }
    }

    /// Returns the prefix of a line for people.
    private func mark(_ level: Logger.Level) -> String {
        switch level {
        case .trace, .debug, .info, .notice: ""
        case .warning: isColored ? "\u{1B}[33mWARNING:\u{1B}[0m " : "WARNING: "
        case .error, .critical: isColored ? "\u{1B}[31mwav2vec2:\u{1B}[0m " : "wav2vec2: "
        }
    }
}

/// A log line for programs.
private struct JSONLogLine: Encodable {
    var time: String
    var level: Logger.Level
    var message: String
    var label: String
    var metadata: [String: JSONMetadata]
}

/// A value of metadata: numbers and Booleans unchanged, everything else as text.
private struct JSONMetadata: Encodable {
    let value: Logger.MetadataValue

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch value {
        case .string(let text): try container.encode(text)
        case .array(let values): try container.encode(values.map(JSONMetadata.init))
        case .dictionary(let values): try container.encode(values.mapValues(JSONMetadata.init))
        case .stringConvertible(let value):
            switch value {
            case let truth as Bool: try container.encode(truth)
            case let count as any BinaryInteger & Sendable: try container.encode(Int(clamping: count))
            case let number as Double where number.isFinite: try container.encode(number)
            default: try container.encode("\(value)")
            }
        }
    }
}

import Foundation
import W2VBase

/// A timeline in the format of Chrome's tracing, for chrome://tracing and ui.perfetto.dev.
struct ChromeTrace {
    private var events: [JSONObject] = []

    /// Names a process of the timeline.
    mutating func name(process: Int, _ name: String) {
        events.append([
            "name": .string("process_name"), "ph": .string("M"), "pid": .integer(process),
            "args": .object(["name": .string(name)]),
        ])
    }

    /// Adds a span in microseconds; spans of one thread are nested or disjoint.
    mutating func add(
        _ name: String, category: String, process: Int, thread: Int = 0, start: Double, end: Double,
        arguments: [String: String] = [:]
    ) {
        var event: JSONObject = [
            "name": .string(name), "cat": .string(category), "ph": .string("X"), "pid": .integer(process),
            "tid": .integer(thread), "ts": .number(start), "dur": .number(end - start),
        ]
        if !arguments.isEmpty { event["args"] = .object(JSONObject(arguments.mapValues { .string($0) })) }
        events.append(event)
    }

    /// Adds a span that may overlap others, in microseconds.
    mutating func addAsynchronous(
        _ name: String, category: String, process: Int, identifier: String, start: Double, end: Double
    ) {
        for (phase, time) in [("b", start), ("e", end)] {
            events.append([
                "name": .string(name), "cat": .string(category), "ph": .string(phase), "pid": .integer(process),
                "tid": .integer(0), "ts": .number(time), "id": .string(identifier),
            ])
        }
    }

    /// Writes the timeline.
    ///
    /// - Parameter file: The file; an existing one is replaced.
    /// - Throws: `FileWriteError` if the file cannot be written.
    func write(to file: URL) throws {
        let timeline = JSONValue.object([
            "traceEvents": .array(events.map(JSONValue.object)), "displayTimeUnit": .string("ms"),
        ])
        try AtomicFile.write(to: file) { try $0.append(Data(timeline.line.utf8)) }
    }
}

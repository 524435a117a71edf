import Foundation

/// A timeline in the format of Chrome's tracing, which chrome://tracing and ui.perfetto.dev open.
struct ChromeTrace {
    private var events: [[String: Any]] = []

    /// Names a process of the timeline.
    mutating func name(process: Int, _ name: String) {
        events.append(["name": "process_name", "ph": "M", "pid": process, "args": ["name": name]])
    }

    /// Adds something with a beginning and an end, in microseconds; on one thread spans lie within each other or apart.
    mutating func add(
        _ name: String, category: String, process: Int, thread: Int = 0, start: Double, end: Double,
        arguments: [String: String] = [:]
    ) {
        var event: [String: Any] = [
            "name": name, "cat": category, "ph": "X", "pid": process, "tid": thread, "ts": start, "dur": end - start,
        ]
        if !arguments.isEmpty { event["args"] = arguments }
        events.append(event)
    }

    /// Adds something that may overlap others, in microseconds.
    mutating func addAsynchronous(
        _ name: String, category: String, process: Int, identifier: String, start: Double, end: Double
    ) {
        for (phase, time) in [("b", start), ("e", end)] {
            events.append([
                "name": name, "cat": category, "ph": phase, "pid": process, "tid": 0, "ts": time, "id": identifier,
            ])
        }
    }

    /// Writes the timeline.
    ///
    /// - Parameter file: Its name; a file that is there is replaced.
    /// - Throws: An error of Foundation's if the file cannot be written.
    func write(to file: URL) throws {
        try JSONSerialization.data(
            withJSONObject: ["traceEvents": events, "displayTimeUnit": "ms"], options: [.sortedKeys]
        ).write(to: file, options: .atomic)
    }
}

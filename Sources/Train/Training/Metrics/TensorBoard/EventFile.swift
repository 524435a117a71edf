import Foundation

/// A file of TensorBoard events: TFRecords of `Event` messages (tensorflow/core/util/event.proto, summary.proto).
final class EventFile {
    /// The value of an event.
    enum Value {
        /// A number.
        case scalar(Double)
        /// Numbers in bins.
        case histogram(Histogram)
        /// Text in Markdown.
        case text(String)
        /// The values of hyperparameters with which a session starts (tensorboard/plugins/hparams/plugin_data.proto).
        case hyperparameters([(key: String, value: HyperparameterValue)])
    }

    private let url: URL
    private let handle: FileHandle

    /// Creates this job's own file; TensorBoard reads a folder's files as one.
    ///
    /// - Parameters:
    ///   - folder: The folder, created if needed.
    ///   - update: The update after which training continues: records of later updates in older files are hidden.
    ///   - time: The job's start, in seconds since 1970.
    /// - Throws: ``TrainingError/cannotWrite(file:reason:)``.
    init(_ folder: URL, after update: Int, time: Double = Date().timeIntervalSince1970) throws {
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            let host = ProcessInfo.processInfo.hostName
            let stem = "events.out.tfevents.\(Int(time)).\(host.isEmpty ? "host" : host).\(getpid())"
            var name = stem
            var number = 0
            while FileManager.default.fileExists(atPath: folder.appendingPathComponent(name).path) {
                number += 1
                name = "\(stem).\(number)"
            }
            url = folder.appendingPathComponent(name)
            try Data().write(to: url)
            handle = try FileHandle(forWritingTo: url)
        } catch {
            throw TrainingError.cannotWrite(file: folder.path, reason: systemReason(error))
        }
        try append(Self.event(time: time, step: 0) { $0.add(3, "brain.Event:2") })
        if update > 0 {
            // SessionLog, START: events of this step and later ones in older files are outdated.
            try append(Self.event(time: time, step: update + 1) { $0.add(7) { $0.add(1, 1) } })
        }
    }

    deinit { try? handle.close() }

    /// Appends values of one update.
    ///
    /// - Parameters:
    ///   - values: Values with their tags; NaN and infinite scalars are written as such.
    ///   - update: The update.
    ///   - time: The present time, in seconds since 1970.
    /// - Throws: ``TrainingError/cannotWrite(file:reason:)``.
    func write(
        _ values: [(tag: String, value: Value)], update: Int, time: Double = Date().timeIntervalSince1970
    ) throws {
        guard !values.isEmpty else { return }
        try append(
            Self.event(time: time, step: update) { event in
                event.add(5) { summary in
                    for (tag, value) in values { summary.add(1) { Self.fill(&$0, tag, value) } }
                }
            })
    }

    private func append(_ event: ProtocolBuffer) throws {
        do {
            try handle.write(contentsOf: RecordFraming.framed(event.bytes))
        } catch {
            throw TrainingError.cannotWrite(file: url.path, reason: systemReason(error))
        }
    }

    private static func event(
        time: Double, step: Int, _ fill: (inout ProtocolBuffer) -> Void
    ) -> ProtocolBuffer {
        var event = ProtocolBuffer()
        event.add(1, time)
        if step != 0 { event.add(2, step) }
        fill(&event)
        return event
    }

    /// Fills a `Summary.Value`.
    private static func fill(_ message: inout ProtocolBuffer, _ tag: String, _ value: Value) {
        message.add(1, tag)
        switch value {
        case .scalar(let number): message.add(2, Float(number))
        case .histogram(let histogram):
            message.add(5) {
                $0.add(1, histogram.minimum)
                $0.add(2, histogram.maximum)
                $0.add(3, histogram.count)
                $0.add(4, histogram.sum)
                $0.add(5, histogram.sumOfSquares)
                $0.add(6, histogram.limits)
                $0.add(7, histogram.counts)
            }
        case .text(let text):
            message.add(8) { tensor in
                // DT_STRING, one element.
                tensor.add(1, 7)
                tensor.add(2) { $0.add(2) { $0.add(1, 1) } }
                tensor.add(8, text)
            }
            message.add(9) { $0.add(1) { $0.add(1, "text") } }
        case .hyperparameters(let values):
            message.add(9) { metadata in
                metadata.add(1) { plugin in
                    plugin.add(1, "hparams")
                    // HParamsPluginData with a SessionStartInfo: a map of names to google.protobuf.Value.
                    plugin.add(2) { data in
                        data.add(3) { start in
                            for (key, value) in values {
                                start.add(1) { entry in
                                    entry.add(1, key)
                                    entry.add(2) { value.fill(&$0) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A value of TensorBoard's HParams page.
enum HyperparameterValue: Equatable {
    case number(Double)
    case bool(Bool)
    case text(String)

    /// Reads a recipe's value.
    init(_ text: String) {
        if let number = Double(text), number.isFinite {
            self = .number(number)
        } else if text == "true" || text == "false" {
            self = .bool(text == "true")
        } else {
            self = .text(text)
        }
    }

    /// Fills a `google.protobuf.Value`.
    fileprivate func fill(_ message: inout ProtocolBuffer) {
        switch self {
        case .number(let number): message.add(2, number)
        case .text(let text): message.add(3, text)
        case .bool(let truth): message.add(4, truth ? 1 : 0)
        }
    }
}

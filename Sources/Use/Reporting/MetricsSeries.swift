import Foundation
import W2VBase

/// An error of a metrics file.
public enum MetricsError: ExplainedError, Equatable {
    /// The file cannot be read.
    case unreadable(path: String, reason: String)
    /// A line is not a metrics record.
    case damagedLine(path: String, line: Int, reason: String)

    /// Input: a file that is not what it should be.
    public var kind: ErrorKind { .input }

    /// The problem with the file and line, and what to do about it.
    public var explanation: Explanation {
        switch self {
        case .unreadable(let path, let reason):
            Explanation("cannot read the metrics file \(path): \(reason)")
        case .damagedLine(let path, let line, let reason):
            Explanation(
                "\(path), line \(line): \(reason)",
                "remove the line, or resume the run, which rewrites the file without it")
        }
    }
}

/// One line of a metrics file.
public struct MetricsRecord: Sendable, Equatable {
    /// The kind of measurement: `train`, `valid`, or another.
    public var kind: String
    /// The update after which it was measured.
    public var update: Int
    /// The name of the measured set, such as a validation manifest; nil if a run has no sets.
    public var name: String?
    /// The numeric fields by name; a null is NaN, since JSON cannot represent it otherwise.
    public var values: [String: Double]
    /// The metrics that a record of the kind `metrics` declares; empty in others.
    public var declared: [DeclaredMetric] = []

    /// Makes a record.
    public init(kind: String, update: Int, name: String? = nil, values: [String: Double]) {
        self.kind = kind
        self.name = name
        self.update = update
        self.values = values
    }
}

extension MetricsRecord: Decodable {
    private struct Key: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    /// Reads a record from a JSON object with at least `kind` and `update`.
    ///
    /// A text field `name` is the set's; other fields that are not numbers are ignored.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        kind = try container.decode(String.self, forKey: Key(stringValue: "kind"))
        let number = try container.decode(Double.self, forKey: Key(stringValue: "update"))
        guard let whole = Int(exactly: number) else {
            throw DecodingError.typeMismatch(
                Int.self,
                DecodingError.Context(
                    codingPath: [Key(stringValue: "update")], debugDescription: "expected a whole number"))
        }
        update = whole
        name = try? container.decode(String.self, forKey: Key(stringValue: "name"))
        values = [:]
        if kind == "metrics" {
            declared = try container.decode([DeclaredMetric].self, forKey: Key(stringValue: "metrics"))
        }
        for key in container.allKeys where key.stringValue != "kind" && key.stringValue != "update" {
            if try container.decodeNil(forKey: key) {
                values[key.stringValue] = .nan
            } else if let number = try? container.decode(Double.self, forKey: key) {
                values[key.stringValue] = number
            }
        }
    }
}

/// The metrics of one run, from its JSON lines.
public struct MetricsSeries: Sendable {
    /// The records in the file's order.
    public var records: [MetricsRecord]

    /// Makes a series from records.
    ///
    /// - Parameter records: The records in order.
    public init(records: [MetricsRecord]) {
        self.records = records
    }

    /// Reads a metrics file: one JSON object per line; empty lines and unknown fields are ignored.
    ///
    /// - Throws: `MetricsError` that names the file and the line.
    public init(contentsOf url: URL) throws(MetricsError) {
        let data: Data
        do {
            data = try Data(contentsOf: url)
        } catch {
            throw .unreadable(path: url.path, reason: SystemReason.of(error))
        }
        let decoder = JSONDecoder()
        records = []
        for (index, line) in data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { continue }
            do {
                records.append(try decoder.decode(MetricsRecord.self, from: Data(line)))
            } catch {
                throw .damagedLine(path: url.path, line: index + 1, reason: Self.reason(error))
            }
        }
    }

    /// The metrics that the run declares, with the newest declaration of each.
    public var declared: [DeclaredMetric] {
        var found: [DeclaredMetric] = []
        for metric in records.flatMap(\.declared) {
            if let place = found.firstIndex(where: { $0.name == metric.name }) {
                found[place] = metric
            } else {
                found.append(metric)
            }
        }
        return found
    }

    /// Returns the names of the measured sets, in the order in which they first occur.
    ///
    /// - Returns: The names; empty if records do not name a set.
    public func sets(kind: String) -> [String] {
        var names: [String] = []
        for record in records where record.kind == kind {
            if let name = record.name, !names.contains(name) { names.append(name) }
        }
        return names
    }

    /// Returns one field over the updates.
    ///
    /// - Parameter set: The set of the records; nil for the first set, which is the one that selects the best
    ///   checkpoint.
    /// - Returns: A point for every record of the kind and set that has the field.
    public func points(kind: String, field: String, set: String? = nil) -> [ChartPoint] {
        let wanted = set ?? sets(kind: kind).first
        return records.compactMap { record in
            guard record.kind == kind, record.name == nil || record.name == wanted, let value = record.values[field]
            else { return nil }
            return ChartPoint(x: Double(record.update), y: value)
        }
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case DecodingError.keyNotFound(let key, _): "the field \"\(key.stringValue)\" is missing"
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
            context.codingPath.last.map { "the field \"\($0.stringValue)\" has the wrong type" }
                ?? "expected a JSON object"
        case DecodingError.dataCorrupted(let context) where !context.codingPath.isEmpty:
            "the field \"\(context.codingPath.last?.stringValue ?? "")\" has the wrong type"
        default: "it is not a whole JSON object"
        }
    }
}

import Foundation
import W2VBase
import W2VObjectives
import W2VTorch

/// The file `metrics.jsonl`: one JSON object per line.
final class TrainingLog {
    /// The file's name in the output folder.
    static let name = "metrics.jsonl"

    private let url: URL
    private let handle: FileHandle
    /// The seconds of training that the kept lines record.
    let earlierSeconds: Double
    /// The newest declaration of metrics among the kept lines.
    let declaredMetrics: [Metric]?
    /// Number of lines that could not be read and were dropped, besides a last one that a kill cut off.
    let damagedLines: Int

    /// Opens the log.
    ///
    /// Lines about later updates than the one that the run resumes from are removed: they will be written again.
    ///
    /// - Parameters:
    ///   - folder: The run's folder.
    ///   - update: The update to continue after; 0 starts an empty log.
    ///   - repeatsValidation: Whether the lines about validation after that update are removed too.
    /// - Throws: ``TrainingError/cannotWrite(file:reason:)``.
    init(_ folder: URL, after update: Int, repeatsValidation: Bool = false) throws {
        struct Line: Decodable {
            var kind: String?
            var update: Int
            var seconds: Double?
        }
        url = folder.appendingPathComponent(Self.name)
        var kept = Data()
        var seconds = 0.0
        var damaged = 0
        var declared: [Metric]?
        if update > 0, let old = FileManager.default.contents(atPath: url.path) {
            let lines = old.split(separator: UInt8(ascii: "\n"))
            for (index, line) in lines.enumerated() {
                guard let read = try? JSONDecoder().decode(Line.self, from: line) else {
                    // A kill may have left an incomplete line at the end.
                    if index + 1 < lines.count { damaged += 1 }
                    continue
                }
                let isRepeated =
                    repeatsValidation && read.update == update && read.kind?.hasPrefix("valid") == true
                guard read.update <= update, !isRepeated else { continue }
                kept += line + [UInt8(ascii: "\n")]
                seconds = max(seconds, read.seconds ?? 0)
                if read.kind == "metrics" {
                    declared = try? JSONDecoder().decode(MetricsRecord.self, from: line).metrics
                }
            }
        }
        earlierSeconds = seconds
        damagedLines = damaged
        declaredMetrics = declared
        do {
            try AtomicFile.write(to: url) { try $0.append(kept) }
            handle = try FileHandle(forWritingTo: url)
            try handle.seekToEnd()
        } catch {
            throw TrainingError.cannotWrite(file: url.path, reason: systemReason(error))
        }
    }

    /// Appends a line.
    func write(_ record: some Encodable) throws {
        do {
            try handle.write(contentsOf: Data((jsonLine(record) + "\n").utf8))
        } catch {
            throw TrainingError.cannotWrite(file: url.path, reason: systemReason(error))
        }
    }
}

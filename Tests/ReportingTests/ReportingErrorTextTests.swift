import Foundation
import TestSupport
import Testing
import W2VReporting

/// `UPDATE_SNAPSHOTS=1` renews the texts in `Tests/Fixtures/errors`.
@Suite(.onTestThreads) struct ReportingErrorTextTests {
    @Test func textsAreAsRecorded() throws {
        let faults = try faults(
            in: [
                MetricsError.unreadable(path: "metrics.jsonl", reason: "Permission denied"),
                MetricsError.damagedLine(path: "metrics.jsonl", line: 2, reason: "it is not a whole JSON object"),
            ],
            declaredIn: ["Use/Reporting/MetricsSeries.swift"])
        #expect(faults.isEmpty, "\(faults.joined(separator: "\n"))")
    }
}

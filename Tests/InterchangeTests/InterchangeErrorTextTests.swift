import Foundation
import TestSupport
import Testing

@testable import W2VBase
@testable import W2VInterchange

/// `UPDATE_SNAPSHOTS=1` renews the texts in `Tests/Fixtures/errors`.
@Suite(.onTestThreads) struct InterchangeErrorTextTests {
    @Test func textsAreAsRecorded() throws {
        let faults = try faults(
            in: [
                CheckpointError.missing(path: "x"),
                CheckpointError.missing(path: "/"),
                CheckpointError.damaged(path: "x", reason: "it holds no weights"),
                CheckpointError.wrongTask(path: "x", found: .encoder, wanted: .ctc),
                CheckpointError.wrongTask(path: "x", found: .ctc, wanted: .encoder),
                CheckpointError.noDictionary(path: "x", labels: 32),
                CheckpointError.dictionarySize(path: "x", dictionary: "dict.txt", symbols: 31, labels: 32),
                CheckpointError.dictionaryOrder(
                    path: "x", dictionary: "dict.txt", symbol: "a", place: 4, row: 5, unknown: nil),
                CheckpointError.dictionaryOrder(
                    path: "x", dictionary: "dict.txt", symbol: "a", place: 4, row: 5, unknown: "b"),
                CheckpointError.noArchitecture(path: "x.pt", reason: "it has no options"),
                CheckpointError.cannotHold(format: .fairseq, what: "an encoder", advice: "convert to native"),
                CheckpointError.occupied(path: "x", reason: "it exists", advice: "\(.replace) it"),
                CheckpointError.occupied(path: "x", reason: "it is a file, not a folder"),
                FileDamage("the zip directory names a twice"),
            ],
            declaredIn: ["Models/Interchange/CheckpointError.swift"])
        #expect(faults.isEmpty, "\(faults.joined(separator: "\n"))")
    }
}

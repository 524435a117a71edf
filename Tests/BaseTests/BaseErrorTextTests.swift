import Foundation
import TestSupport
import Testing

@testable import W2VBase

/// `UPDATE_SNAPSHOTS=1` renews the texts in `Tests/Fixtures/errors`.
@Suite(.onTestThreads) struct BaseErrorTextTests {
    @Test func textsAreAsRecorded() throws {
        let faults = try faults(
            in: [
                UTF8Text.Invalid(line: 3, found: "caf\u{FFFD}"),
                UTF8Text.Invalid(line: 1, found: "\u{1F}\u{FFFD}"),
                FolderLock.Failure.inUse,
                FolderLock.Failure.unopened(reason: "Permission denied"),
            ],
            declaredIn: ["Base/FolderLock.swift"])
        #expect(faults.isEmpty, "\(faults.joined(separator: "\n"))")
    }
}

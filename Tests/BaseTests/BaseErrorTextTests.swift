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
                FileWriteError.noSpace(path: "m.safetensors", reason: "the disk is full", written: 4096),
                FileWriteError.notSynced(path: "m.safetensors", reason: "Input/output error"),
                FileWriteError.failed(path: "m.safetensors", step: "create", reason: "its folder does not exist"),
                JSONParser.Failure(line: 3, expected: "a comma or }"),
            ],
            declaredIn: ["Base/Files/FolderLock.swift", "Base/Files/FileWriteError.swift"])
        #expect(faults.isEmpty, "\(faults.joined(separator: "\n"))")
    }
}

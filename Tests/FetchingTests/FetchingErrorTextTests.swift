import Foundation
import TestSupport
import Testing
import W2VFetching

/// `UPDATE_SNAPSHOTS=1` renews the texts in `Tests/Fixtures/errors`.
@Suite(.onTestThreads) struct FetchingErrorTextTests {
    @Test func textsAreAsRecorded() throws {
        let faults = try faults(
            in: [
                FetchError.missingLibrary(name: "libcurl", package: "libcurl4", reason: "no such file"),
                FetchError.badAddress("ftp://x"),
                FetchError.unreachable(file: "a.tar", attempts: ["x.org: timeout", "y.org: 404"]),
                FetchError.unknownModel(
                    name: "a/b", endpoint: "https://x.org", reason: "it does not have the file (status 404)",
                    nearest: nil),
                FetchError.unknownModel(
                    name: "a/b", endpoint: "https://x.org", reason: "it denies access (status 401)", nearest: "a/bc"),
                FetchError.hubUnreachable(name: "a/b", endpoint: "https://x.org", reason: "timeout"),
                FetchError.wrongChecksum(
                    file: "a.tar", address: "https://x.org/a", kind: "MD5", expected: "00", found: "ff",
                    kept: "a.tar.bad"),
                FetchError.otherContent(file: "a.tar", expected: "an archive", kept: "a.tar.bad"),
                FetchError.noSpace(folder: "data", needed: 1 << 30, free: 1 << 20),
                FetchError.unwritable(file: "a.tar", reason: "the disk is full"),
                FetchError.busy(file: "a.tar"),
                FetchError.damagedArchive(file: "a.tar", reason: "it ends too early"),
                FetchError.unsafeArchive(file: "a.tar", entry: "../x", reason: "it leads out of the folder"),
                FetchError.badAnswer(address: "https://x.org", reason: "it is not JSON"),
                FetchError.stopped(signal: 2, file: "a.tar"),
                FetchError.stopped(signal: 15, file: "a.tar"),
            ],
            declaredIn: ["Data/Fetching/FetchError.swift"])
        #expect(faults.isEmpty, "\(faults.joined(separator: "\n"))")
    }
}

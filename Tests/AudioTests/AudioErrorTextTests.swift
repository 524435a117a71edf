import Foundation
import TestSupport
import Testing
import W2VAudio

/// `UPDATE_SNAPSHOTS=1` renews the texts in `Tests/Fixtures/errors`.
@Suite(.onTestThreads) struct AudioErrorTextTests {
    @Test func textsAreAsRecorded() throws {
        let faults = try faults(
            in: [
                AudioError.notFound(file: "a.wav"),
                AudioError.notFound(file: "a\u{FFFD}.wav"),
                AudioError.unreadable(file: "a.wav", reason: "Permission denied"),
                AudioError.unknownFormat(file: "a.m4a", reason: "ffmpeg is not installed"),
                AudioError.truncated(file: "a.wav", expected: 9, found: 4),
                AudioError.damaged(file: "a.ogg", reason: "its last page is cut off"),
                AudioError.empty(file: "a.wav"),
                AudioError.nonFinite(file: "a.wav", position: 7),
                AudioError.tooLoud(file: "a.wav", peak: 2.5, format: "wav16"),
                AudioError.outOfRange(file: "a.wav", start: 9, count: 4),
                AudioError.cannotResample(file: "a.wav", reason: "out of memory"),
                AudioError.playlist(file: "a.m3u"),
                AudioError.tooLong(file: "a.wav", limit: 60),
                AudioError.tooLarge(file: "a.wav", limit: 1 << 30),
                AudioError.tooSlow(file: "a.wav", limit: .seconds(9)),
                AudioError.cancelled(file: "a.wav"),
                AudioError.failed(file: "a.wav", reason: "no room for temporary files"),
                AudioError.unwritable(file: "a.wav", reason: "the disk is full"),
            ],
            declaredIn: ["Data/Audio/AudioError.swift"])
        #expect(faults.isEmpty, "\(faults.joined(separator: "\n"))")
    }
}

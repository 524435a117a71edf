import Foundation
import TestSupport
import Testing
import W2VInference

/// `UPDATE_SNAPSHOTS=1` renews the texts in `Tests/Fixtures/errors`.
@Suite(.onTestThreads) struct InferenceErrorTextTests {
    @Test func textsAreAsRecorded() throws {
        let faults = try faults(
            in: [
                InferenceError.tooShort(recording: "a.wav", samples: 300, needed: 400),
                InferenceError.notFinite(recording: "a.wav"),
                InferenceError.badWindows(seconds: 1, overlap: 2),
                InferenceError.badOption(name: "delay", value: -1, expected: "at least 0"),
            ],
            declaredIn: ["Use/Inference/InferenceError.swift"])
        #expect(faults.isEmpty, "\(faults.joined(separator: "\n"))")
    }
}

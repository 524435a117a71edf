import Foundation
import TestSupport
import Testing

@testable import W2VRecognition

/// `UPDATE_SNAPSHOTS=1` renews the texts in `Tests/Fixtures/errors`.
@Suite(.onTestThreads) struct RecognitionErrorTextTests {
    @Test func textsAreAsRecorded() throws {
        let faults = try faults(
            in: [
                RecognitionError.tooShort(recording: "a.wav", samples: 300, needed: 400),
                RecognitionError.notFinite(recording: "a.wav"),
                RecognitionError.dictionarySize(dictionary: "dict.txt", symbols: 31, labels: 32),
                RecognitionError.badLogits(file: "logits", reason: "names no utterances", advice: "\(.saveLogits)"),
                RecognitionError.badWindows(seconds: 1, overlap: 2),
                RecognitionError.badOption(name: "delay", value: -1, expected: "at least 0"),
                RecognitionError.inAnotherProcess("a.wav: holds no samples", kind: .input),
                RawAudioInput.NotRaw(likeness: "a WAV file"),
            ],
            declaredIn: ["Use/Recognition/RecognitionError.swift"])
        #expect(faults.isEmpty, "\(faults.joined(separator: "\n"))")
    }
}

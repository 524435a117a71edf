import Foundation
import TestSupport
import Testing

@testable import W2VRecognition

/// `UPDATE_SNAPSHOTS=1` renews the texts in `Tests/Fixtures/errors`.
@Suite(.onTestThreads) struct RecognitionErrorTextTests {
    @Test func textsAreAsRecorded() throws {
        let faults = try faults(
            in: [
                RecognitionError.dictionarySize(dictionary: "dict.txt", symbols: 31, labels: 32),
                RecognitionError.badLogits(file: "logits", reason: "names no utterances", advice: "\(.saveLogits)"),
                LiveInputError.file(likeness: "a FLAC file"),
                LiveInputError.badWave(reason: "it ends within its header"),
                LiveInputError.otherRate(48_000, given: 16_000),
            ],
            declaredIn: ["Use/Recognition/RecognitionError.swift"])
        #expect(faults.isEmpty, "\(faults.joined(separator: "\n"))")
    }
}

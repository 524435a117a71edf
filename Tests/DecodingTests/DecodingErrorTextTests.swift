import Foundation
import TestSupport
import Testing
import W2VDecoding

/// `UPDATE_SNAPSHOTS=1` renews the texts in `Tests/Fixtures/errors`.
@Suite(.onTestThreads) struct DecodingErrorTextTests {
    @Test func textsAreAsRecorded() throws {
        let faults = try faults(
            in: [
                DecoderError.wrongCount(count: 5, labels: 4),
                DecoderError.blankOutOfRange(blank: 4, labels: 4),
                DecoderError.notANumber(frame: 1, label: 2),
                DecoderError.badOption(name: "beam", value: "0", expected: "at least 1"),
                DecoderError.unspellable(word: "dot", symbols: "DOT"),
                DecoderError.unspellable(word: "x7", symbols: "ABC"),
                DecoderError.emptyTranscript,
                DecoderError.tooLong(labels: 3, needed: 4, frames: 2),
                DecoderError.badLabel(label: 9, labels: 4),
                DecoderError.impossible(frame: 3),
                LanguageModelError.unreadable(path: "a.arpa", reason: "Permission denied"),
                LanguageModelError.unwritable(path: "a.lm", reason: "the disk is full"),
                LanguageModelError.badLine(path: "a.arpa", line: 2, expected: "a number", found: "x"),
                LanguageModelError.notUTF8(path: "a.arpa", line: 2, found: "\u{FFFD}"),
                LanguageModelError.unusable(path: "a.arpa", reason: "is empty"),
            ],
            declaredIn: ["Use/Decoding/DecoderError.swift", "Use/Decoding/LanguageModel/LanguageModelError.swift"])
        #expect(faults.isEmpty, "\(faults.joined(separator: "\n"))")
    }
}

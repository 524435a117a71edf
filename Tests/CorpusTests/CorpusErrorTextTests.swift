import Foundation
import TestSupport
import Testing
import W2VCorpus
import W2VLibriSpeech

/// `UPDATE_SNAPSHOTS=1` renews the texts in `Tests/Fixtures/errors`.
@Suite(.onTestThreads) struct CorpusErrorTextTests {
    @Test func textsAreAsRecorded() throws {
        let faults = try faults(
            in: [
                CorpusError.notFound(file: "a.tsv"),
                CorpusError.missingLabels(file: "a.ltr", manifest: "a.tsv"),
                CorpusError.unreadable(file: "a.tsv", reason: "Permission denied"),
                CorpusError.unwritable(file: "a.tsv", reason: "the disk is full"),
                CorpusError.notForTabs(file: "a.tsv", reason: "a.wav begins within its recording"),
                CorpusError.missingRoot(file: "a.tsv"),
                CorpusError.badLine(file: "a.tsv", line: 2, expected: "a number", found: "x"),
                CorpusError.notUTF8(file: "a.tsv", line: 2, found: "\u{FFFD}"),
                CorpusError.longLine(file: "a.tsv", line: 2, most: 9),
                CorpusError.ambiguousKey(key: "a", file: "a.txt", line: 2, utterances: ["x/a.wav", "y/a.wav"]),
                CorpusError.nameNotUTF8(file: "a\u{FFFD}"),
                CorpusError.command(file: "wav.scp", line: 2, command: "sox x |"),
                CorpusError.noRecording(file: "wav.scp", line: 2, name: "a", recording: "x/a.wav"),
                CorpusError.noLength(file: "a.jsonl", line: 2, reason: "x/a.wav: there is no such file"),
                CorpusError.ambiguousKeys(file: "a.txt", line: 2, found: "yes yes"),
                CorpusError.unknownKeys(file: "a.txt", line: 2, found: "b-1 yes", manifest: "a.tsv", example: "a.wav"),
                CorpusError.occupied(files: ["a.ltr", "a.wrd"]),
                CorpusError.noLine(name: "a", file: "text", list: "wav.scp", line: 2),
                CorpusError.noTranscripts(folder: "x", count: 2, total: 9, example: "a.txt"),
                CorpusError.noTableAudio(
                    table: "a.csv", count: 2, root: "/x", reason: "there is no such file (a.csv:2)", example: "a.wav"),
                CorpusError.noTableTexts(table: "a.csv"),
                CorpusError.emptyManifest(file: "a.tsv"),
                CorpusError.labelCount(labels: "a.ltr", found: 2, manifest: "a.tsv", expected: 3),
                CorpusError.noLabels(manifest: "a.tsv"),
                CorpusError.emptyLabels(file: "a.ltr", count: 3),
                CorpusError.noTag(
                    tag: "speaker", list: "a.tsv", reason: "no utterance has it",
                    advice: "check its name, or give a table"),
                CorpusError.missingAudio(manifest: "a.tsv", count: 2, total: 9, examples: ["a.wav", "b.wav"]),
                CorpusError.unknownSymbol(symbol: "\u{E9}", utterance: "a.wav", file: "a.ltr", line: 2),
                CorpusError.labelsDoNotFit(
                    examples: ["a"], others: 2, count: 3, total: 9, utterance: "a.wav", file: "a.ltr", line: 2,
                    advice: "clean the transcripts, or \(.makeDictionary)"),
                CorpusError.noWordBoundary(file: "a.ltr"),
                CorpusError.duplicateSymbol(symbol: "a", file: "dict.txt", line: 2),
                CorpusError.noAudio(folder: "x", extensions: ["wav", "flac"]),
                CorpusError.allUnreadable(folder: "x", count: 2, reason: "a.wav: holds no samples"),
                CorpusError.someUnreadable(folder: "x", count: 2, reason: "a.wav: holds no samples"),
                CorpusError.lengthMismatch(utterance: "a.wav", manifest: "a.tsv", line: 2, expected: 9, found: 8),
                CorpusError.sameName(first: "x/a.wav", second: "y/a.wav", name: "a.flac"),
                CorpusError.overwritesRecording(recording: "x/a.wav", manifest: "a.tsv", line: 2),
                CorpusError.overwritesInput(file: "a.tsv"),
                CorpusError.staleLabels(manifest: "a.tsv", files: ["a.ltr"]),
                CorpusError.invalidLengths(count: 1, first: "a.wav (9 samples)"),
                CorpusError.invalidLengths(count: 2, first: "a.wav (9 samples)"),
                CorpusError.nothingLeft(reason: "the list is empty"),
                CorpusError.badOption(name: "threads", reason: "expected at least 1, found 0"),
                LibriSpeechError.unknownPart("dev-x"),
                LibriSpeechError.nothingInSource(folder: "x", parts: ["dev-clean"]),
                LibriSpeechError.otherContent(archive: "dev-clean.tar.gz", expected: "LibriSpeech/dev-clean"),
                LibriSpeechError.folderInUse(folder: "x"),
                LibriSpeechError.wrongCount(folder: "x", found: 2, expected: 3, isOwn: true),
                LibriSpeechError.wrongCount(folder: "x", found: 2, expected: 3, isOwn: false),
                LibriSpeechError.unfinished(folder: "x", archive: "dev-clean.tar.gz"),
                LibriSpeechError.unreadable(part: "dev-clean", count: 1, total: 9, first: "a.flac: holds no samples"),
                LibriSpeechError.noTranscript(recording: "a.flac", file: "a.trans.txt"),
                LibriSpeechError.noRecording(identifier: "a", file: "a.trans.txt", line: 2),
                LibriSpeechError.badTranscript(file: "a.trans.txt", line: 2, reason: "a name and words", found: "x"),
                LibriSpeechError.noChecksum(archive: "dev-clean.tar.gz", file: "md5sum.txt"),
                LibriSpeechError.badChecksums(file: "md5sum.txt", line: 2, found: "x"),
            ],
            declaredIn: ["Data/Corpus/CorpusError.swift", "Data/LibriSpeech/LibriSpeechError.swift"])
        #expect(faults.isEmpty, "\(faults.joined(separator: "\n"))")
    }
}

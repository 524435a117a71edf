import Foundation
import W2VBase

/// Errors of manifests, labels and dictionaries.
public enum CorpusError: ExplainedError, Equatable {
    /// The file does not exist.
    case notFound(file: String)
    /// The file cannot be read; `reason` is the operating system's.
    case unreadable(file: String, reason: String)
    /// The file cannot be written; `reason` is the operating system's.
    case unwritable(file: String, reason: String)
    /// The .tsv format cannot express the list.
    case notForTabs(file: String, reason: String)
    /// The first line is an entry, where fairseq's format wants the audio folder.
    case missingRoot(file: String)
    /// A line cannot be understood.
    case badLine(file: String, line: Int, expected: String, found: String)
    /// A line is not UTF-8; `found` is the line with � for invalid bytes.
    case notUTF8(file: String, line: Int, found: String)
    /// A line is longer than `most` bytes.
    case longLine(file: String, line: Int, most: Int)
    /// A key matches several utterances; `utterances` are the first ones.
    case ambiguousKey(key: String, file: String, line: Int, utterances: [String])
    /// A folder's name is not UTF-8, so that a list cannot name its contents.
    case nameNotUTF8(file: String)
    /// A line of `wav.scp` is a command, which begins with `command`.
    case command(file: String, line: Int, command: String)
    /// The recording of a line of `wav.scp` does not exist.
    case noRecording(file: String, line: Int, name: String, recording: String)
    /// A line does not give its recording's length, and the recording cannot be measured; `reason` says why.
    case noLength(file: String, line: Int, reason: String)
    /// Lines could be keys with transcripts, or transcripts in the manifest's order; `found` is the first.
    case ambiguousKeys(file: String, line: Int, found: String)
    /// Lines begin like keys, but match no utterance; `found` is the first, and `example` is an utterance.
    case unknownKeys(file: String, line: Int, found: String, manifest: String, example: String)
    /// Files with other contents would be replaced.
    case occupied(files: [String])
    /// A file has no line for the utterance at line `line` of `list`.
    case noLine(name: String, file: String, list: String, line: Int)
    /// Recordings of a folder have no transcript beside them; `example` is the first.
    case noTranscripts(folder: String, count: Int, total: Int, example: String)
    /// Not one of a table's recordings can be read; `example` and `reason` are the first one's.
    case noTableAudio(table: String, count: Int, root: String, reason: String, example: String)
    /// A table has no column of transcripts.
    case noTableTexts(table: String)
    /// The manifest names no utterances.
    case emptyManifest(file: String)
    /// The label file's number of lines differs from the manifest's number of utterances.
    case labelCount(labels: String, found: Int, manifest: String, expected: Int)
    /// The label file beside a manifest does not exist.
    case missingLabels(file: String, manifest: String)
    /// Labels were requested that the manifest does not have.
    case noLabels(manifest: String)
    /// Every label line of a list is empty.
    case emptyLabels(file: String, count: Int)
    /// The utterances of a list do not have a tag.
    case noTag(tag: String, list: String, reason: String, advice: Advice? = nil)
    /// Recordings that the manifest names do not exist; `examples` are the first ones.
    case missingAudio(manifest: String, count: Int, total: Int, examples: [String])
    /// A label symbol is not in the dictionary; `utterance` and `line` locate it.
    case unknownSymbol(symbol: String, utterance: String, file: String, line: Int)
    /// Labels have symbols that the dictionary lacks, or lack the word boundary.
    ///
    /// - `count` of `total` symbols are unknown: `examples`, and `others` more that are not listed. `utterance`, `file`
    ///   and `line` locate the first; `advice` suggests the cause.
    case labelsDoNotFit(
        examples: [String], others: Int, count: Int, total: Int, utterance: String, file: String, line: Int,
        advice: Advice)
    /// No label line has the dictionary's word boundary.
    case noWordBoundary(file: String)
    /// A symbol occurs twice in the dictionary.
    case duplicateSymbol(symbol: String, file: String, line: Int)
    /// A folder holds no audio files with these extensions.
    case noAudio(folder: String, extensions: [String])
    /// Every audio file was unreadable; `reason` is the first one's.
    case allUnreadable(folder: String, count: Int, reason: String)
    /// Recordings of a folder cannot be read; `reason` is the first one's.
    case someUnreadable(folder: String, count: Int, reason: String)
    /// The decoded recording's number of samples differs from the manifest's.
    case lengthMismatch(utterance: String, manifest: String, line: Int, expected: Int, found: Int)
    /// Two recordings would be converted to the same file.
    case sameName(first: String, second: String, name: String)
    /// A new recording would overwrite the one at line `line` of `manifest`.
    case overwritesRecording(recording: String, manifest: String, line: Int)
    /// A file that is read would be overwritten.
    case overwritesInput(file: String)
    /// Labels beside a manifest, or beside the validation manifest, belong to other lists than those to be written.
    case staleLabels(manifest: String, files: [String])
    /// Utterances are too short or too long, and skipping is off.
    case invalidLengths(count: Int, first: String)
    /// No utterance is left for batches.
    case nothingLeft(reason: String)
    /// A batching option has an impossible value.
    case badOption(name: String, reason: String)

    /// Failure if a file cannot be written, else input.
    public var kind: ErrorKind {
        switch self {
        case .unwritable, .occupied: .failure
        default: .input
        }
    }

    /// Returns the error of a line that cannot be understood, with its beginning.
    static func badLine(
        _ line: UnsafeRawBufferPointer, number: Int, in file: URL, expected: String
    ) -> CorpusError {
        .badLine(
            file: file.path, line: number, expected: expected, found: String(decoding: line.prefix(200), as: UTF8.self))
    }

    // A quoted line may be megabytes long in a broken file.
    private func quoted(_ text: String) -> String { "\"\(text.excerpt())\"" }
    private func path(_ text: String) -> String { text.excerpt(1024) }

    /// The problem with its file and line, and what to do about it.
    public var explanation: Explanation {
        switch self {
        case .notFound(let file): Explanation("\(file): there is no such file", "check the path")
        case .unreadable(let file, let reason): Explanation("\(file): cannot be read (\(reason))")
        case .unwritable(let file, let reason):
            Explanation("\(file): cannot be written (\(reason))", "make room, or choose another folder")
        case .notForTabs(let file, let reason):
            Explanation("\(file): \(reason), which a .tsv cannot say", "write JSON lines (a name that ends in .jsonl)")
        case .missingRoot(let file):
            Explanation(
                "\(file):1: expected the audio folder alone on the first line, found an entry",
                "put the root line first, or for a table, \(.nameColumns)")
        case .badLine(let file, let line, let expected, let found):
            Explanation("\(file):\(line): expected \(expected.excerpt(1024)), found \(quoted(found))")
        case .longLine(let file, let line, let most):
            Explanation(
                "\(file):\(line): the line has more than \(most) bytes", "check that it is a text file of lines")
        case .notUTF8(let file, let line, let found):
            Explanation(
                "\(file):\(line): expected UTF-8, found other bytes (in \(quoted(found)))",
                "\(UTF8Text.remedy(for: found, line: line)); a name that has other bytes on disk must be changed there too"
            )
        case .ambiguousKey(let key, let file, let line, let utterances):
            Explanation(
                "\(file):\(line): the key \(quoted(key)) fits several utterances, among them "
                    + utterances.map(path).joined(separator: " and "), "write their paths as the manifest has them")
        case .nameNotUTF8(let file):
            Explanation(
                "\(file): this folder's name is not UTF-8 (\u{FFFD} stands for other bytes), so no list can name its "
                    + "content", "give it another name")
        case .command(let file, let line, let command):
            Explanation(
                "\(file):\(line): expected a recording's file, found the command \(quoted(command)), and commands are never "
                    + "run",
                "name the file that it reads (WAV, FLAC, Ogg, Opus, MP3 and others are decoded here), or write its output "
                    + "to a file first")
        case .noRecording(let file, let line, let name, let recording):
            Explanation(
                "\(file):\(line): there is no file \(path(recording)), which should be the recording \(path(name))",
                "correct the path (relative ones start from the folder of wav.scp), or take the line out")
        case .noLength(let file, let line, let reason):
            Explanation("\(file):\(line): has no \"duration\", and the recording cannot be measured: \(reason)")
        case .ambiguousKeys(let file, let line, let found):
            Explanation(
                "\(file):\(line): \(quoted(found)) may be a key with its transcript, or a transcript that begins with the "
                    + "name of a recording", "put a tab between each key and its transcript")
        case .unknownKeys(let file, let line, let found, let manifest, let example):
            Explanation(
                "\(file):\(line): \(quoted(found)) begins with what looks like a key, but \(manifest) has no such utterance "
                    + "(its first is \(path(example)))",
                "write paths or file names as the manifest has them, or transcripts alone, one a line")
        case .occupied(let files):
            Explanation(
                "\(files.map(path).joined(separator: " and ")): would be replaced by other content", "\(.replace) them")
        case .noLine(let name, let file, let list, let line):
            Explanation(
                "\(file): has no line for \(path(name)), which \(list):\(line) names",
                "add it, or leave the utterance out of both")
        case .noTranscripts(let folder, let count, let total, let example):
            Explanation(
                "\(folder): \(count) of \(total) recordings have no transcript beside them, the first: \(path(example)) is "
                    + "missing, and no *.trans.txt of its folder has a line for it",
                "write it, or list the recordings in a manifest with labels")
        case .labelsDoNotFit(
            let examples, let others, let count, let total, let utterance, let file, let line, let advice):
            Explanation(
                "\(file):\(line): the dictionary lacks "
                    + examples.map(\.quotedWithCodePoints).joined(separator: ", ")
                    + (others > 0 ? " and \(others) others" : "")
                    + " (\(count) of \(total) label symbols; first in utterance \(path(utterance)))", advice)
        case .noWordBoundary(let file):
            Explanation(
                "\(file): no label has the word boundary | that the dictionary has, so all words of an utterance would run "
                    + "together", "\(.spellTranscripts), or \(.makeDictionary)")
        case .noTableAudio(let table, let count, let root, let reason, let example):
            Explanation(
                "\(table): of its \(count) recordings, not one can be read under \(path(root)); the first, \(path(example)): "
                    + reason, "\(.nameAudioRoot)")
        case .noTableTexts(let table):
            Explanation(
                "\(table): has no column of transcripts (looked for "
                    + TranscriptTable.textNames.joined(separator: ", ") + ")", "\(.nameColumns)")
        case .emptyManifest(let file): Explanation("\(file): the manifest names no utterances")
        case .labelCount(let labels, let found, let manifest, let expected):
            Explanation(
                "\(labels): has \(found) lines, but \(manifest) has \(expected) utterances",
                "make both from the same list")
        case .missingLabels(let file, let manifest):
            Explanation("\(file): there is no such file, so \(manifest) has no labels", "\(.spellTranscripts)")
        case .noLabels(let manifest):
            Explanation(
                "\(manifest): the manifest was read without labels", "name their file's extension, as in \"ltr\"")
        case .emptyLabels(let file, let count):
            Explanation("\(file): all \(count) label lines are empty", "\(.spellTranscripts), or leave this list out")
        case .noTag(let tag, let list, let reason, let advice):
            Explanation("\(list): its utterances have no tag \(tag.quotedWithCodePoints): \(reason)", advice)
        case .missingAudio(let manifest, let count, let total, let examples):
            Explanation(
                "\(manifest): \(count) of \(total) audio files are missing, among them "
                    + examples.map(path).joined(separator: ", "),
                "check the paths, and in a .tsv the root in its first line")
        case .unknownSymbol(let symbol, let utterance, let file, let line):
            Explanation(
                "\(file):\(line): the symbol \(symbol.quotedWithCodePoints) of utterance \(path(utterance)) is not in the "
                    + "dictionary", "clean the transcript, or \(.makeDictionary)")
        case .duplicateSymbol(let symbol, let file, let line):
            Explanation(
                "\(file):\(line): the symbol \(symbol.quotedWithCodePoints) is in the dictionary already",
                "remove one of the two lines")
        case .noAudio(let folder, let extensions):
            Explanation(
                "\(folder): holds no audio files (looked for \(extensions.map { "." + $0 }.joined(separator: ", ")))")
        case .allUnreadable(let folder, let count, let reason):
            Explanation("\(folder): of its \(count) audio files, not one can be read; the first: \(reason)")
        case .someUnreadable(let folder, let count, let reason):
            Explanation("\(folder): \(count) recordings cannot be read, the first: \(reason)", "\(.listReadable)")
        case .lengthMismatch(let utterance, let manifest, let line, let expected, let found):
            Explanation(
                "\(path(utterance)): has \(found) samples at 16 kHz, but \(manifest):\(line) says \(expected)",
                "make the manifest again")
        case .sameName(let first, let second, let name):
            Explanation(
                "\(path(first)) and \(path(second)) would both become \(path(name))",
                "convert them separately, into two folders")
        case .overwritesRecording(let recording, let manifest, let line):
            Explanation(
                "\(path(recording)): is a recording that \(manifest):\(line) names, and its conversion would replace it",
                "choose \(.otherAudioFolder)")
        case .overwritesInput(let file):
            Explanation("\(file): is an input and would be replaced", "choose \(.otherOutput)")
        case .staleLabels(let manifest, let files):
            Explanation(
                "\(manifest): nothing was written, because \(files.joined(separator: ", ")) would be taken for its labels, "
                    + "though made for another list", "remove the old files, or choose \(.otherOutput)")
        case .invalidLengths(let count, let first):
            Explanation(
                (count == 1 ? "1 utterance has a length" : "\(count) utterances have lengths")
                    + " that cannot be used, the first: \(first)",
                "leave them out of the manifest, or \(.skipInvalidLengths)")
        case .nothingLeft(let reason): Explanation("no utterance is left to make batches of: \(reason)")
        case .badOption(let name, let reason): Explanation("\(name): \(reason)")
        }
    }
}

extension Phrase {
    /// Advice to leave utterances of impossible lengths out of batches.
    public static let skipInvalidLengths = Phrase("have them skipped", name: "skipInvalidLengths")
    /// Advice to make label files from transcripts.
    public static let spellTranscripts = Phrase("spell the transcripts as labels", name: "spellTranscripts")
    /// Advice to make a dictionary from these labels.
    public static let makeDictionary = Phrase("make a dictionary of these labels", name: "makeDictionary")
    /// Advice to read labels that are spelled as letters.
    public static let readSpelledLabels = Phrase("read the spelled labels (extension ltr)", name: "readSpelledLabels")
    /// Advice to write letters in one case.
    public static let foldCase = Phrase("write them in one case", name: "foldCase")
    /// Advice to leave punctuation out.
    public static let stripPunctuation = Phrase("leave it out", name: "stripPunctuation")
    /// Advice to compose letters with their accents.
    public static let composeLetters = Phrase("compose the letters (Unicode's NFC)", name: "composeLetters")
    /// Advice to say which columns of a table are what.
    public static let nameColumns = Phrase("name the columns of paths and transcripts", name: "nameColumns")
    /// Advice to say where a table's recordings are.
    public static let nameAudioRoot = Phrase("name the folder of the recordings", name: "nameAudioRoot")
    /// Advice to make labels in capitals.
    public static let capitalLabels = Phrase("write the transcripts in capitals", name: "capitalLabels")
    /// Advice to make a manifest without the unreadable recordings.
    public static let listReadable = Phrase("make a manifest, which leaves them out", name: "listReadable")
    /// Advice to convert into another folder.
    public static let otherAudioFolder = Phrase("another folder for the new recordings", name: "otherAudioFolder")
    /// Advice to have a part of LibriSpeech downloaded rather than copied.
    public static let leaveSourceOut = Phrase("name no source folder", name: "leaveSourceOut")
    /// Advice to repeat the preparation of a corpus.
    public static let prepareAgain = Phrase("prepare the corpus again", name: "prepareAgain")
}

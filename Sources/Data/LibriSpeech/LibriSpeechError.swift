import W2VBase

/// An error of a copy of LibriSpeech.
public enum LibriSpeechError: ExplainedError, Equatable {
    /// A part that does not exist.
    case unknownPart(String)
    /// A folder without any of the requested parts.
    case nothingInSource(folder: String, parts: [String])
    /// An archive without the folder that it is named after.
    case otherContent(archive: String, expected: String)
    /// An output folder that another process is writing to.
    case folderInUse(folder: String)
    /// A part with a wrong number of recordings.
    case wrongCount(folder: String, found: Int, expected: Int, isOwn: Bool)
    /// A folder with a part's name but no record that it was unpacked completely.
    case unfinished(folder: String, archive: String)
    /// Recordings that cannot be read; `first` is the reason for one of them.
    case unreadable(part: String, count: Int, total: Int, first: String)
    /// A recording without a transcript.
    case noTranscript(recording: String, file: String)
    /// A transcript without a recording.
    case noRecording(identifier: String, file: String, line: Int)
    /// A line of transcripts that cannot be parsed.
    case badTranscript(file: String, line: Int, reason: String, found: String)
    /// A list of checksums that lacks an archive.
    case noChecksum(archive: String, file: String)
    /// A line of a list of checksums that cannot be parsed.
    case badChecksums(file: String, line: Int, found: String)

    /// A failure while another process works in the folder, otherwise an input error.
    public var kind: ErrorKind { if case .folderInUse = self { .failure } else { .input } }

    /// The folder, archive or file at fault, and the remedy.
    public var explanation: Explanation {
        switch self {
        case .unknownPart(let name):
            Explanation(
                "\(name): LibriSpeech has no such part",
                "choose from \(LibriSpeech.parts.map(\.name).joined(separator: ", "))")
        case .nothingInSource(let folder, let parts):
            Explanation(
                "\(folder): holds neither a folder nor an archive of \(parts.joined(separator: ", "))",
                "check the path, or \(.leaveSourceOut) to download them")
        case .otherContent(let archive, let expected):
            Explanation(
                "\(archive): the archive does not hold the folder \(expected) with recordings", "fetch it again")
        case .folderInUse(let folder):
            Explanation(
                "\(folder): another process prepares this folder", "wait until it has ended, and \(.prepareAgain)")
        case .wrongCount(let folder, let found, let expected, let isOwn):
            Explanation(
                "\(folder): has \(found) recordings, and there should be \(expected)",
                isOwn
                    ? "move this folder away, and \(.prepareAgain) to unpack the part again"
                    : "copy this part again, or \(.leaveSourceOut) to download it")
        case .unfinished(let folder, let archive):
            Explanation(
                "\(folder): nothing shows that this folder holds all of \(archive)",
                "move it away, and \(.prepareAgain) to unpack the part again")
        case .unreadable(let part, let count, let total, let first):
            Explanation("\(part): \(count) of \(total) recordings cannot be read, the first: \(first)")
        case .noTranscript(let recording, let file):
            Explanation("\(recording): has no transcript in \(file)", "fetch this part again")
        case .noRecording(let identifier, let file, let line):
            Explanation(
                "\(file):\(line): there is no recording \(identifier).flac beside it", "fetch this part again")
        case .badTranscript(let file, let line, let reason, let found):
            Explanation("\(file):\(line): expected \(reason), found \"\(found)\"")
        case .noChecksum(let archive, let file):
            Explanation("\(file): names no checksum for \(archive)", "add it, or leave this part out")
        case .badChecksums(let file, let line, let found):
            Explanation(
                "\(file):\(line): expected an MD5 of 32 hexadecimal digits and a file name, as md5sum writes them, found "
                    + "\"\(found)\"")
        }
    }
}

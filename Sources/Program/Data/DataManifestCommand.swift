import ArgumentParser
import Foundation
import W2VCorpus

/// `wav2vec2 data manifest`: a list of recordings.
struct ManifestCommand: ParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "manifest",
        abstract: "Write a manifest of recordings, or convert a manifest to another format.",
        discussion: """
            The source is a folder, which is searched recursively (transcripts come from a .txt beside each recording \
            or from LibriSpeech's *.trans.txt), a table of recordings and transcripts (Common Voice, Hugging Face's \
            metadata.csv, SpeechBrain, LJSpeech, or any other whose first line names its columns), a Kaldi folder, or a \
            manifest in any format. A .tsv gets its labels in .ltr and .wrd files beside it.

            Recordings that cannot be read are named and left out. The manifest is still written, and the exit code is \
            65 unless --allow-unreadable is given.

            With --valid-percent, some of the recordings go to a second manifest: valid.tsv beside the first one, or \
            FILE-valid.tsv if the first one is called valid.tsv. The choice depends only on the paths and the seed.

            Examples:
              wav2vec2 data manifest LibriSpeech/train-clean-100 --output data/train.tsv
              wav2vec2 data manifest recordings --output data/train.tsv --valid-percent 5
              wav2vec2 data manifest cv/en/train.tsv --output data/train.tsv \\
                --case lower --strip-punctuation
              wav2vec2 data manifest kaldi/data/train --output train.jsonl
            """)

    @Argument(help: "Folder of recordings, table, Kaldi folder, or manifest.", completion: .file())
    var source: String

    @Option(
        help: ArgumentHelp(
            """
            Columns of paths and transcripts in a table, by name, or by number where the first line does not name them. \
            (default: the usual names, such as path and sentence)
            """, valueName: "path,text"))
    var columns: TranscriptTable.Columns?

    @Option(help: "Folder of a table's recordings. (default: the table's own)", completion: .directory)
    var audioRoot: String?

    @OptionGroup var output: ManifestOutput

    @Option(help: "Percentage of recordings to hold out for validation, from 0 to below 100.")
    var validPercent = 0.0

    @Option(help: "Random seed for choosing the validation recordings.")
    var seed: UInt64 = 42

    @Option(
        parsing: .upToNextOption,
        help: "Extensions of the files to take from a folder, in any case.")
    var extensions = ManifestBuilder.defaultExtensions

    @Flag(help: "Decode every recording in a folder to its end, to find damaged ones.")
    var decode = false

    @Flag(help: "Exit with 0 even if some recordings cannot be read and are left out.")
    var allowUnreadable = false

    @OptionGroup var logging: LogOptions

    func validate() throws {
        guard (0..<100).contains(validPercent) else {
            throw ValidationError("--valid-percent is \(validPercent); it must be at least 0 and below 100.")
        }
    }

    func run() throws {
        try output.prepare()
        let url = fileURL(source)
        let parts = { (manifest: Manifest) in try manifest.split(validShare: validPercent / 100, seed: seed) }
        let isFolder = try isPlainFolder(url)
        if !isFolder, let table = try TranscriptTable(url, columns: columns) { return try write(table, parts) }
        if columns != nil || audioRoot != nil {
            throw ValidationError("--columns and --audio-root are about tables, and \(source) is none.")
        }
        guard isFolder else {
            let found = try output.labelsToRead { try Manifest.hasLabels(url, labels: $0) }
            try output.protect([url], labels: found, holdsOut: validPercent > 0)
            return try output.write(labels: found, parts: parts) {
                try Manifest.read(url, labels: $0, keepsTags: true)
            }
        }
        let wanted = extensions.flatMap { $0.split(whereSeparator: { $0 == "," || $0 == " " }) }
            .map { $0.hasPrefix(".") ? String($0.dropFirst()) : String($0) }
        let report = try ManifestBuilder(extensions: wanted, decodes: decode).build(url)
        for (path, reason) in report.unreadable {
            Console.log.warning("left out \(path): \(reason)", metadata: ["file": "\(path)"])
        }
        let all = report.train
        let found = try output.labelsToRead { labels in
            let count = try all.countTranscriptsBeside(labels)
            if (1..<all.count).contains(count) && labels == "ltr" {
                Console.log.warning(
                    """
                    only \(count) of \(all.count) recordings have a .txt beside them, or a line in a *.trans.txt of \
                    their folder: no labels are written
                    """)
            }
            return count == all.count
        }
        if found.isEmpty, let table = Self.table(in: url) {
            Console.log.warning(
                """
                the transcripts of \(table.relativePath) are not read; name it instead of its folder if they belong to \
                these recordings
                """)
        }
        try output.write(labels: found, parts: parts) { try $0.map(all.labeledFromFiles) ?? all }
        try reportLeftOut(report.unreadable.count, of: report.unreadable.count + all.count, allowed: allowUnreadable)
    }

    /// Writes the manifest of a table's recordings.
    private func write(
        _ table: TranscriptTable, _ parts: (Manifest) throws -> (train: Manifest, valid: Manifest?)
    ) throws {
        let found = try output.labelsToRead { table.hasTexts && Manifest.transcriptLabels.contains($0) }
        if let other = found.first(where: { !table.hasTexts || !Manifest.transcriptLabels.contains($0) }) {
            throw ValidationError("--labels \(other): \(source) has no such labels; it can give ltr and wrd.")
        }
        try output.protect([fileURL(source)], labels: found, holdsOut: validPercent > 0)
        Console.log.info("\(source): \(table.description)")
        let report = try table.build(root: audioRoot.map(fileURL), keepsTags: true, decodes: decode)
        for (path, reason) in report.unreadable {
            Console.log.warning("left out \(path): \(reason)", metadata: ["file": "\(path)"])
        }
        try output.write(labels: found, parts: parts) { kind in
            try kind.map { try report.labeled($0, form: output.text.form) } ?? report.manifest
        }
        try reportLeftOut(
            report.unreadable.count, of: report.unreadable.count + report.manifest.count, allowed: allowUnreadable)
    }

    /// Returns the table of transcripts that datasets of Hugging Face and LJSpeech have in their folder.
    private static func table(in folder: URL) -> URL? {
        let file = folder.appendingPathComponent("metadata.csv")
        return FileManager.default.fileExists(atPath: file.path) ? file : nil
    }
}

/// Returns whether a source is a folder of recordings, and not Kaldi's.
///
/// - Throws: `CorpusError.notFound`.
func isPlainFolder(_ url: URL) throws -> Bool {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) else {
        throw CorpusError.notFound(file: url.path)
    }
    return isFolder.boolValue && !FileManager.default.fileExists(atPath: url.appendingPathComponent("wav.scp").path)
}

/// `wav2vec2 data combine`: combines several lists into one.
struct CombineCommand: ParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "combine",
        abstract: "Combine manifests of any formats, with their labels, into one.",
        discussion: """
            If one manifest has labels, all must have them. The root of a .tsv is the folder that all recordings have \
            in common.

            Example:
              wav2vec2 data combine clean-100.tsv clean-360.tsv other-500.tsv \\
                --output train-960.tsv
            """)

    @Argument(help: "Manifests of any format.", completion: .file())
    var manifests: [String]

    @OptionGroup var output: ManifestOutput

    @OptionGroup var logging: LogOptions

    func run() throws {
        try output.prepare()
        let urls = manifests.map(fileURL)
        let found = try output.labelsToRead { labels in
            try urls.contains { try Manifest.hasLabels($0, labels: labels) }
        }
        try output.protect(urls, labels: found)
        try output.write(labels: found) { labels in
            try Manifest.joined(urls.map { (try Manifest.read($0, labels: labels, keepsTags: true), 1) })
        }
    }
}

/// Reports how many recordings a list lacks, and ends the command with the exit code of bad data unless that is
/// allowed.
func reportLeftOut(_ count: Int, of total: Int, allowed: Bool) throws {
    guard count > 0 else { return }
    let sentence = "\(count) of \(total) recordings were left out (named above)"
    if allowed { return Console.log.warning("\(sentence)") }
    Console.log.error(
        "\(sentence); --allow-unreadable accepts that", metadata: ["exit_code": .stringConvertible(EX_DATAERR)])
    throw ExitCode(EX_DATAERR)
}

extension Manifest.OutputFormat: ExpressibleByArgument {}

extension TranscriptTable.Columns: ExpressibleByArgument {
    /// Parses `PATH,TEXT` or `PATH`.
    public init?(argument: String) {
        let names = argument.split(separator: ",", omittingEmptySubsequences: false).map { String($0) }
        guard (1...2).contains(names.count), names.allSatisfy({ !$0.isEmpty }) else { return nil }
        self.init(path: names[0], text: names.count > 1 ? names[1] : nil)
    }
}

/// Options for the place and form of a manifest.
struct ManifestOutput: ParsableArguments {
    @Option(help: "Manifest to write.", completion: .file(extensions: ["tsv", "jsonl"]))
    var output: String

    @Option(help: "Format of the manifest: tsv or jsonl. (default: from the extension, else tsv)")
    var format: Manifest.OutputFormat?

    @Option(
        parsing: .upToNextOption,
        help: "Extensions of the label files to write, or none. (default: ltr and wrd if there are labels)"
    )
    var labels: [String] = []

    @OptionGroup var text: TextFormOptions

    @Flag(help: "Replace existing labels of the same recordings with other content.")
    var force = false

    private var writtenFormat: Manifest.OutputFormat {
        format ?? (["jsonl", "json"].contains(fileURL(output).pathExtension) ? .jsonl : .tsv)
    }

    func validate() throws {
        if writtenFormat == .jsonl && labels.count > 1 {
            throw ValidationError(
                "JSON lines hold one kind of labels; --labels names \(labels.joined(separator: ", ")).")
        }
        if writtenFormat == .tsv && labels.contains(fileURL(output).pathExtension) {
            throw ValidationError("--labels \(fileURL(output).pathExtension) would overwrite --output \(output).")
        }
    }

    /// Makes sure that the manifest can be written, before hours of work rather than afterwards.
    ///
    /// - Throws: `CommandError`.
    func prepare() throws {
        let file = fileURL(output)
        try makeFolder(of: file)
        let folder = file.deletingLastPathComponent().path
        guard FileManager.default.isWritableFile(atPath: folder) else {
            throw CommandError(
                .failure, "\(folder): cannot be written to",
                "choose another --output")
        }
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: file.path, isDirectory: &isFolder), isFolder.boolValue {
            throw CommandError(
                .failure, "\(file.path): is a folder, and the manifest is a file",
                "name it, as in \(output)/train.tsv")
        }
    }

    /// Returns the labels to write, of those that exist.
    func labelsToRead(_ areThere: (String) throws -> Bool) throws -> [String] {
        if labels == ["none"] { return [] }
        guard labels.isEmpty else { return labels }
        let found = try ["wrd", "ltr"].filter(areThere)
        // Words contain the same information as letters.
        return writtenFormat == .jsonl ? Array(found.prefix(1)) : found
    }

    /// The manifest, and the validation manifest beside it.
    private var places: (train: URL, valid: URL) {
        let train = fileURL(output)
        let name = train.deletingPathExtension().lastPathComponent
        return (
            train,
            train.deletingLastPathComponent().appendingPathComponent(name == "valid" ? "valid-valid" : "valid")
                .appendingPathExtension(writtenFormat.rawValue)
        )
    }

    /// Refuses to overwrite the lists that are read, under any of their names.
    ///
    /// - Parameters:
    ///   - lists: The lists that are read.
    ///   - labels: The extensions of the labels to write.
    ///   - holdsOut: Whether a validation manifest is written too.
    /// - Throws: `CorpusError`.
    func protect(_ lists: [URL], labels: [String], holdsOut: Bool = false) throws {
        var inputs: Set<FileIdentity> = []
        for list in lists {
            inputs.formUnion(try Manifest.files(of: list, labels: labels).compactMap { FileIdentity($0.path) })
        }
        for manifest in holdsOut ? [places.train, places.valid] : [places.train] {
            let beside = writtenFormat == .tsv ? labels : []
            for file in [manifest] + beside.map({ manifest.deletingPathExtension().appendingPathExtension($0) }) {
                if let own = FileIdentity(file.path), inputs.contains(own) {
                    throw CorpusError.overwritesInput(file: file.relativePath)
                }
            }
        }
    }

    /// Writes the manifest, and the validation manifest beside it, with their labels.
    ///
    /// - Parameters:
    ///   - labels: The extensions of the labels.
    ///   - parts: Splits a manifest into training and validation.
    ///   - read: Reads the manifest with or without labels.
    /// - Throws: `CorpusError`.
    func write(
        labels: [String], parts: (Manifest) throws -> (train: Manifest, valid: Manifest?) = { ($0, nil) },
        read: (String?) throws -> Manifest
    ) throws {
        let (train, file) = places
        try makeFolder(of: train)
        // All are committed together: labels beside an older manifest would be mistaken for its own.
        let files = StagedFiles()
        var written: [(url: URL, summary: String)] = []
        var doubts: [String] = []
        // One kind of labels after another, so that only one is in memory.
        for (number, kind) in (labels.isEmpty ? [nil] : labels.map(Optional.some)).enumerated() {
            var manifest = try read(kind)
            if let kind { manifest = manifest.labels(kind, in: text.form) }
            if number == 0, let kind, Manifest.transcriptLabels.contains(kind) {
                doubts = manifest.labelDoubts.sentences
            }
            if number == 0, writtenFormat == .tsv, !manifest.tagNames.isEmpty {
                Console.log.warning(
                    """
                    a .tsv cannot hold \(manifest.tagNames.joined(separator: ", ")): left out; JSON lines (--output \
                    FILE.jsonl) keep them
                    """)
            }
            let parts = try parts(manifest)
            for (part, url) in [(parts.train, train)] + (parts.valid.map { [($0, file)] } ?? []) {
                if number == 0 {
                    try part.write(to: url, as: writtenFormat, in: files)
                    written.append((url, summary(part, url, labels)))
                }
                if let kind, writtenFormat == .tsv { try part.writeLabels(beside: url, labels: kind, in: files) }
            }
        }
        if writtenFormat == .tsv { try files.refuseStaleLabels(beside: written.map(\.url), besides: labels) }
        // A list of other recordings has other labels; the same list's own labels are kept.
        if !force, written.allSatisfy({ files.isUnchanged($0.url) }) { try files.refuseReplacing() }
        try files.commit()
        for (_, summary) in written { Console.log.info("\(summary)") }
        for sentence in doubts { Console.log.warning("\(sentence)") }
    }

    private func summary(_ manifest: Manifest, _ file: URL, _ labels: [String]) -> String {
        let hours = Double(manifest.totalSamples) / 16_000 / 3600
        let kinds = labels.isEmpty ? "" : ", with " + labels.sorted().joined(separator: " and ")
        let empty = manifest.emptyLabelCount
        let lacking = empty > 0 ? ", \(empty) of them with an empty transcript" : ""
        return "\(file.relativePath): \(manifest.count) recordings, \(decimal(hours, 2)) hours\(kinds)\(lacking)"
    }
}

import Foundation
import W2VCorpus
import W2VFetching

/// Recordings and transcripts in LibriSpeech's layout: `SPEAKER/CHAPTER/SPEAKER-CHAPTER-NUMBER.flac`, and beside them
/// `SPEAKER-CHAPTER.trans.txt` with a line `SPEAKER-CHAPTER-NUMBER WORDS` for each.
struct LibriSpeechFolder {
    /// The recordings, ordered by path.
    let manifest: Manifest
    /// The transcripts, one per recording.
    let transcripts: [String]

    /// Reads a folder.
    ///
    /// - Parameters:
    ///   - folder: The manifest's root.
    ///   - part: The part's name in messages.
    ///   - subfolders: The subfolders to search; nil for all.
    ///   - monitor: Receives the progress, and may stop the run.
    /// - Throws: `LibriSpeechError`, `CorpusError`, `FetchError.stopped`.
    init(_ folder: URL, part: String, subfolders: [String]? = nil, monitor: FetchMonitor) throws {
        manifest = try Self.list(folder, part: part, subfolders: subfolders, monitor: monitor)
        var texts: [String] = []
        texts.reserveCapacity(manifest.count)
        var index = 0
        while index < manifest.count {
            let chapter = Self.chapter(manifest.path(index))
            var identifiers: [String] = []
            while index < manifest.count, Self.chapter(manifest.path(index)) == chapter {
                identifiers.append(
                    ((manifest.path(index) as NSString).lastPathComponent as NSString).deletingPathExtension)
                index += 1
            }
            texts += try Self.read(identifiers, chapter: folder.appendingPathComponent(chapter))
        }
        transcripts = texts
    }

    private init(manifest: Manifest, transcripts: [String]) {
        self.manifest = manifest
        self.transcripts = transcripts
    }

    /// Returns the recordings whose paths pass a test.
    func filter(name: String, _ isIncluded: (String) -> Bool) -> LibriSpeechFolder {
        let indices = (0..<manifest.count).filter { isIncluded(manifest.path($0)) }
        return LibriSpeechFolder(
            manifest: manifest.subset(indices, name: name), transcripts: indices.map { transcripts[$0] })
    }

    /// Reads every recording's length, one speaker at a time.
    private static func list(
        _ folder: URL, part: String, subfolders: [String]?, monitor: FetchMonitor
    ) throws -> Manifest {
        let names = try (subfolders ?? self.subfolders(folder)).sorted {
            ($0 + "/").utf8.lexicographicallyPrecedes(($1 + "/").utf8)
        }
        var paths: [String] = []
        var counts: [Int] = []
        var unreadable: [(path: String, reason: String)] = []
        for (index, name) in names.enumerated() {
            let report = try ManifestBuilder(extensions: ["flac"]).build(folder.appendingPathComponent(name))
            for index in 0..<report.train.count { paths.append(name + "/" + report.train.path(index)) }
            counts += report.train.sampleCounts
            unreadable += report.unreadable
            monitor.report(
                FetchProgress(name: part, phase: .listing, done: index + 1, total: names.count))
            try monitor.stopIfAsked(at: part)
        }
        if let first = unreadable.first {
            throw LibriSpeechError.unreadable(
                part: part, count: unreadable.count, total: unreadable.count + paths.count, first: first.reason)
        }
        if paths.isEmpty { throw CorpusError.noAudio(folder: folder.path, extensions: ["flac"]) }
        return try Manifest(name: part, root: folder.standardizedFileURL, paths: paths, sampleCounts: counts)
    }

    private static func subfolders(_ folder: URL) throws -> [String] {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder.path) else {
            throw CorpusError.notFound(file: folder.path)
        }
        return names.filter { name in
            var isFolder: ObjCBool = false
            let path = folder.appendingPathComponent(name).path
            return !name.hasPrefix(".") && FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
                && isFolder.boolValue
        }
    }

    private static func chapter(_ path: String) -> String { (path as NSString).deletingLastPathComponent }

    /// Returns the transcripts of all recordings in a chapter's folder.
    private static func read(_ identifiers: [String], chapter: URL) throws -> [String] {
        let speaker = chapter.deletingLastPathComponent().lastPathComponent
        let file = chapter.appendingPathComponent("\(speaker)-\(chapter.lastPathComponent).trans.txt")
        var texts: [String: String] = [:]
        let known = Set(identifiers)
        for (index, line) in try Lines.read(file).enumerated() {
            let words = line.split(whereSeparator: \.isWhitespace)
            func bad(_ reason: String) -> LibriSpeechError {
                .badTranscript(file: file.path, line: index + 1, reason: reason, found: String(line.prefix(200)))
            }
            guard words.count >= 2 else { throw bad("a recording's name and its words") }
            let text = words.dropFirst().joined(separator: " ")
            guard text.utf8.allSatisfy({ (65...90).contains($0) || $0 == 0x20 || $0 == 0x27 }) else {
                throw bad("words of the letters A to Z and the apostrophe")
            }
            guard known.contains(String(words[0])) else {
                throw LibriSpeechError.noRecording(identifier: String(words[0]), file: file.path, line: index + 1)
            }
            guard texts.updateValue(text, forKey: String(words[0])) == nil else { throw bad("every recording once") }
        }
        return try identifiers.map { identifier in
            guard let text = texts[identifier] else {
                throw LibriSpeechError.noTranscript(
                    recording: chapter.appendingPathComponent(identifier + ".flac").path, file: file.path)
            }
            return text
        }
    }
}

/// A manifest with its labels, in the form for training: `NAME.tsv`, `NAME.ltr` and `NAME.wrd`.
struct LabeledList {
    let manifest: URL

    init(_ name: String, in folder: URL) { manifest = folder.appendingPathComponent(name + ".tsv") }

    /// Writes the three files.
    ///
    /// The manifest is written last, so that it exists only when the list is complete.
    func write(_ list: Manifest, _ transcripts: [String]) throws {
        unlink(manifest.path)
        try Transcript.writeLabels(transcripts, beside: manifest)
        try list.write(to: manifest)
    }

    /// Returns the list and its words, if an earlier run completed it for this folder.
    func complete(root: URL) -> (manifest: Manifest, transcripts: [String])? {
        guard let list = try? Manifest.read(manifest, labels: "wrd"),
            list.sources[0].root.path == root.standardizedFileURL.path,
            let letters = try? Lines.read(manifest.deletingPathExtension().appendingPathExtension("ltr")),
            letters.count == list.count
        else { return nil }
        return (list, (0..<list.count).map { list[$0].labels ?? "" })
    }
}

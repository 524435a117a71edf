import Foundation
import W2VBase
import W2VCorpus
import W2VFetching

/// Prepares LibriSpeech for training, from the network or from a copy on disk.
///
/// It keeps everything that is complete, so that an interrupted run continues where it stopped.
public struct LibriSpeechPreparation {
    /// The output folder.
    public var output: URL
    /// The parts to prepare.
    public var parts: [LibriSpeech.Part]
    /// A folder with parts already on disk, unpacked or as archives, which is only read.
    public var source: URL?
    /// Servers to use instead of the usual ones, in order of preference.
    public var mirrors: [String] = []
    /// Whether to keep archives after they are unpacked.
    public var keepsArchives = false
    /// The downloader.
    public var downloader = Downloader()
    /// The monitor, which receives the progress and may stop the run.
    public var monitor = FetchMonitor()

    /// Makes a preparation.
    ///
    /// - Parameters:
    ///   - parts: The parts to prepare.
    ///   - output: The output folder.
    public init(_ parts: [LibriSpeech.Part], output: URL) {
        self.parts = parts
        self.output = output
    }

    /// A list that was made, or existed already.
    public struct List: Equatable, Sendable {
        /// The list's name.
        public var name: String
        /// The manifest's file.
        public var manifest: URL
        /// The number of recordings.
        public var utterances: Int
        /// The total length of the recordings, in samples at 16 kHz.
        public var samples: Int
    }

    /// The result of a preparation.
    public struct Report: Equatable, Sendable {
        /// The lists, in the order in which they were made.
        public var lists: [List] = []
        /// The dictionary's file.
        public var dictionary: URL
        /// The number of bytes received over the network.
        public var received = 0
    }

    /// Does the remaining work.
    ///
    /// - Returns: The result.
    /// - Throws: `FetchError`, `LibriSpeechError`, `CorpusError`.
    public func run() throws -> Report {
        do {
            try FileManager.default.createDirectory(at: output, withIntermediateDirectories: true)
        } catch {
            throw CorpusError.unwritable(file: output.path, reason: SystemReason.of(error))
        }
        // Two processes that unpack the same part would remove each other's files.
        let lock: FolderLock
        do {
            lock = try FolderLock(output)
        } catch .inUse {
            throw LibriSpeechError.folderInUse(folder: output.path)
        } catch .unopened(let reason) {
            throw CorpusError.unwritable(file: output.path, reason: reason)
        }
        return try withExtendedLifetime(lock) { try prepare() }
    }

    private func prepare() throws -> Report {
        let supplies = try parts.map { ($0, try supply(of: $0)) }
        if let source, !supplies.contains(where: { $0.1.isLocal }) {
            throw LibriSpeechError.nothingInSource(folder: source.path, parts: parts.map(\.name))
        }
        for (part, supply) in supplies {
            if case .folder(let folder) = supply { try requireFinished(part, folder) }
        }
        try checkSpace(supplies)
        var report = Report(dictionary: output.appendingPathComponent("dict.ltr.txt"))
        var complete: [String: (manifest: Manifest, transcripts: [String])] = [:]
        for (part, supply) in supplies {
            let folder = try unpacked(part, supply, &report)
            if part.isLimitedSupervision {
                report.lists += try limitedLists(folder)
            } else {
                let list = try labeled(part, folder)
                complete[part.name] = list
                report.lists.append(entry(part.name, list.manifest))
            }
        }
        let training = LibriSpeech.trainingNames.compactMap { name in complete[name].map { (name, $0) } }
        if training.count == LibriSpeech.trainingNames.count { report.lists.append(try combine(training)) }
        try LabelDictionary.librispeech.write(to: report.dictionary)
        return report
    }

    // MARK: - Getting the recordings

    /// The source of a part.
    private enum Supply {
        /// A folder of recordings, which is left as it is.
        case folder(URL)
        /// An archive on disk, which is kept.
        case archive(URL)
        /// The network; the archive is kept only as long as it is needed.
        case network(archive: URL)

        var isLocal: Bool { if case .network = self { false } else { true } }
    }

    private func supply(of part: LibriSpeech.Part) throws -> Supply {
        let own = unpackedFolder(part)
        if isFolder(own) { return .folder(own) }
        if let source {
            for place in [source, source.appendingPathComponent("LibriSpeech")] {
                let folder = place.lastPathComponent == part.name ? place : place.appendingPathComponent(part.name)
                if isFolder(folder) { return .folder(folder.standardizedFileURL) }
            }
            let archive = source.appendingPathComponent(part.archive)
            if FileManager.default.fileExists(atPath: archive.path) { return .archive(archive) }
        }
        return .network(archive: output.appendingPathComponent("archives/" + part.archive))
    }

    /// Returns the folder of our own copy of a part: beside the others below `LibriSpeech`, as in the archives.
    private func unpackedFolder(_ part: LibriSpeech.Part) -> URL {
        let path = part.isLimitedSupervision ? part.name : "LibriSpeech/" + part.name
        return output.appendingPathComponent(path).standardizedFileURL
    }

    private func isFolder(_ url: URL) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) && isFolder.boolValue
    }

    /// Checks that there is room for everything, before hours of work.
    private func checkSpace(_ supplies: [(LibriSpeech.Part, Supply)]) throws {
        // FLAC files do not compress further: the unpacked files are as large as the archive, plus a little for whole
        // blocks.
        var unpacked = 0
        var archives = 0
        var largest = 0
        for (part, supply) in supplies {
            if case .folder = supply { continue }
            unpacked += part.approximateSize + part.approximateSize / 20
            guard case .network(let archive) = supply else { continue }
            let present = [archive, archive.appendingPathExtension("part")].compactMap { file in
                (try? FileManager.default.attributesOfItem(atPath: file.path))?[.size] as? Int
            }
            let left = max(0, part.approximateSize - (present.max() ?? 0))
            archives += left
            largest = max(largest, left)
        }
        try DiskSpace.require(unpacked + (keepsArchives ? archives : largest), in: output)
    }

    private func unpacked(_ part: LibriSpeech.Part, _ supply: Supply, _ report: inout Report) throws -> URL {
        switch supply {
        case .folder(let folder): return folder
        case .archive(let archive):
            if let expected = part.checksum {
                let found = try Checksum.compute(expected.kind, of: archive, monitor: monitor)
                guard found == expected else {
                    throw FetchError.damagedArchive(
                        file: archive.path,
                        reason: "its \(expected.kind.rawValue) is \(found.digest), and its publisher gives "
                            + expected.digest)
                }
            }
            return try unpack(part, archive)
        case .network(let archive):
            let fetched = try fetch(part, to: archive)
            report.received += fetched.received
            let folder = try unpack(part, archive)
            if !keepsArchives {
                unlink(archive.path)
                // Fails, as intended, while other archives are in it.
                rmdir(archive.deletingLastPathComponent().path)
            }
            return folder
        }
    }

    private func fetch(_ part: LibriSpeech.Part, to archive: URL) throws -> FetchedFile {
        let usual = part.isLimitedSupervision ? LibriSpeech.limitedMirrors : LibriSpeech.mirrors
        let addresses = (mirrors.isEmpty ? usual : mirrors).map { mirror in
            (mirror.hasSuffix("/") ? mirror : mirror + "/") + part.archive
        }
        return try downloader.fetch(
            Download(addresses: addresses, destination: archive, checksum: part.checksum, size: part.size),
            monitor: monitor)
    }

    /// Unpacks an archive beside its destination and moves the recordings there in one step.
    private func unpack(_ part: LibriSpeech.Part, _ archive: URL) throws -> URL {
        let staging = output.appendingPathComponent(".\(part.name)")
        try? FileManager.default.removeItem(at: staging)
        defer { try? FileManager.default.removeItem(at: staging) }
        let size = (try? FileManager.default.attributesOfItem(atPath: archive.path))?[.size] as? Int ?? 0
        // FLAC recordings do not compress further; the transcripts do.
        let limit = size * 4 + 64 << 20
        try TarArchive.unpack(archive, into: staging, maximumBytes: limit, monitor: monitor)
        let folder = unpackedFolder(part)
        let inside = staging.appendingPathComponent(
            part.isLimitedSupervision ? part.name : "LibriSpeech/" + part.name)
        guard isFolder(inside) else {
            throw LibriSpeechError.otherContent(archive: archive.path, expected: part.name)
        }
        let parent = folder.deletingLastPathComponent()
        try Lines.write(
            ["\(recordings(in: inside)) recordings were unpacked."],
            to: inside.appendingPathComponent(Self.recordName))
        do {
            try FileManager.default.createDirectory(at: parent, withIntermediateDirectories: true)
            if !part.isLimitedSupervision { try moveTexts(from: inside.deletingLastPathComponent(), to: parent) }
        } catch {
            let reason = (error as? FileWriteError)?.reason ?? SystemReason.of(error)
            throw CorpusError.unwritable(file: parent.path, reason: reason)
        }
        do throws(FileWriteError) {
            try AtomicFolder.synchronize(inside.path)
            try AtomicFolder.move(inside, to: folder)
        } catch {
            throw CorpusError.unwritable(file: folder.path, reason: error.reason)
        }
        return folder
    }

    /// The name of the file in a completely unpacked part's folder that records the number of recordings.
    private static let recordName = ".unpacked"

    private func recordings(in folder: URL) -> Int {
        let files = FileManager.default.enumerator(atPath: folder.path)
        return (files?.lazy.compactMap { $0 as? String }.filter { $0.hasSuffix(".flac") }.count) ?? 0
    }

    /// Returns the number of recordings that a folder should have, by its record or else by the publisher.
    private func expectedCount(_ part: LibriSpeech.Part, _ folder: URL) -> Int? {
        let record = try? Lines.read(folder.appendingPathComponent(Self.recordName)).first
        return record?.split(separator: " ").first.flatMap { Int($0) } ?? part.utterances
    }

    /// Refuses a folder of our own that may be incomplete.
    ///
    /// A folder in `source` is compared with the published count once it has been listed, which shows what it lacks.
    private func requireFinished(_ part: LibriSpeech.Part, _ folder: URL) throws {
        guard folder == unpackedFolder(part) else { return }
        guard let expected = expectedCount(part, folder) else {
            throw LibriSpeechError.unfinished(folder: folder.path, archive: part.archive)
        }
        let found = recordings(in: folder)
        guard found == expected else {
            throw LibriSpeechError.wrongCount(folder: folder.path, found: found, expected: expected, isOwn: true)
        }
    }

    /// Moves the license and the lists of speakers, chapters and books, which are the same in every archive.
    private func moveTexts(from folder: URL, to target: URL) throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) where name.hasSuffix(".TXT") {
            let old = folder.appendingPathComponent(name)
            let new = target.appendingPathComponent(name)
            try AtomicFolder.move(old, to: new)
        }
    }

    // MARK: - Lists

    private func labeled(
        _ part: LibriSpeech.Part, _ folder: URL
    ) throws -> (manifest: Manifest, transcripts: [String]) {
        let list = LabeledList(part.name, in: output)
        let expected = expectedCount(part, folder)
        if let complete = list.complete(root: folder), complete.manifest.count == expected ?? complete.manifest.count {
            return complete
        }
        let content = try LibriSpeechFolder(folder, part: part.name, monitor: monitor)
        if let expected, expected != content.manifest.count {
            throw LibriSpeechError.wrongCount(
                folder: folder.path, found: content.manifest.count, expected: expected,
                isOwn: folder == unpackedFolder(part))
        }
        try list.write(content.manifest, content.transcripts)
        return (content.manifest, content.transcripts)
    }

    /// Combines the 960 hours in one list, as NVIDIA's recipes expect.
    private func combine(_ parts: [(name: String, list: (manifest: Manifest, transcripts: [String]))]) throws -> List {
        let parents = Set(parts.map { $0.list.manifest.sources[0].root.deletingLastPathComponent().path })
        let isTogether =
            parents.count == 1 && parts.allSatisfy { $0.list.manifest.sources[0].root.lastPathComponent == $0.name }
        let root = parts[0].list.manifest.sources[0].root.deletingLastPathComponent().standardizedFileURL
        let name = LibriSpeech.combinedName
        let list = LabeledList(name, in: output)
        let count = parts.reduce(0) { $0 + $1.list.manifest.count }
        if let complete = list.complete(root: root), complete.manifest.count == count {
            return entry(name, complete.manifest)
        }
        var paths: [String] = []
        var counts: [Int] = []
        for (part, content) in parts {
            let prefix = isTogether ? part : content.manifest.sources[0].root.path
            for index in 0..<content.manifest.count { paths.append(prefix + "/" + content.manifest.path(index)) }
            counts += content.manifest.sampleCounts
        }
        let manifest = try Manifest(name: name, root: root, paths: paths, sampleCounts: counts)
        try list.write(manifest, parts.flatMap(\.list.transcripts))
        return entry(name, manifest)
    }

    /// Makes Libri-light's lists: six of ten minutes, one of one hour, which combines these, and one of ten hours.
    private func limitedLists(_ folder: URL) throws -> [List] {
        let splits: [(name: String, prefixes: [String])] =
            (0..<6).map { ("train-10min-\($0)", ["1h/\($0)/"]) } + [
                ("train-1h", ["1h/"]), ("train-10h", ["1h/", "9h/"]),
            ]
        let complete = splits.map { LabeledList($0.name, in: output).complete(root: folder) }
        if complete.allSatisfy({ $0 != nil }) {
            return zip(splits, complete).compactMap { split, list in list.map { entry(split.name, $0.manifest) } }
        }
        let all = try LibriSpeechFolder(
            folder, part: LibriSpeech.limitedName, subfolders: ["1h", "9h"], monitor: monitor)
        return try splits.map { name, prefixes in
            let split = all.filter(name: name) { path in prefixes.contains { path.hasPrefix($0) } }
            if split.manifest.count == 0 {
                throw LibriSpeechError.otherContent(archive: folder.path, expected: prefixes[0])
            }
            try LabeledList(name, in: output).write(split.manifest, split.transcripts)
            return entry(name, split.manifest)
        }
    }

    private func entry(_ name: String, _ manifest: Manifest) -> List {
        List(
            name: name, manifest: LabeledList(name, in: output).manifest, utterances: manifest.count,
            samples: manifest.totalSamples)
    }
}

extension LabelDictionary {
    /// The letters of LibriSpeech in the public models' order.
    static var librispeech: LabelDictionary { LabelDictionary(entries: LibriSpeech.dictionary) }
}

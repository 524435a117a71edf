import Audio
import Foundation
import Randomness
import Synchronization

/// Makes manifests of the audio files in a folder.
public struct ManifestBuilder: Sendable {
    /// File name extensions that are taken for audio.
    public static let defaultExtensions = ["wav", "flac", "ogg", "opus", "mp3"]

    /// What was found.
    public struct Report: Sendable {
        /// The utterances to train on, ordered by path.
        public var train: Manifest
        /// The utterances to validate on, ordered by path; nil if none were asked for.
        public var valid: Manifest?
        /// Files that are in neither, with the reason, ordered by path.
        public var unreadable: [(path: String, reason: String)]
    }

    /// Which files are taken, by extension without a dot, in any case.
    public var extensions: [String]
    /// Which share of the files goes to validation, from 0 to below 1.
    public var validShare: Double
    /// Chooses which ones.
    public var seed: UInt64
    /// Whether every file is decoded to its end, so that damaged ones are found now, or only its header read.
    public var decodes: Bool

    /// Makes a builder.
    ///
    /// - Parameters:
    ///   - extensions: Which files are taken.
    ///   - validShare: Which share goes to validation.
    ///   - seed: Chooses which ones.
    ///   - decodes: Whether every file is decoded to its end.
    public init(
        extensions: [String] = defaultExtensions, validShare: Double = 0, seed: UInt64 = 42, decodes: Bool = false
    ) {
        self.extensions = extensions
        self.validShare = validShare
        self.seed = seed
        self.decodes = decodes
    }

    /// Lists a folder and its subfolders (links to folders are not followed; hidden files are not taken).
    ///
    /// - Parameter folder: Where the audio is; becomes the manifests' root.
    /// - Returns: The manifests, and what could not be read.
    /// - Throws: `CorpusError`, if there is nothing that can be read.
    public func build(_ folder: URL) throws -> Report {
        guard (0..<1).contains(validShare) else {
            throw CorpusError.badOption(
                name: "valid share", reason: "expected a number from 0 to below 1, found \(validShare)")
        }
        let folder = folder.standardizedFileURL
        let paths = try list(folder)
        let results = measure(paths, in: folder)
        var readable: [(path: String, count: Int)] = []
        var unreadable: [(path: String, reason: String)] = []
        for (path, result) in zip(paths, results) {
            switch result {
            case .success(let count): readable.append((path, count))
            case .failure(let error): unreadable.append((path, "\(error)"))
            }
        }
        if readable.isEmpty {
            throw CorpusError.allUnreadable(
                folder: folder.path, count: paths.count, reason: unreadable.first?.reason ?? "")
        }
        let all = try Manifest(
            name: folder.path, root: folder, paths: readable.map(\.path), sampleCounts: readable.map(\.count))
        let valid = chooseValid(all)
        guard !valid.isEmpty else { return Report(train: all, valid: nil, unreadable: unreadable) }
        let train = (0..<all.count).filter { !valid.contains($0) }
        return Report(
            train: all.subset(train, name: folder.path + " (train)"),
            valid: all.subset(valid.sorted(), name: folder.path + " (valid)"), unreadable: unreadable)
    }

    private func list(_ folder: URL) throws -> [String] {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: folder.path, isDirectory: &isFolder), isFolder.boolValue,
            let enumerator = FileManager.default.enumerator(atPath: folder.path)
        else { throw CorpusError.notFound(file: folder.path) }
        let wanted = Set(extensions.map { $0.lowercased() })
        var paths: [String] = []
        while let path = enumerator.nextObject() as? String {
            let name = path.split(separator: "/").last ?? ""
            guard !name.hasPrefix("."), let dot = name.lastIndex(of: "."),
                wanted.contains(name[name.index(after: dot)...].lowercased())
            else { continue }
            paths.append(path)
        }
        if paths.isEmpty { throw CorpusError.noAudio(folder: folder.path, extensions: extensions) }
        return paths.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    private func measure(_ paths: [String], in folder: URL) -> [Result<Int, any Error>] {
        let results = Mutex([Result<Int, any Error>?](repeating: nil, count: paths.count))
        let block = 64
        DispatchQueue.concurrentPerform(iterations: (paths.count + block - 1) / block) { number in
            for index in (number * block)..<min((number + 1) * block, paths.count) {
                let url = folder.appendingPathComponent(paths[index])
                let result = Result {
                    decodes
                        ? try AudioFile.read(url).count
                        : try AudioFile.info(url).sampleCount(at: AudioFile.modelSampleRate)
                }
                results.withLock { $0[index] = result }
            }
        }
        return results.withLock { $0.compactMap { $0 } }
    }

    /// The files with the smallest draws, where a file's draw depends on its path and the seed alone: adding files
    /// moves few of the others.
    private func chooseValid(_ manifest: Manifest) -> Set<Int> {
        guard validShare > 0, manifest.count > 1 else { return [] }
        let count = min(max(1, Int((Double(manifest.count) * validShare).rounded())), manifest.count - 1)
        let draws = (0..<manifest.count).map { index -> (draw: UInt64, index: Int) in
            // FNV-1a, folded to the 56 bits that a stream's index may have.
            let hash = manifest.paths.utf8(index).reduce(0xCBF2_9CE4_8422_2325 as UInt64) {
                ($0 ^ UInt64($1)) &* 0x100_0000_01B3
            }
            var stream = RandomStream(
                seed: seed, purpose: .split, index: Int((hash ^ hash >> 56) & 0xFF_FFFF_FFFF_FFFF))
            return (stream.next(), index)
        }
        return Set(draws.sorted { ($0.draw, $0.index) < ($1.draw, $1.index) }.prefix(count).map(\.index))
    }
}

import Foundation
import W2VAudio
import W2VBase

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

    /// Lists a folder and its subfolders (also linked ones; hidden files are not taken).
    ///
    /// - Parameter folder: Where the audio is; becomes the manifests' root.
    /// - Returns: The manifests, and what could not be read.
    /// - Throws: `CorpusError`, if there is nothing that can be read; `AudioError`, if this machine fails.
    public func build(_ folder: URL) throws -> Report {
        let folder = folder.standardizedFileURL
        let paths = try AudioFolder.list(folder, extensions: extensions)
        let results = measure(paths, in: folder)
        var readable: [(path: String, count: Int)] = []
        var unreadable: [(path: String, reason: String)] = []
        for (path, result) in zip(paths, results) {
            switch result {
            case .success(let count): readable.append((path, count))
            // A list without the recordings that a full disk kept out would be taken for all.
            case .failure(let error as AudioError) where error.kind == .failure: throw error
            case .failure(let error): unreadable.append((path, "\(error)"))
            }
        }
        if readable.isEmpty {
            throw CorpusError.allUnreadable(
                folder: folder.path, count: paths.count, reason: unreadable.first?.reason ?? "")
        }
        let all = Manifest(
            name: folder.path, sources: [.init(name: folder.path, format: .folder, root: folder)],
            sampleCounts: readable.map(\.count), paths: PackedStrings(readable.lazy.map(\.path)))
        let (train, valid) = try all.split(validShare: validShare, seed: seed)
        return Report(train: train, valid: valid, unreadable: unreadable)
    }

    private func measure(_ paths: [String], in folder: URL) -> [Result<Int, any Error>] {
        ParallelMap.map(count: paths.count) { index in
            let url = URL(fileURLWithPath: folder.path + "/" + paths[index])
            return decodes
                ? try AudioFile.read(url).count
                : try AudioFile.info(url).sampleCount(at: AudioFile.modelSampleRate)
        }
    }

    /// Lists a folder whose recordings must all be readable.
    ///
    /// - Parameters:
    ///   - folder: Where the audio is.
    ///   - labels: `ltr` and `wrd` read the `.txt` beside each recording, or its line in a `*.trans.txt` of its folder; any
    ///     other, the file of that extension. Nil reads none.
    /// - Returns: The utterances, ordered by path.
    /// - Throws: `CorpusError`, if a recording or a transcript cannot be read.
    func read(_ folder: URL, labels: String?) throws -> Manifest {
        let report = try build(folder)
        if let first = report.unreadable.first {
            throw CorpusError.someUnreadable(
                folder: folder.path, count: report.unreadable.count, reason: first.reason)
        }
        guard let labels else { return report.train }
        return try report.train.labeledFromFiles(labels)
    }
}

extension Manifest {
    /// Parts the utterances into those to train on and those to validate on.
    ///
    /// Chosen are those with the smallest draws, where a draw depends on the recording's path and the seed alone: adding
    /// recordings moves few of the others, and parts of one recording stay together but for the last.
    ///
    /// - Parameters:
    ///   - validShare: Which share goes to validation, from 0 to below 1.
    ///   - seed: Chooses which ones.
    /// - Returns: Both lists in the old order; no second one if the share is 0 or there is but one utterance.
    /// - Throws: `CorpusError.badOption`.
    public func split(validShare: Double, seed: UInt64) throws -> (train: Manifest, valid: Manifest?) {
        guard (0..<1).contains(validShare) else {
            throw CorpusError.badOption(
                name: "valid share", reason: "expected a number from 0 to below 1, found \(validShare)")
        }
        guard validShare > 0, count > 1 else { return (self, nil) }
        let wanted = min(max(1, Int((Double(count) * validShare).rounded())), count - 1)
        let draws = (0..<count).map { index -> (draw: UInt64, index: Int) in
            var hash = FNV1a()
            hash.add(paths.utf8(index))
            // Folded to the 56 bits that a stream's index may have.
            let folded = (hash.value ^ hash.value >> 56) & 0xFF_FFFF_FFFF_FFFF
            var stream = RandomStream(seed: seed, purpose: .split, index: Int(folded))
            return (stream.next(), index)
        }
        let valid = Set(draws.sorted { ($0.draw, $0.index) < ($1.draw, $1.index) }.prefix(wanted).map(\.index))
        let train = (0..<count).filter { !valid.contains($0) }
        return (subset(train, name: name + " (train)"), subset(valid.sorted(), name: name + " (valid)"))
    }
}

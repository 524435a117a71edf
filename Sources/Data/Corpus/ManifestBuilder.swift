import Foundation
import W2VAudio
import W2VBase

/// Makes manifests of the audio files in a folder.
public struct ManifestBuilder: Sendable {
    /// File name extensions of audio files.
    public static let defaultExtensions = ["wav", "flac", "ogg", "opus", "mp3"]

    /// The manifests of a folder.
    public struct Report: Sendable {
        /// The training utterances, ordered by path.
        public var train: Manifest
        /// The validation utterances, ordered by path; nil if not requested.
        public var valid: Manifest?
        /// Files in neither manifest, with the reason, ordered by path.
        public var unreadable: [(path: String, reason: String)]
    }

    /// The extensions of audio files, without a dot, in any case.
    public var extensions: [String]
    /// The share of files held out for validation, from 0 to below 1.
    public var validShare: Double
    /// Random seed of the choice of validation files.
    public var seed: UInt64
    /// Whether each file is decoded to its end, to find damaged ones now, rather than only its header read.
    public var decodes: Bool

    /// Makes a builder.
    public init(
        extensions: [String] = defaultExtensions, validShare: Double = 0, seed: UInt64 = 42, decodes: Bool = false
    ) {
        self.extensions = extensions
        self.validShare = validShare
        self.seed = seed
        self.decodes = decodes
    }

    /// Lists a folder and its subfolders (also linked ones; hidden files are ignored).
    ///
    /// - Parameter folder: The folder of recordings; becomes the manifests' root.
    /// - Throws: `CorpusError` if there is no readable recording; `AudioError` if this machine cannot decode.
    public func build(_ folder: URL) throws -> Report {
        let folder = folder.standardizedFileURL
        let paths = try AudioFolder.list(folder, extensions: extensions)
        let results = measure(paths, in: folder)
        var readable: [(path: String, count: Int)] = []
        var unreadable: [(path: String, reason: String)] = []
        for (path, result) in zip(paths, results) {
            switch result {
            case .success(let count): readable.append((path, count))
            // A list without the recordings that a full disk prevented from being decoded would pass for complete.
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
            try Self.sampleCount(URL(fileURLWithPath: folder.path + "/" + paths[index]), decodes: decodes)
        }
    }

    /// Returns a recording's length in samples at the model's rate.
    ///
    /// - Parameters:
    ///   - file: The recording.
    ///   - decodes: Whether it is decoded to its end, rather than only its header read.
    static func sampleCount(_ file: URL, decodes: Bool) throws -> Int {
        if decodes { return try AudioFile.read(file).count }
        return try AudioFile.info(file).sampleCount(at: AudioFile.modelSampleRate)
    }

    /// Lists a folder in which all recordings must be readable.
    ///
    /// - Parameters:
    ///   - folder: The folder of recordings.
    ///   - labels: `ltr` and `wrd` read the `.txt` beside each recording, or its line in a `*.trans.txt` of its folder;
    ///     any other extension, the file with it. Nil reads no labels.
    /// - Returns: The utterances, ordered by path.
    /// - Throws: `CorpusError` if a recording or a transcript cannot be read.
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
    /// Splits the utterances into a training and a validation list.
    ///
    /// The utterances with the smallest random draws are held out. A draw depends only on the recording's path and the
    /// seed: adding recordings moves few others, and the segments of a recording stay together, except for the last
    /// recording's.
    ///
    /// - Parameters:
    ///   - validShare: The share held out for validation, from 0 to below 1.
    ///   - seed: Random seed of the choice.
    /// - Returns: Both lists in the original order; no validation list if the share is 0 or there is only one
    ///   utterance.
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
            // Folded to the 56 bits of a random stream's index.
            let folded = (hash.value ^ hash.value >> 56) & 0xFF_FFFF_FFFF_FFFF
            var stream = RandomStream(seed: seed, purpose: .split, index: Int(folded))
            return (stream.next(), index)
        }
        let valid = Set(draws.sorted { ($0.draw, $0.index) < ($1.draw, $1.index) }.prefix(wanted).map(\.index))
        let train = (0..<count).filter { !valid.contains($0) }
        return (subset(train, name: name + " (train)"), subset(valid.sorted(), name: name + " (valid)"))
    }
}

import Audio
import Foundation

/// A list of utterances, from a fairseq manifest or from JSON lines; compact enough for millions.
public struct Manifest: Sendable {
    /// Which format the file had.
    public enum Format: Sendable {
        /// A root line, then `path<TAB>samples`.
        case fairseq
        /// One JSON object a line, with `audio_filepath`, `duration` in seconds and `text`.
        case jsonLines
    }

    /// Where the manifest was read from; what errors call it.
    public let name: String
    /// Which format it had.
    public let format: Format
    /// The folder that relative paths start from.
    public let root: URL
    /// The file of the label lines; nil without labels or where the manifest itself holds them.
    public let labelFile: String?
    /// Every utterance's length in samples at 16 kHz.
    public let sampleCounts: [Int]

    let paths: PackedStrings
    let labelLines: PackedStrings?
    /// Beginnings within longer recordings, −1 for whole ones; nil if all are whole.
    let offsets: [Int]?

    init(
        name: String, format: Format, root: URL, labelFile: String?, sampleCounts: [Int], paths: PackedStrings,
        labelLines: PackedStrings?, offsets: [Int]?
    ) {
        self.name = name
        self.format = format
        self.root = root
        self.labelFile = labelFile
        self.sampleCounts = sampleCounts
        self.paths = paths
        self.labelLines = labelLines
        self.offsets = offsets
    }

    /// Makes a manifest of files under a folder.
    ///
    /// - Parameters:
    ///   - name: What errors call it.
    ///   - root: The folder.
    ///   - paths: Files, relative to the folder or absolute.
    ///   - sampleCounts: Their lengths in samples at 16 kHz; as many as paths.
    ///   - labels: Label lines; as many as paths.
    /// - Throws: `CorpusError.badOption`, if the counts differ.
    public init(
        name: String = "manifest", root: URL, paths: [String], sampleCounts: [Int], labels: [String]? = nil
    ) throws {
        guard paths.count == sampleCounts.count, labels.map({ $0.count == paths.count }) ?? true else {
            throw CorpusError.badOption(
                name: name,
                reason: "\(paths.count) paths, \(sampleCounts.count) lengths and \(labels?.count ?? paths.count) "
                    + "label lines do not go together")
        }
        self.init(
            name: name, format: .fairseq, root: root, labelFile: nil, sampleCounts: sampleCounts,
            paths: PackedStrings(paths), labelLines: labels.map { PackedStrings($0) }, offsets: nil)
    }

    /// How many utterances there are.
    public var count: Int { sampleCounts.count }

    /// Whether label lines were read.
    public var hasLabels: Bool { labelLines != nil }

    /// The sum of all lengths, in samples at 16 kHz.
    public var totalSamples: Int { sampleCounts.reduce(0, +) }

    /// An utterance.
    public subscript(index: Int) -> Utterance {
        let path = paths[index]
        let offset = offsets.map { $0[index] } ?? -1
        return Utterance(
            identifier: path,
            audio: path.hasPrefix("/") ? URL(fileURLWithPath: path) : root.appendingPathComponent(path),
            sampleCount: sampleCounts[index], offset: offset < 0 ? nil : offset, labels: labelLines?[index],
            line: line(of: index))
    }

    /// An utterance's path as the manifest has it.
    ///
    /// - Parameter index: Which utterance.
    /// - Returns: The path, relative to the root or absolute.
    public func path(_ index: Int) -> String { paths[index] }

    /// The manifest's line that names an utterance, from 1.
    func line(of index: Int) -> Int { format == .fairseq ? index + 2 : index + 1 }

    /// Where an utterance's label line stands.
    func labelPlace(of index: Int) -> (file: String, line: Int) {
        labelFile.map { ($0, index + 1) } ?? (name, line(of: index))
    }

    /// How many samples a recording may be longer or shorter than the manifest says.
    ///
    /// Counts come from other decoders, which round a codec's delay and a resampled length their own way; seconds in
    /// JSON lines are often rounded to a tenth.
    public var lengthTolerance: Int { format == .fairseq ? 32 : AudioFile.modelSampleRate / 20 }

    /// Some of the utterances, in the order given.
    ///
    /// - Parameters:
    ///   - indices: Which ones.
    ///   - name: What errors call the new manifest.
    /// - Returns: A manifest with the same root.
    public func subset(_ indices: some Collection<Int>, name: String) -> Manifest {
        Manifest(
            name: name, format: .fairseq, root: root, labelFile: nil, sampleCounts: indices.map { sampleCounts[$0] },
            paths: PackedStrings(indices.lazy.map { paths[$0] }),
            labelLines: labelLines.map { lines in PackedStrings(indices.lazy.map { lines[$0] }) },
            offsets: offsets.map { offsets in indices.map { offsets[$0] } })
    }

    /// The utterances whose recordings are not there.
    ///
    /// - Returns: Their indices, ascending.
    public func missingAudio() -> [Int] {
        (0..<count).filter { access(self[$0].audio.path, F_OK) != 0 }
    }

    /// Checks that every recording is there.
    ///
    /// - Throws: `CorpusError.missingAudio`, with their count and the first few names.
    public func validate() throws {
        let missing = missingAudio()
        guard missing.isEmpty else {
            throw CorpusError.missingAudio(
                manifest: name, count: missing.count, total: count,
                examples: missing.prefix(5).map { "\(self[$0].audio.path) (line \(line(of: $0)))" })
        }
    }

    /// Writes the list as a fairseq manifest: the root, then `path<TAB>samples`.
    ///
    /// - Parameter url: The file; one of that name is replaced.
    /// - Throws: `CorpusError`; among others for parts of recordings, which the format cannot express.
    public func write(to url: URL) throws {
        if let part = offsets?.firstIndex(where: { $0 >= 0 }) {
            throw CorpusError.unwritable(
                file: url.path, reason: "\(paths[part]) begins within its recording, which a .tsv cannot say")
        }
        let breaks: Set<UInt8> = [0x09, 0x0A, 0x0D]
        if let bad = (0..<count).first(where: { paths.utf8($0).contains(where: breaks.contains) }) {
            throw CorpusError.unwritable(
                file: url.path, reason: "the file name \"\(paths[bad])\" has a tab or a line break")
        }
        let lines = (0..<count).lazy.map { "\(paths[$0])\t\(sampleCounts[$0])" }
        try Lines.write(chain([root.path], lines), to: url)
    }
}

private func chain(_ first: [String], _ second: some Sequence<String>) -> AnySequence<String> {
    AnySequence {
        var head = first.makeIterator()
        var tail = second.makeIterator()
        return AnyIterator { head.next() ?? tail.next() }
    }
}

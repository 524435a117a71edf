import Foundation
import W2VAudio

/// A list of utterances, from one file or folder or several; compact enough for millions.
public struct Manifest: Sendable {
    /// The form of a list.
    public enum Format: Sendable {
        /// A root line, then `path<TAB>samples`.
        case fairseq
        /// One JSON object per line, with `audio_filepath`, `duration` in seconds and `text`.
        case jsonLines
        /// One JSON list: of such objects, or of objects with `transcript` and `files`.
        case jsonList
        /// A folder with `wav.scp`.
        case kaldi
        /// A folder of recordings with their transcripts beside them.
        case folder
        /// A table whose first line names its columns, such as Common Voice's.
        case table
    }

    /// A range of utterances that comes from one list.
    public struct Source: Sendable {
        /// The file or folder, as named in errors.
        public var name: String
        /// The list's form.
        public var format: Format
        /// The folder that relative paths start from.
        public var root: URL
        /// The file of the label lines; nil without labels or if the list itself holds them.
        public var labelFile: String?
        /// The extension of the labels that were read; nil without labels.
        public var labels: String?
        /// Average number of times an epoch draws each of its utterances.
        public var weight = 1.0
        /// The index of its first utterance.
        var start = 0
        /// The line of its first utterance, if entries and lines correspond one to one.
        var firstLine = 1
    }

    /// The whole list's name for errors.
    public let name: String
    /// The lists that it consists of, in order; more than one only if several were joined.
    public let sources: [Source]
    /// Every utterance's length in samples at 16 kHz.
    public let sampleCounts: [Int]

    let paths: PackedStrings
    let labelLines: PackedStrings?
    /// Start offsets within longer recordings, −1 for whole ones; nil if all are whole.
    let offsets: [Int]?
    /// The utterances' names, if they are not their paths.
    let identifiers: PackedStrings?
    /// The speakers, if the list gives them.
    let speakers: PackedStrings?
    /// The line of each utterance and of its labels; nil if they follow from its index.
    let lines: [UInt32]?
    let labelNumbers: [UInt32]?
    /// The list's other metadata, if requested.
    var tags: CarriedTags?

    init(
        name: String, sources: [Source], sampleCounts: [Int], paths: PackedStrings, labelLines: PackedStrings? = nil,
        offsets: [Int]? = nil, identifiers: PackedStrings? = nil, speakers: PackedStrings? = nil,
        lines: [UInt32]? = nil, labelNumbers: [UInt32]? = nil
    ) {
        self.name = name
        self.sources = sources
        self.sampleCounts = sampleCounts
        self.paths = paths
        self.labelLines = labelLines
        self.offsets = offsets
        self.identifiers = identifiers
        self.speakers = speakers
        self.lines = lines
        self.labelNumbers = labelNumbers
    }

    /// Makes a manifest of files under a folder.
    ///
    /// - Parameters:
    ///   - name: The manifest's name for errors.
    ///   - root: The folder.
    ///   - paths: Files, relative to the folder or absolute.
    ///   - sampleCounts: Their lengths in samples at 16 kHz, one per path.
    ///   - labels: Label lines, one per path.
    /// - Throws: `CorpusError.badOption` if the counts differ.
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
            name: name, sources: [Source(name: name, format: .fairseq, root: root, firstLine: 2)],
            sampleCounts: sampleCounts, paths: PackedStrings(paths), labelLines: labels.map { PackedStrings($0) })
    }

    /// Number of utterances.
    public var count: Int { sampleCounts.count }

    /// Whether label lines were read.
    public var hasLabels: Bool { labelLines != nil }

    /// The sum of all lengths, in samples at 16 kHz.
    public var totalSamples: Int { sampleCounts.reduce(0, +) }

    /// An utterance.
    public subscript(index: Int) -> Utterance {
        Utterance(
            identifier: identifier(index), audio: audio(index), sampleCount: sampleCounts[index],
            offset: offset(index), labels: labelLines?[index], speaker: speakers?[index], line: place(of: index).line)
    }

    /// Returns an utterance's path as the list has it, relative to the root or absolute.
    public func path(_ index: Int) -> String { paths[index] }

    /// Returns an utterance's name for people: the list's name for it, or its path, with the start offset for a segment
    /// of a recording.
    public func identifier(_ index: Int) -> String {
        if let identifiers { return identifiers[index] }
        guard let offset = offset(index) else { return paths[index] }
        return paths[index] + "@" + seconds(offset)
    }

    /// Returns the list that an utterance comes from.
    public func source(of index: Int) -> Source { sources[sourceIndex(of: index)] }

    /// Returns the indices of a source's utterances.
    public func range(ofSource source: Int) -> Range<Int> {
        sources[source].start..<(source + 1 < sources.count ? sources[source + 1].start : count)
    }

    /// Returns the number of samples by which a recording's length may differ from the list's.
    ///
    /// Lengths come from other decoders, which round a codec's delay and a resampled length differently; seconds in
    /// JSON lines and Kaldi's files are often rounded to a tenth.
    public func lengthTolerance(of index: Int) -> Int {
        switch source(of: index).format {
        case .fairseq, .folder, .table: 32
        case .jsonLines, .jsonList, .kaldi: AudioFile.modelSampleRate / 20
        }
    }

    /// Returns the error of a recording whose length differs from the list's; `found` is its length in samples at 16
    /// kHz.
    public func lengthMismatch(of index: Int, found: Int) -> CorpusError {
        let (utterance, place) = (self[index], place(of: index))
        return .lengthMismatch(
            utterance: utterance.audio.path, manifest: place.file, line: place.line, expected: utterance.sampleCount,
            found: found)
    }

    private func sourceIndex(of index: Int) -> Int {
        (sources.lastIndex { $0.start <= index }) ?? 0
    }

    func audio(_ index: Int) -> URL {
        let path = paths[index]
        return path.utf8.first == 0x2F
            ? URL(fileURLWithPath: path) : URL(fileURLWithPath: source(of: index).root.path + "/" + path)
    }

    func offset(_ index: Int) -> Int? {
        guard let offset = offsets?[index], offset >= 0 else { return nil }
        return offset
    }

    /// Returns the file and line that name an utterance.
    func place(of index: Int) -> (file: String, line: Int) {
        let source = source(of: index)
        return (source.name, lines.map { Int($0[index]) } ?? index - source.start + source.firstLine)
    }

    /// Returns the file and line of an utterance's labels.
    func labelPlace(of index: Int) -> (file: String, line: Int) {
        let source = source(of: index)
        if source.format == .folder, let labels = source.labels {
            return transcriptPlace(of: index, labels: labels)
        }
        guard let file = source.labelFile else { return place(of: index) }
        return (file, labelNumbers.map { Int($0[index]) } ?? index - source.start + 1)
    }

    /// Returns the utterances at some indices, in the order given, as a manifest with the same root.
    ///
    /// - Parameters:
    ///   - indices: The utterances.
    ///   - name: The new manifest's name for errors.
    public func subset(_ indices: some Collection<Int>, name: String) -> Manifest {
        let isWhole = sources.count == 1
        var source = sources[0]
        source.name = name
        source.weight = 1
        source.labelFile = nil
        if !isWhole { source.root = URL(fileURLWithPath: "/") }
        var result = Manifest(
            name: name, sources: [source], sampleCounts: indices.map { sampleCounts[$0] },
            paths: isWhole ? paths.selecting(indices) : PackedStrings(indices.lazy.map { audio($0).path }),
            labelLines: labelLines?.selecting(indices), offsets: offsets.map { offsets in indices.map { offsets[$0] } },
            identifiers: identifiers?.selecting(indices), speakers: speakers?.selecting(indices))
        result.tags = tags?.selecting(indices)
        return result
    }

    /// Concatenates several manifests.
    ///
    /// - Parameter manifests: The manifests with their weights: the average number of times an epoch draws each
    ///   utterance.
    /// - Returns: All utterances in the order given; errors still name each utterance's file and line.
    /// - Throws: `CorpusError` if there is no manifest, a weight is not a positive number, or only some have labels.
    public static func joined(_ manifests: [(manifest: Manifest, weight: Double)]) throws -> Manifest {
        guard let first = manifests.first else {
            throw CorpusError.badOption(name: "manifests", reason: "expected at least one, found none")
        }
        for (manifest, weight) in manifests where !(weight > 0 && weight <= 1000) {
            throw CorpusError.badOption(
                name: "the weight of \(manifest.name)",
                reason: "expected a number above 0 and at most 1000, found \(weight)")
        }
        if let unlabeled = manifests.first(where: { $0.manifest.hasLabels != first.manifest.hasLabels }) {
            let without = first.manifest.hasLabels ? unlabeled.manifest : first.manifest
            throw CorpusError.noLabels(manifest: without.name)
        }
        var sources: [Source] = []
        var counts: [Int] = []
        counts.reserveCapacity(manifests.reduce(0) { $0 + $1.manifest.count })
        for (manifest, weight) in manifests {
            for var source in manifest.sources {
                source.start += counts.count
                source.weight *= weight
                sources.append(source)
            }
            counts.append(contentsOf: manifest.sampleCounts)
        }
        let parts = manifests.map(\.manifest)
        let name = manifests.map { $1 == 1 ? $0.name : "\($0.name):\($1)" }.joined(separator: " + ")
        if parts.count == 1 {
            var result = Manifest(
                name: name, sources: sources, sampleCounts: counts, paths: parts[0].paths,
                labelLines: parts[0].labelLines, offsets: parts[0].offsets, identifiers: parts[0].identifiers,
                speakers: parts[0].speakers, lines: parts[0].lines, labelNumbers: parts[0].labelNumbers)
            result.tags = parts[0].tags
            return result
        }
        func numbers(_ lines: KeyPath<Manifest, [UInt32]?>, _ place: (Manifest, Int) -> Int) -> [UInt32]? {
            guard parts.contains(where: { $0[keyPath: lines] != nil }) else { return nil }
            return parts.flatMap { part in
                part[keyPath: lines] ?? (0..<part.count).map { UInt32(clamping: place(part, $0)) }
            }
        }
        var result = Manifest(
            name: name, sources: sources, sampleCounts: counts, paths: concatenated(parts) { $0.paths },
            labelLines: first.manifest.hasLabels ? concatenated(parts) { $0.labelLines ?? PackedStrings() } : nil,
            offsets: parts.contains { $0.offsets != nil }
                ? parts.flatMap { $0.offsets ?? [Int](repeating: -1, count: $0.count) } : nil,
            identifiers: parts.contains { $0.identifiers != nil }
                ? concatenated(parts) { part in
                    part.identifiers ?? PackedStrings((0..<part.count).lazy.map(part.identifier))
                } : nil,
            speakers: parts.contains { $0.speakers != nil }
                ? concatenated(parts) { $0.speakers ?? PackedStrings(repeatElement("", count: $0.count)) } : nil,
            lines: numbers(\.lines) { $0.place(of: $1).line },
            labelNumbers: numbers(\.labelNumbers) { $0.labelPlace(of: $1).line })
        result.tags = CarriedTags.joined(parts)
        return result
    }

    private static func concatenated(_ parts: [Manifest], _ strings: (Manifest) -> PackedStrings) -> PackedStrings {
        let all = parts.map(strings)
        var result = PackedStrings()
        result.reserve(strings: all.reduce(0) { $0 + $1.count }, bytes: all.reduce(0) { $0 + $1.byteCount })
        for strings in all { result.append(contentsOf: strings) }
        return result
    }

    /// Returns the indices of the utterances whose recordings do not exist, in ascending order.
    public func missingAudio() -> [Int] {
        var missing: [Int] = []
        var path: [UInt8] = []
        var previous = -1
        var exists = false
        for number in sources.indices {
            let root = Array(sources[number].root.path.utf8) + [0x2F]
            for index in range(ofSource: number) {
                // Segments of one recording are adjacent: the disk is asked once.
                if previous >= 0, paths.withBytes(index, { paths.equals(previous, $0) }),
                    number == sourceIndex(of: previous)
                {
                    if !exists { missing.append(index) }
                    continue
                }
                path.removeAll(keepingCapacity: true)
                let own = paths.utf8(index)
                if own.first != 0x2F { path.append(contentsOf: root) }
                path.append(contentsOf: own)
                path.append(0)
                exists = path.withUnsafeBytes { bytes in
                    bytes.baseAddress.map { access($0.assumingMemoryBound(to: CChar.self), F_OK) == 0 } ?? false
                }
                if !exists { missing.append(index) }
                previous = index
            }
        }
        return missing
    }

    /// Checks that every recording exists.
    ///
    /// - Throws: `CorpusError.missingAudio` with their count and the first few names.
    public func validate() throws {
        let missing = missingAudio()
        guard missing.isEmpty else {
            throw CorpusError.missingAudio(
                manifest: name, count: missing.count, total: count,
                examples: missing.prefix(5).map { "\(audio($0).path) (line \(place(of: $0).line))" })
        }
    }

    /// Formats samples at 16 kHz as seconds, so that reading them returns the same number of samples.
    func seconds(_ samples: Int) -> String { "\(Double(samples) / Double(AudioFile.modelSampleRate))" }
}

import Foundation
import W2VAudio

/// A list of utterances, from one file or folder or several joined; compact enough for millions.
public struct Manifest: Sendable {
    /// Where a list can come from.
    public enum Format: Sendable {
        /// A root line, then `path<TAB>samples`.
        case fairseq
        /// One JSON object a line, with `audio_filepath`, `duration` in seconds and `text`.
        case jsonLines
        /// One JSON list: of such objects, or of objects with `transcript` and `files`.
        case jsonList
        /// A folder with `wav.scp`.
        case kaldi
        /// A folder of recordings with their transcripts beside them.
        case folder
    }

    /// Utterances that follow each other and come from one list.
    public struct Source: Sendable {
        /// The file or folder; what errors call it.
        public var name: String
        /// What it is.
        public var format: Format
        /// The folder that relative paths start from.
        public var root: URL
        /// The file of the label lines; nil without labels or where the list itself holds them.
        public var labelFile: String?
        /// The extension of labels that were read; nil without.
        public var labels: String?
        /// How often an epoch has each of its utterances, on average.
        public var weight = 1.0
        /// The first of its utterances.
        var start = 0
        /// The line of its first utterance, where entries and lines go together one by one.
        var firstLine = 1
    }

    /// What errors call the whole list.
    public let name: String
    /// The lists that it consists of, in order; one unless several were joined.
    public let sources: [Source]
    /// Every utterance's length in samples at 16 kHz.
    public let sampleCounts: [Int]

    let paths: PackedStrings
    let labelLines: PackedStrings?
    /// Beginnings within longer recordings, −1 for whole ones; nil if all are whole.
    let offsets: [Int]?
    /// Names of utterances that are not their paths.
    let identifiers: PackedStrings?
    /// Who speaks, where the list says it.
    let speakers: PackedStrings?
    /// The line of each utterance and of its labels, where they do not follow from its number.
    let lines: [UInt32]?
    let labelNumbers: [UInt32]?
    /// What else the list says, where that was asked for.
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
            name: name, sources: [Source(name: name, format: .fairseq, root: root, firstLine: 2)],
            sampleCounts: sampleCounts, paths: PackedStrings(paths), labelLines: labels.map { PackedStrings($0) })
    }

    /// How many utterances there are.
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

    /// An utterance's path as the list has it.
    ///
    /// - Parameter index: Which utterance.
    /// - Returns: The path, relative to the root or absolute.
    public func path(_ index: Int) -> String { paths[index] }

    /// What people call an utterance: the name that the list gives it, or its path, and for a part of a recording its
    /// beginning.
    ///
    /// - Parameter index: Which utterance.
    /// - Returns: The name.
    public func identifier(_ index: Int) -> String {
        if let identifiers { return identifiers[index] }
        guard let offset = offset(index) else { return paths[index] }
        return paths[index] + "@" + seconds(offset)
    }

    /// The list that an utterance comes from.
    ///
    /// - Parameter index: Which utterance.
    /// - Returns: Its source.
    public func source(of index: Int) -> Source { sources[sourceIndex(of: index)] }

    /// The utterances of one of the sources.
    ///
    /// - Parameter source: The source's number.
    /// - Returns: Indices.
    public func range(ofSource source: Int) -> Range<Int> {
        sources[source].start..<(source + 1 < sources.count ? sources[source + 1].start : count)
    }

    /// How many samples a recording may be longer or shorter than the list says.
    ///
    /// Counts come from other decoders, which round a codec's delay and a resampled length their own way; seconds in
    /// JSON lines and Kaldi's files are often rounded to a tenth.
    ///
    /// - Parameter index: Which utterance.
    /// - Returns: Samples at 16 kHz.
    public func lengthTolerance(of index: Int) -> Int {
        switch source(of: index).format {
        case .fairseq, .folder: 32
        case .jsonLines, .jsonList, .kaldi: AudioFile.modelSampleRate / 20
        }
    }

    /// What is wrong with a recording whose length is not the list's.
    ///
    /// - Parameters:
    ///   - index: Which utterance.
    ///   - found: Its samples at 16 kHz.
    /// - Returns: The error.
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

    /// The file and line that name an utterance.
    func place(of index: Int) -> (file: String, line: Int) {
        let source = source(of: index)
        return (source.name, lines.map { Int($0[index]) } ?? index - source.start + source.firstLine)
    }

    /// Where an utterance's label line stands.
    func labelPlace(of index: Int) -> (file: String, line: Int) {
        let source = source(of: index)
        if source.format == .folder, let labels = source.labels {
            return transcriptPlace(of: index, labels: labels)
        }
        guard let file = source.labelFile else { return place(of: index) }
        return (file, labelNumbers.map { Int($0[index]) } ?? index - source.start + 1)
    }

    /// Some of the utterances, in the order given.
    ///
    /// - Parameters:
    ///   - indices: Which ones.
    ///   - name: What errors call the new manifest.
    /// - Returns: A manifest with the same root.
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

    /// Several manifests, one after the other.
    ///
    /// - Parameter manifests: The manifests with their weights: how often an epoch has each of their utterances.
    /// - Returns: All utterances in the order given; errors still name the file and line that each comes from.
    /// - Throws: `CorpusError`, if nothing is given, a weight is no positive number, or only some have labels.
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

    /// The utterances whose recordings are not there.
    ///
    /// - Returns: Their indices, ascending.
    public func missingAudio() -> [Int] {
        var missing: [Int] = []
        var path: [UInt8] = []
        var previous = -1
        var exists = false
        for number in sources.indices {
            let root = Array(sources[number].root.path.utf8) + [0x2F]
            for index in range(ofSource: number) {
                // Parts of one recording follow each other: the disk is asked once.
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

    /// Checks that every recording is there.
    ///
    /// - Throws: `CorpusError.missingAudio`, with their count and the first few names.
    public func validate() throws {
        let missing = missingAudio()
        guard missing.isEmpty else {
            throw CorpusError.missingAudio(
                manifest: name, count: missing.count, total: count,
                examples: missing.prefix(5).map { "\(audio($0).path) (line \(place(of: $0).line))" })
        }
    }

    /// Samples at 16 kHz as a number of seconds that reads back as the same samples.
    func seconds(_ samples: Int) -> String { "\(Double(samples) / Double(AudioFile.modelSampleRate))" }
}

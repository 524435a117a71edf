import Foundation
import W2VAudio
import W2VBase

/// Reads manifests of JSON objects: one per line, as NeMo's tools write them, or a list.
struct JSONManifest {
    private let url: URL
    private let labels: String?
    private let labelKey: String?
    private var paths = PackedStrings()
    private var labelLines = PackedStrings()
    private var counts: [Int] = []
    private var offsets: [Int] = []
    private var hasOffsets = false
    /// The object or line of each utterance; nil if they correspond one to one.
    private var lines: [UInt32]?
    /// The utterances whose lengths must be read from their recordings.
    private var unmeasured: [Int] = []
    private var tags: CarriedTags?
    /// The keys that are not tags.
    private let ownKeys: Set<ExactText>

    init(_ url: URL, labels: String?, keepsTags: Bool = false) {
        self.url = url
        tags = keepsTags ? CarriedTags() : nil
        // Transcripts are left out on purpose unless requested.
        ownKeys = [
            "audio_filepath", "duration", "offset",
            ExactText(labels.map { Transcript.isSpelled($0) ? "text" : $0 } ?? "text"),
        ]
        self.labels = labels
        labelKey = labels.map { Transcript.isSpelled($0) ? "text" : $0 }
    }

    /// The members of an object that matter.
    private struct Entry {
        var path = [UInt8]()
        var text = [UInt8]()
        var hasPath = false
        var hasText = false
        var duration: Double?
        var offset: Double?
        /// Whether a duration or an offset is present but not a number; `null` counts as absent.
        var (hasBadDuration, hasBadOffset) = (false, false)
        var names: Set<ExactText> = []
        var members = [UInt8]()

        mutating func clear() {
            path.removeAll(keepingCapacity: true)
            text.removeAll(keepingCapacity: true)
            (hasPath, hasText, duration, offset) = (false, false, nil, nil)
            (hasBadDuration, hasBadOffset) = (false, false)
            names.removeAll(keepingCapacity: true)
            members.removeAll(keepingCapacity: true)
        }
    }

    // MARK: - One object per line

    /// Reads JSON lines, skipping blank ones.
    mutating func readLines() throws -> Manifest {
        var reader = try LineReader(url)
        var entry = Entry()
        var read = 0
        let key = labelKey.map { Array($0.utf8) }
        while let line = try reader.next() {
            read += line.count + 1
            if line.allSatisfy(Lines.isBlank) {
                if lines == nil { lines = (0..<counts.count).map { UInt32(clamping: $0 + 1) } }
                continue
            }
            entry.clear()
            if !Self.scan(line, labelKey: key, ownKeys: tags == nil ? nil : ownKeys, into: &entry) {
                entry.clear()
                try parse(line, number: reader.number, into: &entry)
            }
            try append(entry, number: reader.number) { String(decoding: line.prefix(200), as: UTF8.self) }
            if counts.count == 1000 {
                paths.reserveRest(read: read, of: reader.size)
                labelLines.reserveRest(read: read, of: reader.size)
                let all = Int(1.02 * Double(reader.size) / Double(read) * 1000)
                counts.reserveCapacity(all)
                offsets.reserveCapacity(all)
            }
        }
        return try manifest(.jsonLines)
    }

    private static func scan(
        _ line: UnsafeRawBufferPointer, labelKey: [UInt8]?, ownKeys: Set<ExactText>?, into entry: inout Entry
    ) -> Bool {
        var isGood = true
        func take(_ value: FlatJSON.Value, into bytes: inout [UInt8]) -> Bool {
            guard case .string(let characters, let isEscaped) = value else { return false }
            bytes.removeAll(keepingCapacity: true)
            if isEscaped {
                isGood = isGood && FlatJSON.unescape(characters, into: &bytes)
            } else {
                bytes.append(contentsOf: characters)
            }
            return true
        }
        func number(_ value: FlatJSON.Value) -> (Double?, isBad: Bool) {
            switch value {
            case .number(let number): (number, false)
            case .null: (nil, false)
            case .string, .other: (nil, true)
            }
        }
        let isWhole = FlatJSON.forEachMember(of: line) { key, value, text in
            if key.elementsEqual("audio_filepath".utf8) {
                entry.hasPath = take(value, into: &entry.path)
            } else if key.elementsEqual("duration".utf8) {
                (entry.duration, entry.hasBadDuration) = number(value)
            } else if key.elementsEqual("offset".utf8) {
                (entry.offset, entry.hasBadOffset) = number(value)
            }
            if let labelKey, key.elementsEqual(labelKey) { entry.hasText = take(value, into: &entry.text) }
            if let ownKeys {
                let name = String(decoding: key, as: UTF8.self)
                guard !ownKeys.contains(ExactText(name)) else { return }
                entry.names.insert(ExactText(name))
                entry.members.append(contentsOf: ", \"\(name)\": ".utf8)
                entry.members.append(contentsOf: text)
            }
        }
        return isWhole && isGood
    }

    private func parse(_ line: UnsafeRawBufferPointer, number: Int, into entry: inout Entry) throws {
        guard let object = try? JSONParser.value(ofLine: line).object else {
            throw CorpusError.badLine(line, number: number, in: url, expected: "one JSON object")
        }
        take(object, into: &entry)
    }

    private func take(_ object: JSONObject, into entry: inout Entry) {
        if let path = object["audio_filepath"]?.string {
            entry.path = Array(path.utf8)
            entry.hasPath = true
        }
        (entry.duration, entry.hasBadDuration) = Self.number(object["duration"])
        (entry.offset, entry.hasBadOffset) = Self.number(object["offset"])
        if let labelKey, let text = object[labelKey]?.string {
            entry.text = Array(text.utf8)
            entry.hasText = true
        }
        takeTags(object.sorted.filter { !ownKeys.contains(ExactText($0.key)) }, into: &entry)
    }

    /// Returns a number that may be absent or `null`, and whether the value is something else.
    private static func number(_ value: JSONValue?) -> (Double?, isBad: Bool) {
        guard let value, value != .null else { return (nil, false) }
        return (value.double, value.double == nil)
    }

    private func takeTags(_ members: [(key: String, value: JSONValue)], into entry: inout Entry) {
        guard tags != nil else { return }
        for (name, value) in members {
            entry.names.insert(ExactText(name))
            entry.members.append(contentsOf: ", \(name.jsonQuoted): \(value.line)".utf8)
        }
    }

    private mutating func append(_ entry: Entry, number: Int, _ found: () -> String) throws {
        func bad(_ expected: String) -> CorpusError {
            .badLine(file: url.path, line: number, expected: expected, found: found())
        }
        let rate = Double(AudioFile.modelSampleRate)
        guard entry.hasPath, !entry.path.isEmpty else { throw bad("\"audio_filepath\" with a path") }
        guard !entry.hasBadDuration, (0...1e9).contains(entry.duration ?? 0) else {
            throw bad("\"duration\" with a number of seconds")
        }
        guard !entry.hasBadOffset, (0...1e9).contains(entry.offset ?? 0) else {
            throw bad("\"offset\" with a number of seconds")
        }
        if let labels, let labelKey {
            guard entry.hasText else { throw bad("\"\(labelKey)\" with a transcript") }
            if Transcript.isSpelled(labels), entry.text.contains(UInt8(ascii: "|")) {
                throw bad("a transcript without the word boundary |")
            }
            labelLines.append { Transcript.appendLine(entry.text, labels: labels, to: &$0) }
        }
        paths.append(entry.path)
        if entry.duration == nil { unmeasured.append(counts.count) }
        counts.append(entry.duration.map { Int(($0 * rate).rounded()) } ?? 0)
        lines?.append(UInt32(clamping: number))
        offsets.append(entry.offset.map { Int(($0 * rate).rounded()) } ?? -1)
        hasOffsets = hasOffsets || entry.offset != nil
        tags?.names.formUnion(entry.names)
        tags?.members.append(entry.members)
    }

    private mutating func manifest(_ format: Manifest.Format) throws -> Manifest {
        try measure(made(format))
        return made(format)
    }

    /// Reads the lengths that the list does not give from the recordings' headers.
    ///
    /// - Parameter manifest: The list, with 0 for these lengths.
    /// - Throws: `CorpusError` that names the line whose recording cannot be measured.
    private mutating func measure(_ manifest: Manifest) throws {
        let unmeasured = unmeasured
        let lengths = ParallelMap.map(count: unmeasured.count) { index in
            try AudioFile.info(manifest.audio(unmeasured[index])).sampleCount(at: AudioFile.modelSampleRate)
        }
        for (index, length) in zip(unmeasured, lengths) {
            let place = manifest.place(of: index)
            do {
                counts[index] = try length.get() - (manifest.offset(index) ?? 0)
            } catch {
                throw CorpusError.noLength(file: place.file, line: place.line, reason: "\(error)")
            }
            guard counts[index] > 0 || manifest.offset(index) == nil else {
                throw CorpusError.badLine(
                    file: place.file, line: place.line, expected: "an \"offset\" inside the recording",
                    found: "\(manifest.seconds(manifest.offset(index) ?? 0)) s, which is behind its end")
            }
        }
    }

    private func made(_ format: Manifest.Format) -> Manifest {
        var manifest = Manifest(
            name: url.path,
            sources: [
                .init(name: url.path, format: format, root: url.deletingLastPathComponent(), labels: labels)
            ],
            sampleCounts: counts, paths: paths, labelLines: labels == nil ? nil : labelLines,
            offsets: hasOffsets ? offsets : nil, lines: lines)
        manifest.tags = tags
        return manifest
    }

    // MARK: - One list

    /// Reads a JSON list.
    ///
    /// Its objects are those of JSON lines, or have a `transcript` and `files`: each file with `fname` and `duration`
    /// or `num_samples` and `sample_rate`, as NVIDIA's script for LibriSpeech writes them. Errors give an object's
    /// number in place of a line number.
    mutating func readList() throws -> Manifest {
        let objects = try Self.objects(url)
        lines = []
        for (index, object) in objects.enumerated() {
            let found = { "object \(index + 1): \(JSONValue.object(object).line)".prefix(200) }
            for entry in try entries(object, number: index + 1, found: { String(found()) }) {
                try append(entry, number: index + 1) { String(found()) }
            }
        }
        return try manifest(.jsonList)
    }

    private func entries(_ object: JSONObject, number: Int, found: () -> String) throws -> [Entry] {
        guard let files = object["files"] else {
            var entry = Entry()
            take(object, into: &entry)
            return [entry]
        }
        guard let files = files.array, !files.isEmpty, files.allSatisfy({ $0.object != nil }) else {
            throw CorpusError.badLine(
                file: url.path, line: number, expected: "\"files\" with a list of objects", found: found())
        }
        let textKey = labels.map { Transcript.isSpelled($0) ? "transcript" : $0 }
        return files.compactMap(\.object).map { file in
            var entry = Entry()
            if let name = file["fname"]?.string {
                entry.path = Array(name.utf8)
                entry.hasPath = true
            }
            if let samples = file["num_samples"]?.double, let rate = file["sample_rate"]?.double, rate > 0 {
                entry.duration = samples / rate
            } else {
                (entry.duration, entry.hasBadDuration) = Self.number(file["duration"])
            }
            if let textKey, let text = object[textKey]?.string {
                entry.text = Array(text.utf8)
                entry.hasText = true
            }
            let own = file.filter { !["fname", "duration", "num_samples", "sample_rate"].contains($0.key) }
            // Members of the object, which hold for all its files, take precedence over those of a file.
            var tags = JSONObject(inOrder: own)
            for (key, value) in object
            where key != "files" && key != "transcript" && !ownKeys.contains(ExactText(key)) {
                tags[key] = value
            }
            takeTags(tags.sorted, into: &entry)
            return entry
        }
    }
}

import Foundation
import W2VAudio
import W2VBase

/// Reads a Kaldi data folder: `wav.scp`, and if present `segments`, `text`, `utt2spk`, `utt2dur`, `reco2dur`.
///
/// Commands in `wav.scp` (entries that end in `|`) are never run: they are errors that name the line.
struct KaldiFolder {
    private let folder: URL

    init(_ folder: URL) { self.folder = folder }

    private func file(_ name: String) -> URL { folder.appendingPathComponent(name) }

    private func has(_ name: String) -> Bool { FileManager.default.fileExists(atPath: file(name).path) }

    /// Reads the folder.
    ///
    /// - Parameters:
    ///   - labels: `ltr` spells `text`, `wrd` takes its words, any other extension reads the file of that name
    ///     unchanged.
    ///   - keepsTags: Whether names, speakers and other files about utterances and speakers are kept as tags.
    /// - Returns: The utterances of `segments`, or of `wav.scp` without segments, in that file's order.
    /// - Throws: `CorpusError` that names file and line.
    func read(labels: String?, keepsTags: Bool = false) throws -> Manifest {
        let recordings = try readRecordings()
        let list = has("segments") ? try readSegments(recordings) : try wholeRecordings(recordings)
        let names = KeyedLines(keys: list.identifiers, keyFile: list.file.path)
        var labelLines: PackedStrings?
        var labelNumbers: [UInt32]?
        let labelFile = labels.map { file(Transcript.isSpelled($0) ? "text" : $0) }
        if let labels, let labelFile {
            let text = try names.read(labelFile)
            labelNumbers = text.numbers
            var lines = PackedStrings()
            for index in 0..<list.identifiers.count {
                let words = Array(text.values.utf8(index))
                if Transcript.isSpelled(labels), words.contains(UInt8(ascii: "|")) {
                    throw CorpusError.badLine(
                        file: labelFile.path, line: Int(text.numbers[index]),
                        expected: "a transcript without the word boundary |", found: text.values[index])
                }
                lines.append { Transcript.appendLine(words, labels: labels, to: &$0) }
            }
            labelLines = lines
        }
        let speakers = has("utt2spk") ? try names.read(file("utt2spk")).values : nil
        var manifest = Manifest(
            name: folder.path,
            sources: [
                .init(
                    name: list.file.path, format: .kaldi, root: folder, labelFile: labelFile?.path, labels: labels)
            ],
            sampleCounts: list.counts, paths: list.paths, labelLines: labelLines, offsets: list.offsets,
            identifiers: list.identifiers, speakers: speakers, labelNumbers: labelNumbers)
        if keepsTags { manifest.tags = try tags(of: manifest) }
        return manifest
    }

    /// Reads the names as `id`, `utt2spk` as `speaker`, and every other `utt2TAG` or `spk2TAG` under its own name.
    private func tags(of manifest: Manifest) throws -> CarriedTags {
        var names: Set<ExactText> = has("utt2spk") ? ["speaker"] : []
        let others = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        for name in others where name.hasPrefix("utt2") || name.hasPrefix("spk2") {
            let tag = name.dropFirst(4)
            if tag.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" }) { names.insert(ExactText(tag)) }
        }
        names.subtract(["", "spk", "utt", "dur", "num_frames"])
        var columns: [(name: String, values: [String?])] = []
        for name in names.sorted().map(\.text) {
            do {
                columns.append((name, try UtteranceTags.read(name, of: manifest)))
            } catch CorpusError.noTag {
                // The file is about other utterances.
            }
        }
        var tags = CarriedTags()
        tags.names = Set(columns.map { ExactText($0.name) }).union(["id"])
        for index in 0..<manifest.count {
            var members = ", \"id\": \(manifest.identifier(index).jsonQuoted)"
            for (name, values) in columns {
                guard let value = values[index] else { continue }
                members += ", \(name.jsonQuoted): \(value.jsonQuoted)"
            }
            tags.members.append(members.utf8)
        }
        return tags
    }

    private struct List {
        var file: URL
        var identifiers = PackedStrings()
        var paths = PackedStrings()
        var counts: [Int] = []
        var offsets: [Int]?
    }

    private struct Recordings {
        var identifiers = PackedStrings()
        var paths = PackedStrings()
    }

    // MARK: - wav.scp

    private func readRecordings() throws -> Recordings {
        var recordings = Recordings()
        let url = file("wav.scp")
        var reader = try LineReader(url)
        while let line = try reader.next() {
            func bad(_ expected: String) -> CorpusError {
                .badLine(line, number: reader.number, in: url, expected: expected)
            }
            guard let (key, value) = KeyedLines.split(line), !value.isEmpty else {
                throw bad("a recording's name, a space and its file")
            }
            if value.last == UInt8(ascii: "|") || value.first == UInt8(ascii: "|") {
                throw CorpusError.command(
                    file: url.path, line: reader.number, command: String(decoding: value.prefix(200), as: UTF8.self))
            }
            if value.elementsEqual("-".utf8) { throw bad("a file, not the standard input") }
            recordings.identifiers.append(key)
            recordings.paths.append(value)
        }
        if recordings.identifiers.count == 0 { throw CorpusError.emptyManifest(file: url.path) }
        return recordings
    }

    /// Reads lengths in samples at 16 kHz: from `reco2dur`, or from the recordings' headers.
    private func lengths(_ recordings: Recordings, of wanted: [Int]) throws -> [Int] {
        if has("reco2dur") {
            let names = KeyedLines(keys: recordings.identifiers, keyFile: file("wav.scp").path)
            let all = try durations(names, file("reco2dur"))
            return wanted.map { all[$0] }
        }
        let urls = wanted.map { index -> URL in
            let path = recordings.paths[index]
            return path.utf8.first == 0x2F ? URL(fileURLWithPath: path) : file(path)
        }
        return try ParallelMap.map(count: urls.count) { index in
            do {
                return try AudioFile.info(urls[index]).sampleCount(at: AudioFile.modelSampleRate)
            } catch AudioError.notFound {
                let recording = wanted[index]
                throw CorpusError.noRecording(
                    file: file("wav.scp").path, line: recording + 1, name: recordings.identifiers[recording],
                    recording: urls[index].path)
            }
        }.map { try $0.get() }
    }

    private func durations(_ names: KeyedLines, _ url: URL) throws -> [Int] {
        let read = try names.read(url)
        return try (0..<read.values.count).map { index in
            guard let duration = Double(read.values[index]), (0...1e9).contains(duration) else {
                throw CorpusError.badLine(
                    file: url.path, line: Int(read.numbers[index]), expected: "a name and a number of seconds",
                    found: read.values[index])
            }
            return Int((duration * Double(AudioFile.modelSampleRate)).rounded())
        }
    }

    private func wholeRecordings(_ recordings: Recordings) throws -> List {
        var list = List(file: file("wav.scp"), identifiers: recordings.identifiers, paths: recordings.paths)
        let names = KeyedLines(keys: recordings.identifiers, keyFile: list.file.path)
        // Checks that names are unique here, also if no other file is read.
        _ = try names.indices()
        list.counts =
            has("utt2dur")
            ? try durations(names, file("utt2dur"))
            : try lengths(recordings, of: Array(0..<recordings.identifiers.count))
        return list
    }

    // MARK: - segments

    private func readSegments(_ recordings: Recordings) throws -> List {
        let url = file("segments")
        var list = List(file: url)
        var offsets: [Int] = []
        var open: [(utterance: Int, recording: Int)] = []
        let indices = try KeyedLines(keys: recordings.identifiers, keyFile: file("wav.scp").path).indices()
        let rate = Double(AudioFile.modelSampleRate)
        var reader = try LineReader(url)
        while let line = try reader.next() {
            let fields = String(decoding: line, as: UTF8.self).whitespaceSeparated
            func bad(_ expected: String) -> CorpusError {
                .badLine(line, number: reader.number, in: url, expected: expected)
            }
            guard fields.count == 4, let begin = Double(fields[2]), let end = Double(fields[3]),
                (0...1e9).contains(begin), end == -1 || (end > begin && end <= 1e9)
            else {
                throw bad("an utterance, its recording, and where it begins and ends in seconds (or −1 for its end)")
            }
            guard let recording = indices[ExactText(fields[1])] else { throw bad("a recording that wav.scp has") }
            let first = Int((begin * rate).rounded())
            if end == -1 { open.append((list.counts.count, recording)) }
            list.identifiers.append(fields[0].utf8)
            list.paths.append(recordings.paths.utf8(recording))
            list.counts.append(end == -1 ? 0 : Int((end * rate).rounded()) - first)
            offsets.append(first)
        }
        if !open.isEmpty {
            let wanted = Array(Set(open.map(\.recording))).sorted()
            let lengths = Dictionary(
                uniqueKeysWithValues: zip(wanted, try lengths(recordings, of: wanted)))
            for (utterance, recording) in open {
                let count = (lengths[recording] ?? 0) - offsets[utterance]
                guard count > 0 else {
                    throw CorpusError.badLine(
                        file: url.path, line: utterance + 1, expected: "a beginning inside the recording",
                        found: "\(list.identifiers[utterance]) begins behind the end")
                }
                list.counts[utterance] = count
            }
        }
        list.offsets = offsets
        _ = try KeyedLines(keys: list.identifiers, keyFile: url.path).indices()
        return list
    }
}

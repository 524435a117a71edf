import Foundation
import W2VAudio
import W2VFetching

/// A corpus in LibriSpeech's layout with a few tiny recordings, as archives for a server.
public struct MiniatureLibriSpeech: Sendable {
    /// A recording.
    public struct Recording: Equatable, Sendable {
        /// Its path below the part's folder.
        public var path: String
        /// Number of samples.
        public var samples: Int
        /// Its transcript.
        public var text: String

        /// Describes a recording.
        public init(path: String, samples: Int, text: String) {
            self.path = path
            self.samples = samples
            self.text = text
        }
    }

    /// The recordings of each part by its name, ordered by path.
    public private(set) var recordings: [String: [Recording]] = [:]
    /// The archives by name.
    public private(set) var archives: [String: Data] = [:]

    /// Makes the corpus.
    ///
    /// - Parameters:
    ///   - parts: The names of the parts; `librispeech_finetuning` is Libri-light's.
    ///   - folder: A folder for temporary files; afterwards it holds the unpacked parts, in the archives' layout.
    public init(_ parts: [String], in folder: URL) throws {
        for (index, part) in parts.enumerated() {
            if part == "librispeech_finetuning" {
                let places = (0..<6).flatMap { ["1h/\($0)/clean", "1h/\($0)/other"] } + ["9h/clean", "9h/other"]
                try add(part, top: part, places: places, folder)
                continue
            }
            try add(part, top: "LibriSpeech/" + part, places: [""], folder, offset: index * 17)
        }
    }

    /// Returns every archive's MD5, as `md5sum` writes it; `folder` is for a temporary file.
    public func checksums(in folder: URL) throws -> String {
        try archives.sorted { $0.key < $1.key }.map { name, data in
            let file = folder.appendingPathComponent(name)
            try data.write(to: file)
            defer { try? FileManager.default.removeItem(at: file) }
            return try Checksum.compute(.md5, of: file).digest + "  ./" + name + "\n"
        }.joined()
    }

    /// The files that a server offers below `/12/`.
    public var files: [String: Data] {
        Dictionary(uniqueKeysWithValues: archives.map { ("/12/" + $0.key, $0.value) })
    }

    private mutating func add(_ part: String, top: String, places: [String], _ folder: URL, offset: Int = 0) throws {
        var list: [Recording] = []
        var archive = TestArchive()
        archive.add(top + "/", type: "5")
        func put(_ name: String, _ data: Data) throws {
            archive.add(name, data)
            let file = folder.appendingPathComponent(name)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try data.write(to: file)
        }
        if places == [""] { try put("LibriSpeech/LICENSE.TXT", Data("as the original's\n".utf8)) }
        for (number, place) in places.enumerated() {
            // The order by path, which is not that of the numbers.
            for (speaker, chapter) in [(103, 1240), (1034, 121_119), (84, 7)] {
                var lines = ""
                let chapterFolder = (place.isEmpty ? "" : place + "/") + "\(speaker)/\(chapter)"
                for utterance in 0..<2 {
                    let name = "\(speaker)-\(chapter)-000\(utterance)"
                    let samples = 800 + (offset + number * 5 + speaker % 7 + utterance) * 16
                    let text = utterance == 0 ? "IT'S SPEAKER \(place.contains("other") ? "B" : "A")" : "WELL DONE"
                    let signal = (0..<samples).map { Float(0.3 * sin(Double($0 * (utterance + 1)) * 0.05)) }
                    let file = folder.appendingPathComponent("recording.flac")
                    try AudioFile.write(signal, to: file, format: .flac)
                    defer { try? FileManager.default.removeItem(at: file) }
                    try put("\(top)/\(chapterFolder)/\(name).flac", Data(contentsOf: file))
                    lines += "\(name) \(text)\n"
                    list.append(Recording(path: "\(chapterFolder)/\(name).flac", samples: samples, text: text))
                }
                try put("\(top)/\(chapterFolder)/\(speaker)-\(chapter).trans.txt", Data(lines.utf8))
            }
        }
        recordings[part] = list.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
        archives[part + (places == [""] ? ".tar.gz" : ".tgz")] = archive.gzip
    }
}

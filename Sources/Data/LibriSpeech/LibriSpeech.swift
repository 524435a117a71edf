import Foundation
import W2VCorpus
import W2VFetching

/// The parts of LibriSpeech, and Libri-light's limited supervision.
///
/// Panayotov and others 2015; Kahn and others 2020.
public enum LibriSpeech {
    /// A part of the corpus: one archive with one folder of recordings.
    public struct Part: Equatable, Sendable {
        /// The part's name, which is also its folder's name.
        public var name: String
        /// The name of the archive on a mirror.
        public var archive: String
        /// The archive's published checksum; nil if none is published.
        public var checksum: Checksum?
        /// The archive's size in bytes; nil if none is published.
        public var size: Int?
        /// The approximate bytes of archive and content, for checks of disk space; 0 if unknown.
        public var approximateSize: Int
        /// The number of recordings; nil if unknown.
        public var utterances: Int?

        /// Whether this is Libri-light's selection of a few hours, which has a layout of its own.
        public var isLimitedSupervision: Bool { name == LibriSpeech.limitedName }
    }

    static let limitedName = "librispeech_finetuning"

    /// The name of the combined training list, as in NVIDIA's recipes.
    public static let combinedName = "train-full-960"

    /// The names of the parts that make up the 960 hours, in the combined list's order.
    public static let trainingNames = ["train-clean-100", "train-clean-360", "train-other-500"]

    /// The seven parts with speech and transcripts, as listed by openslr.org under number 12, with MD5 and size of the
    /// archives, and numbers of recordings.
    public static let parts: [Part] = [
        part("dev-clean", "42e2234ba48799c1f50f24a7926300a1", 337_926_286, 2703),
        part("dev-other", "c8d0bcc9cca99d4f8b62fcc847357931", 314_305_928, 2864),
        part("test-clean", "32fa31d27d2e1cad72775fee3f4849a9", 346_663_984, 2620),
        part("test-other", "fb5a50374b501bb3bac4815ee91d3135", 328_757_843, 2939),
        part("train-clean-100", "2a93770f6d5c6c964bc36631d331a522", 6_387_309_499, 28_539),
        part("train-clean-360", "c0e676e450a7ff2f54aeade5171606fa", 23_049_477_885, 104_014),
        part("train-other-500", "d1a0fd59409feb2c614ce4d30c387708", 30_593_501_606, 148_688),
    ]

    /// Libri-light's ten hours: six folds of ten minutes, and nine more hours.
    ///
    /// The publisher gives no checksum; this is the SHA-256 in torchaudio.
    public static let limitedSupervision = Part(
        name: limitedName, archive: "librispeech_finetuning.tgz",
        checksum: Checksum(.sha256, "5d1efdc777b548194d7e09ba89126e2188026df9fd57aa57eb14408d2b2342af"), size: nil,
        approximateSize: 650_000_000, utterances: nil)

    /// The addresses of openslr's archives: the publisher, then its mirrors.
    public static let mirrors = [
        "https://www.openslr.org/resources/12", "https://us.openslr.org/resources/12",
        "https://openslr.elda.org/resources/12", "https://openslr.magicdatatech.com/resources/12",
    ]

    /// The address of Libri-light's archive.
    public static let limitedMirrors = ["https://dl.fbaipublicfiles.com/librilight/data"]

    /// The letters of the public models, with the order and the counts of the dictionary that fairseq publishes.
    ///
    /// The order defines which output of a model is which letter, so a dictionary with new counts does not fit these
    /// models.
    public static let dictionary: [(symbol: String, count: Int)] = [
        ("|", 94802), ("E", 51860), ("T", 38431), ("A", 33152), ("O", 31495), ("N", 28855), ("I", 28794), ("H", 27187),
        ("S", 26071), ("R", 23546), ("D", 18289), ("L", 16308), ("U", 12400), ("M", 10685), ("W", 10317), ("C", 9844),
        ("F", 9062), ("G", 8924), ("Y", 8226), ("P", 6890), ("B", 6339), ("V", 3936), ("K", 3456), ("'", 1023),
        ("X", 636), ("J", 598), ("Q", 437), ("Z", 213),
    ]

    /// Returns the parts in a list of names.
    ///
    /// - Parameters:
    ///   - names: Names separated by commas; `all` for all seven, `none` for none.
    ///   - limited: Whether to add Libri-light's limited supervision.
    /// - Returns: The parts, each once.
    /// - Throws: `LibriSpeechError.unknownPart`.
    public static func parts(named names: String, limited: Bool = false) throws -> [Part] {
        let words = names.split(whereSeparator: { $0 == "," || $0 == " " }).map(String.init)
        for word in words where !["all", "none"].contains(word) && !parts.contains(where: { $0.name == word }) {
            throw LibriSpeechError.unknownPart(word)
        }
        let chosen = words.contains("all") ? parts : parts.filter { words.contains($0.name) }
        return chosen + (limited ? [limitedSupervision] : [])
    }

    /// Replaces the published checksums by those of a list, for a mirror with repacked archives.
    ///
    /// - Parameters:
    ///   - parts: The parts.
    ///   - file: Lines of an MD5 and a file name, as `md5sum` writes them, for all of openslr's parts.
    /// - Returns: The same parts with the list's checksums.
    /// - Throws: `LibriSpeechError`, `CorpusError`.
    public static func replacingChecksums(of parts: [Part], by file: URL) throws -> [Part] {
        var digests: [String: Checksum] = [:]
        for (index, line) in try Lines.read(file).enumerated() where !line.allSatisfy(\.isWhitespace) {
            let fields = line.split(maxSplits: 1, whereSeparator: \.isWhitespace)
            guard fields.count == 2, let checksum = Checksum(.md5, String(fields[0])) else {
                throw LibriSpeechError.badChecksums(file: file.path, line: index + 1, found: String(line.prefix(200)))
            }
            let name = fields[1].drop { $0 == " " || $0 == "*" }
            digests[(String(name) as NSString).lastPathComponent] = checksum
        }
        return try parts.map { part in
            guard let checksum = digests[part.archive] else {
                if part.isLimitedSupervision { return part }
                throw LibriSpeechError.noChecksum(archive: part.archive, file: file.path)
            }
            var part = part
            (part.checksum, part.size, part.approximateSize, part.utterances) = (checksum, nil, 0, nil)
            return part
        }
    }

    private static func part(_ name: String, _ md5: String, _ size: Int, _ utterances: Int) -> Part {
        Part(
            name: name, archive: name + ".tar.gz", checksum: Checksum(.md5, md5), size: size, approximateSize: size,
            utterances: utterances)
    }
}

import Foundation
import W2VAudio
import W2VBase

/// Time-aligned phones: frame-wise phone labels of a manifest's utterances.
///
/// The file's contents show its form:
/// - a phone for each frame: a line per utterance, in the manifest's order (like fairseq's and NVIDIA's `.ph` beside a
///   manifest) or beginning with the utterance's name in any order (like CPC's aligned phones of LibriSpeech), then the
///   phones;
/// - times: lines `utterance begin end phone`, or NIST's CTM `utterance channel begin duration phone`, in seconds.
///
/// An utterance's name is its name or path in the manifest, its file name, or the file name without its extension.
public struct PhoneAlignment: Sendable {
    /// A phone's span.
    public struct Span: Equatable, Sendable {
        /// The phone's range of samples at 16 kHz.
        public var samples: Range<Int>
        /// The phone, as an index of ``symbols``.
        public var phone: Int
    }

    /// The phones, in the order of their first occurrence.
    public let symbols: [String]
    private let spans: [Span]
    private let ranges: [Range<Int>]

    /// Number of utterances.
    public var count: Int { ranges.count }

    /// An utterance's phones, ascending and without overlap; equal adjacent frames form one span.
    public subscript(utterance: Int) -> ArraySlice<Span> { spans[ranges[utterance]] }

    /// Returns the phone at the center of each of a model's frames.
    ///
    /// - Parameters:
    ///   - utterance: The utterance's index.
    ///   - frames: Number of frames.
    ///   - receptiveField: Number of samples that a frame sees.
    ///   - hop: Number of samples between the starts of adjacent frames.
    /// - Returns: Indices of ``symbols``; nil for frames without an aligned phone.
    public func phones(_ utterance: Int, frames: Int, receptiveField: Int = 400, hop: Int = 320) -> [Int?] {
        var spans = self[utterance]
        return (0..<frames).map { frame in
            let middle = frame * hop + receptiveField / 2
            while let first = spans.first, first.samples.upperBound <= middle { spans.removeFirst() }
            guard let first = spans.first, first.samples.contains(middle) else { return nil }
            return first.phone
        }
    }

    /// Reads the phones of a manifest's utterances.
    ///
    /// - Parameters:
    ///   - url: The file.
    ///   - manifest: The utterances.
    ///   - hop: Number of samples per label of a frame-wise file; by default inferred from the lengths (10 or 20 ms).
    /// - Throws: `CorpusError` that names the line: for a phone outside its recording, overlaps, utterances without
    ///   phones, and frame counts that do not match the recording's length.
    public init(contentsOf url: URL, manifest: Manifest, hop: Int? = nil) throws {
        var builder = Builder(url: url, manifest: manifest)
        try builder.read()
        self = try builder.alignment(hop: hop)
    }

    fileprivate init(symbols: [String], spans: [Span], ranges: [Range<Int>]) {
        self.symbols = symbols
        self.spans = spans
        self.ranges = ranges
    }
}

/// Reads and checks a file of phones.
private struct Builder {
    let url: URL
    let manifest: Manifest
    /// Each utterance's frame-wise phones, if the file has a phone for each frame.
    private var frames: [[Int]]
    private var spans: [[PhoneAlignment.Span]]
    private var lines: [Int]
    private var symbols: [String] = []
    private var indices: [ExactText: Int] = [:]
    private var isTimed = false

    init(url: URL, manifest: Manifest) {
        self.url = url
        self.manifest = manifest
        frames = [[Int]](repeating: [], count: manifest.count)
        spans = [[PhoneAlignment.Span]](repeating: [], count: manifest.count)
        lines = [Int](repeating: 0, count: manifest.count)
    }

    private func bad(_ line: Int, _ expected: String, _ found: some StringProtocol) -> CorpusError {
        .badLine(file: url.path, line: line, expected: expected, found: found.excerpt())
    }

    private mutating func index(of symbol: Substring) -> Int {
        if let index = indices[ExactText(symbol)] { return index }
        indices[ExactText(symbol)] = symbols.count
        symbols.append(String(symbol))
        return symbols.count - 1
    }

    /// Returns the names of utterances with their indices; −1 for a name that several share.
    private func names() -> [ExactText: Int] {
        var names: [ExactText: Int] = [:]
        for index in 0..<manifest.count {
            let file = manifest.audio(index)
            let own = [
                manifest.identifier(index), manifest.path(index), file.lastPathComponent,
                file.deletingPathExtension().lastPathComponent,
            ]
            for name in Set(own.map { ExactText($0) }) { names[name] = names[name] == nil ? index : -1 }
        }
        return names
    }

    mutating func read() throws {
        let text = try Lines.read(url)
        let names = names()
        let named = { (line: String) in line.whitespaceSeparated.first.flatMap { names[ExactText($0)] } }
        let isNamed = text.first { !$0.utf8.allSatisfy(Lines.isBlank) }.flatMap(named) != nil
        isTimed =
            isNamed
            && text.allSatisfy { line in
                let fields = line.whitespaceSeparated
                return fields.isEmpty || (fields.count == 4 && Double(fields[1]) != nil && Double(fields[2]) != nil)
                    || (fields.count == 5 && Double(fields[2]) != nil && Double(fields[3]) != nil)
            }
        if !isNamed && text.count != manifest.count {
            throw CorpusError.labelCount(
                labels: url.path, found: text.count, manifest: manifest.name, expected: manifest.count)
        }
        for (number, line) in zip(1..., text) {
            var fields = line.whitespaceSeparated
            var utterance = number - 1
            if isNamed {
                if fields.isEmpty { continue }
                guard let found = named(line) else {
                    throw bad(number, "the name of an utterance of \(manifest.name)", line)
                }
                guard found >= 0 else { throw bad(number, "a name that only one utterance has", line) }
                utterance = found
                fields.removeFirst()
            }
            if isTimed {
                try add(fields, to: utterance, number: number, line: line)
            } else {
                guard lines[utterance] == 0 else { throw bad(number, "an utterance that no other line has", line) }
                frames[utterance] = fields.map { index(of: $0) }
            }
            lines[utterance] = number
        }
        if let lacking = lines.firstIndex(of: 0) {
            let place = manifest.place(of: lacking)
            throw CorpusError.noLine(
                name: manifest.identifier(lacking), file: url.path, list: place.file, line: place.line)
        }
    }

    private mutating func add(_ fields: [Substring], to utterance: Int, number: Int, line: String) throws {
        let isCTM = fields.count == 4
        guard let begin = Double(fields[isCTM ? 1 : 0]), let second = Double(fields[isCTM ? 2 : 1]) else {
            throw bad(number, "times in seconds", line)
        }
        let rate = Double(AudioFile.modelSampleRate)
        let end = isCTM ? begin + second : second
        guard begin >= 0, end > begin, end <= 1e9 else { throw bad(number, "a phone that ends after it begins", line) }
        let range = Int((begin * rate).rounded())..<Int((end * rate).rounded())
        let length = manifest.sampleCounts[utterance]
        guard range.upperBound <= length + manifest.lengthTolerance(of: utterance) + AudioFile.modelSampleRate / 50
        else {
            throw bad(number, "a phone inside the recording, which has \(manifest.seconds(length)) s", line)
        }
        if let last = spans[utterance].last, range.lowerBound < last.samples.upperBound - 1 {
            throw bad(number, "a phone that begins where the one before ends", line)
        }
        let start = max(range.lowerBound, spans[utterance].last?.samples.upperBound ?? 0)
        guard start < range.upperBound else { return }
        spans[utterance].append(.init(samples: start..<range.upperBound, phone: index(of: fields[fields.count - 1])))
    }

    mutating func alignment(hop: Int?) throws -> PhoneAlignment {
        if !isTimed {
            let hop = try hop ?? inferredHop()
            for utterance in frames.indices {
                try check(utterance, hop: hop)
                var start = 0
                while start < frames[utterance].count {
                    var end = start + 1
                    while end < frames[utterance].count, frames[utterance][end] == frames[utterance][start] { end += 1 }
                    spans[utterance].append(
                        .init(samples: (start * hop)..<(end * hop), phone: frames[utterance][start]))
                    start = end
                }
            }
        }
        var ranges: [Range<Int>] = []
        var start = 0
        for own in spans {
            ranges.append(start..<(start + own.count))
            start += own.count
        }
        return PhoneAlignment(symbols: symbols, spans: spans.flatMap { $0 }, ranges: ranges)
    }

    /// Aligners omit or add a few frames at the end, where a window does not fit.
    private static let tolerance = 4

    private func fits(_ utterance: Int, hop: Int) -> Bool {
        abs(frames[utterance].count - manifest.sampleCounts[utterance] / hop) <= Self.tolerance
    }

    private func inferredHop() throws -> Int {
        let candidates = [160, 320]
        // The longest recording best distinguishes the candidates.
        guard
            let longest = manifest.sampleCounts.indices.max(by: {
                manifest.sampleCounts[$0] < manifest.sampleCounts[$1]
            })
        else { return 160 }
        guard let hop = candidates.first(where: { fits(longest, hop: $0) }) else {
            throw mismatch(longest, candidates)
        }
        return hop
    }

    private func check(_ utterance: Int, hop: Int) throws {
        if !fits(utterance, hop: hop) { throw mismatch(utterance, [hop]) }
    }

    private func mismatch(_ utterance: Int, _ hops: [Int]) -> CorpusError {
        let expected = hops.map { "\(manifest.sampleCounts[utterance] / $0) phones (one every \($0 / 16) ms)" }
        return bad(
            lines[utterance], expected.joined(separator: " or ") + " for \(manifest.identifier(utterance))",
            "\(frames[utterance].count) phones")
    }
}

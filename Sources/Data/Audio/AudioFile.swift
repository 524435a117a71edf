import Foundation
import W2VBase

/// Decoding of recordings: WAV, FLAC, Ogg Vorbis, Opus, MP3 and everything else that libsndfile reads; other containers
/// with ffmpeg.
public enum AudioFile {
    /// The sampling rate of every model here, in samples per second.
    public static let modelSampleRate = 16_000

    /// The file name extensions of likely audio; those of the second line need the ffmpeg program.
    public static let fileExtensions = [
        "wav", "flac", "ogg", "oga", "opus", "mp3", "aif", "aiff", "au", "caf", "w64",
        "m4a", "m4b", "mp4", "mov", "3gp", "aac", "amr", "webm", "mka", "mkv", "wma", "wv", "avi", "g722",
    ]

    /// Returns a file's header, without decoding the file if the header contains the length.
    ///
    /// - Parameter limits: The limits of decoding.
    public static func info(_ url: URL, limits: DecodingLimits = DecodingLimits()) throws -> AudioInfo {
        try info(of: open(url, limits))
    }

    /// Returns the header of encoded audio in memory.
    ///
    /// - Parameters:
    ///   - data: A whole file's bytes.
    ///   - limits: The limits of decoding.
    public static func info(
        _ data: Data, name: String = "audio in memory", limits: DecodingLimits = DecodingLimits()
    ) throws -> AudioInfo {
        try info(of: open(data, name: name, limits))
    }

    /// Decodes a file, averages its channels and resamples it.
    ///
    /// - Parameters:
    ///   - sampleRate: Samples per second of the result.
    ///   - frames: The range of samples of the result; all, if absent. An end beyond the recording's is allowed.
    ///   - limits: The limits of decoding.
    /// - Returns: Samples, full scale at ±1.
    /// - Throws: `AudioError`, for example if the file is truncated, empty, or has samples that are not finite.
    public static func read(
        _ url: URL, sampleRate: Int = modelSampleRate, frames: Range<Int>? = nil,
        limits: DecodingLimits = DecodingLimits()
    ) throws -> [Float] {
        try read(open(url, limits), sampleRate: sampleRate, frames: frames)
    }

    /// Decodes audio in memory, averages its channels and resamples it.
    ///
    /// - Parameters:
    ///   - data: A whole file's bytes.
    ///   - sampleRate: Samples per second of the result.
    ///   - frames: The range of samples of the result; all, if absent.
    ///   - limits: The limits of decoding.
    /// - Returns: Samples, full scale at ±1.
    public static func read(
        _ data: Data, name: String = "audio in memory", sampleRate: Int = modelSampleRate, frames: Range<Int>? = nil,
        limits: DecodingLimits = DecodingLimits()
    ) throws -> [Float] {
        try read(open(data, name: name, limits), sampleRate: sampleRate, frames: frames)
    }

    /// The version of libsndfile, for reports on what is installed.
    public static var decoderVersion: String { SoundFileReader.libraryVersion }

    /// The path of the ffmpeg program, if it is installed.
    public static var externalDecoder: URL? { ExternalDecoder.program() }

    // MARK: - Opening

    static func open(_ url: URL, _ limits: DecodingLimits) throws -> SoundFileReader {
        let path = url.path
        let format = ExternalDecoder.headerless[url.pathExtension.lowercased()]
        if let format { return try decodedExternally(path: path, format: format, limits) }
        let (descriptor, size) = try regularFile(path)
        // libsndfile closes the descriptor that it receives, even if it cannot open the file.
        let source = ByteSource.file(descriptor: descriptor, size: size)
        let announced = source.announcedFormat
        let flaw = source.flaw(file: path)
        if size == 0 || flaw != nil { close(descriptor) }
        if size == 0 { throw AudioError.empty(file: path) }
        if let flaw { throw flaw }
        if let patch = source.promisedLength()?.patch(size: size) {
            close(descriptor)
            return try asPatched(map(url), patch, name: path, limits)
        }
        if let reader = try SoundFileReader(source, name: path, limits) {
            return try reader.guessesLength ? asStream(map(url), name: path, limits) : reader
        }
        return try whenUnknown(announced, name: path) { try decodedExternally(path: path, limits) }
    }

    static func open(_ data: Data, name: String, _ limits: DecodingLimits) throws -> SoundFileReader {
        let source = ByteSource.memory(data)
        if data.isEmpty { throw AudioError.empty(file: name) }
        if let flaw = source.flaw(file: name) { throw flaw }
        if let patch = source.promisedLength()?.patch(size: source.size) {
            return try asPatched(data, patch, name: name, limits)
        }
        if let reader = try SoundFileReader(source, name: name, limits) {
            return try reader.guessesLength ? asStream(data, name: name, limits) : reader
        }
        return try whenUnknown(source.announcedFormat, name: name) {
            let file = try UnlinkedTemporaryFile(for: name)
            do {
                try file.handle.write(contentsOf: data)
            } catch {
                throw file.failure(for: name)
            }
            return try decodedExternally(file.handle.fileDescriptor, format: nil, name: name, limits)
        }
    }

    private static func regularFile(_ path: String) throws -> (descriptor: Int32, size: Int) {
        // Without O_NONBLOCK, opening a pipe would wait for a writer.
        let descriptor = Foundation.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw errno == ENOENT || errno == ENOTDIR
                ? AudioError.notFound(file: path)
                : AudioError.unreadable(file: path, reason: SystemReason.of(code: errno))
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.isFile else {
            close(descriptor)
            throw AudioError.unreadable(file: path, reason: "it is no regular file")
        }
        return (descriptor, Int(status.st_size))
    }

    private static func map(_ url: URL) throws -> Data {
        do {
            return try Data(contentsOf: url, options: .mappedIfSafe)
        } catch {
            throw AudioError.unreadable(file: url.path, reason: SystemReason.of(error))
        }
    }

    /// Opens the output that a program has written to a pipe without knowing its final length.
    private static func asPatched(
        _ data: Data, _ patch: ByteSource.Patch, name: String, _ limits: DecodingLimits
    ) throws -> SoundFileReader {
        guard let reader = try SoundFileReader(.patched(data, patch), name: name, limits) else {
            throw AudioError.damaged(file: name, reason: "its header cannot be read")
        }
        return reader
    }

    private static func asStream(_ data: Data, name: String, _ limits: DecodingLimits) throws -> SoundFileReader {
        guard let reader = try SoundFileReader(.stream(data), name: name, limits) else {
            throw AudioError.damaged(file: name, reason: "its beginning can be read only by looking at its end")
        }
        return reader
    }

    private static func whenUnknown(
        _ announced: String?, name: String, _ decode: () throws -> SoundFileReader
    ) throws -> SoundFileReader {
        // ffmpeg would decode part of a broken FLAC file, and nobody would know that the rest is missing.
        if announced == "FLAC" {
            throw AudioError.damaged(file: name, reason: "it begins like a FLAC file, but its header cannot be read")
        }
        do {
            return try decode()
        } catch AudioError.unknownFormat where announced != nil {
            throw AudioError.damaged(
                file: name, reason: "it begins like \(announced ?? "audio"), but its header cannot be read")
        }
    }

    private static func decodedExternally(
        path: String, format: String? = nil, _ limits: DecodingLimits
    ) throws -> SoundFileReader {
        let (descriptor, size) = try regularFile(path)
        defer { close(descriptor) }
        if size == 0 { throw AudioError.empty(file: path) }
        return try decodedExternally(descriptor, format: format, name: path, limits)
    }

    private static func decodedExternally(
        _ descriptor: Int32, format: String?, name: String, _ limits: DecodingLimits
    ) throws -> SoundFileReader {
        let decoded = try ExternalDecoder.decode(descriptor, format: format, name: name, limits: limits)
        guard let reader = try SoundFileReader(.memory(decoded), name: name, limits) else {
            throw AudioError.empty(file: name)
        }
        return reader
    }

    // MARK: - Reading

    private static func info(of reader: SoundFileReader) throws -> AudioInfo {
        var info = reader.info
        if reader.promisedFrames == nil {
            while try !reader.readMono(atMost: SoundFileReader.blockFrames).isEmpty {}
            info.frames = reader.position
        }
        if info.frames == 0 { throw AudioError.empty(file: reader.name) }
        return info
    }

    private static func read(
        _ reader: SoundFileReader, sampleRate: Int, frames: Range<Int>?
    ) throws -> [Float] {
        let samples =
            reader.info.sampleRate == sampleRate
            ? try readDirectly(reader, frames: frames)
            : try readResampled(reader, sampleRate: sampleRate, frames: frames)
        if samples.isEmpty && frames?.isEmpty != true { throw AudioError.empty(file: reader.name) }
        return samples
    }

    private static func readDirectly(_ reader: SoundFileReader, frames: Range<Int>?) throws -> [Float] {
        let range = frames ?? 0..<Int.max
        if let promised = reader.promisedFrames, range.lowerBound >= promised, promised > 0 {
            throw AudioError.outOfRange(file: reader.name, start: range.lowerBound, count: promised)
        }
        if range.lowerBound > 0 { try reader.skip(to: range.lowerBound) }
        if reader.position < range.lowerBound {
            throw AudioError.outOfRange(file: reader.name, start: range.lowerBound, count: reader.position)
        }
        var samples: [Float] = []
        samples.reserveCapacity(min(reader.promisedFrames ?? 0, range.upperBound) - range.lowerBound)
        while reader.position < range.upperBound {
            let block = try reader.readMono(atMost: range.upperBound - reader.position)
            if block.isEmpty { break }
            samples.append(contentsOf: block)
        }
        return samples
    }

    /// Decodes and resamples.
    ///
    /// For a range, decoding starts a little before it: the filter then has the same state as in the whole signal, and
    /// the part equals that part of the whole to 1e-5 of full scale.
    private static func readResampled(
        _ reader: SoundFileReader, sampleRate: Int, frames: Range<Int>?
    ) throws -> [Float] {
        let rate = reader.info.sampleRate
        let resampler = try Resampler(from: rate, to: sampleRate, name: reader.name)
        let range = frames ?? 0..<Int.max
        if let promised = reader.promisedFrames, promised > 0 {
            let count = reader.info.sampleCount(at: sampleRate)
            if range.lowerBound >= count {
                throw AudioError.outOfRange(file: reader.name, start: range.lowerBound, count: count)
            }
        }
        // Input and output samples coincide only at multiples of these.
        let divisor = greatestCommonDivisor(rate, sampleRate)
        let (inputStep, outputStep) = (rate / divisor, sampleRate / divisor)
        let steps = max(0, range.lowerBound - filterMargin) / outputStep
        let start = steps * outputStep
        if steps > 0 {
            try reader.skip(to: steps * inputStep)
            if reader.position < steps * inputStep {
                throw AudioError.outOfRange(
                    file: reader.name, start: range.lowerBound, count: reader.position * sampleRate / rate)
            }
        }
        var samples: [Float] = []
        if let promised = reader.promisedFrames {
            let ratio = Double(sampleRate) / Double(rate)
            let wanted = min(Double(promised) * ratio + 16_384, Double(range.upperBound)) - Double(start)
            samples.reserveCapacity(Int(max(0, wanted)))
        }
        var ended = false
        while !ended && start + samples.count < range.upperBound {
            let left = Double(range.upperBound) - Double(start + samples.count)
            let needed = (left + Double(filterMargin)) * Double(rate) / Double(sampleRate) + 1
            let block = try reader.readMono(atMost: Int(min(needed, Double(SoundFileReader.blockFrames))))
            if block.isEmpty {
                try resampler.finish(into: &samples)
                ended = true
            } else {
                try resampler.process(block, into: &samples)
            }
        }
        if start + samples.count <= range.lowerBound && !samples.isEmpty {
            throw AudioError.outOfRange(
                file: reader.name, start: range.lowerBound, count: start + samples.count)
        }
        if frames == nil { return samples }
        let end = min(range.upperBound - start, samples.count)
        return Array(samples[min(range.lowerBound - start, end)..<end])
    }

    /// More samples than the reach of the resampler's filter, at the output rate.
    private static let filterMargin = 8192

    private static func greatestCommonDivisor(_ first: Int, _ second: Int) -> Int {
        second == 0 ? first : greatestCommonDivisor(second, first % second)
    }
}

import CW2VSndfile
import Foundation
import W2VBase

/// The format of a written recording.
public enum AudioFileFormat: String, CaseIterable, Sendable {
    /// WAV, 16-bit integers.
    case wav16
    /// WAV, 32-bit floating point: exactly the given samples.
    case wavFloat
    /// FLAC, 16 bits.
    case flac
    /// Ogg Vorbis, lossy.
    case vorbis
    /// Ogg Opus, lossy; 8, 12, 16, 24 or 48 kHz.
    case opus
    /// MP3, lossy.
    case mp3

    /// The usual file name extension.
    public var pathExtension: String {
        switch self {
        case .wav16, .wavFloat: "wav"
        case .flac: "flac"
        case .vorbis: "ogg"
        case .opus: "opus"
        case .mp3: "mp3"
        }
    }

    fileprivate var code: Int32 {
        switch self {
        case .wav16: Int32(SF_FORMAT_WAV) | Int32(SF_FORMAT_PCM_16)
        case .wavFloat: Int32(SF_FORMAT_WAV) | Int32(SF_FORMAT_FLOAT)
        case .flac: Int32(SF_FORMAT_FLAC) | Int32(SF_FORMAT_PCM_16)
        case .vorbis: Int32(SF_FORMAT_OGG) | Int32(SF_FORMAT_VORBIS)
        case .opus: Int32(SF_FORMAT_OGG) | Int32(SF_FORMAT_OPUS)
        case .mp3: Int32(SF_FORMAT_MPEG) | Int32(SF_FORMAT_MPEG_LAYER_III)
        }
    }
}

extension AudioFile {
    /// Writes a recording, which appears when it is whole.
    ///
    /// 16-bit formats round to the nearest step of 1/32768, so that reading and writing again changes nothing. All
    /// except `wavFloat` clip at full scale, which decoders and resamplers overshoot a little; an encoder may crash the
    /// program on numbers far beyond it.
    ///
    /// - Parameters:
    ///   - samples: Full scale at ±1; channels interleaved. NaN and infinity are rejected except in `wavFloat`.
    ///   - sampleRate: Samples per second and channel.
    ///   - channels: The number of interleaved channels.
    ///   - url: The file, which replaces an existing one.
    public static func write(
        _ samples: [Float], sampleRate: Int = modelSampleRate, channels: Int = 1, to url: URL,
        format: AudioFileFormat = .wav16
    ) throws {
        let path = url.path
        guard channels > 0, samples.count % channels == 0 else {
            throw AudioError.unwritable(
                file: path, reason: "\(samples.count) samples do not divide into \(channels) channels")
        }
        if format != .wavFloat, let bad = samples.firstIndex(where: { !$0.isFinite }) {
            throw AudioError.nonFinite(file: path, position: bad)
        }
        do {
            let file = try AtomicFile(url)
            try encode(samples, rate: sampleRate, channels: channels, to: file, path: path, format: format)
            try file.commit()
        } catch let error as FileWriteError {
            throw AudioError.unwritable(file: path, reason: error.reason)
        }
    }

    private static func encode(
        _ samples: [Float], rate: Int, channels: Int, to file: AtomicFile, path: String, format: AudioFileFormat
    ) throws {
        var header = header(format, rate: rate, channels: channels)
        errno = 0
        guard let handle = sf_open_fd(file.descriptor.rawValue, Int32(SFM_WRITE), &header, 0) else {
            throw AudioError.unwritable(file: path, reason: reason(nil))
        }
        // The peak chunk contains the time of day: the same samples would give another file.
        sf_command(handle, Int32(SFC_SET_ADD_PEAK_CHUNK), nil, 0)
        errno = 0
        var failure: String?
        let step = 4096 * channels
        for start in stride(from: 0, to: samples.count, by: step) {
            let block = samples[start..<min(start + step, samples.count)]
            let done: sf_count_t
            switch format {
            case .wav16, .flac:
                let integers = block.map { Int16(max(-32768, min(32767, ($0 * 32768).rounded(.toNearestOrEven)))) }
                done = sf_write_short(handle, integers, sf_count_t(integers.count))
            case .vorbis, .opus, .mp3:
                let clipped = block.map { max(-1, min(1, $0)) }
                done = sf_write_float(handle, clipped, sf_count_t(clipped.count))
            case .wavFloat:
                done = block.withUnsafeBufferPointer { sf_write_float(handle, $0.baseAddress, sf_count_t($0.count)) }
            }
            if done != sf_count_t(block.count) {
                failure = reason(handle)
                break
            }
        }
        let closed = sf_close(handle)
        if failure == nil && closed != 0 { failure = withSystemError(String(cString: sf_error_number(closed))) }
        // Bytes that an encoder kept to the end may have been lost silently.
        if failure == nil && errno != 0, [ENOSPC, EDQUOT, EFBIG, EIO].contains(errno) {
            failure = SystemReason.of(code: errno)
        }
        if let failure { throw AudioError.unwritable(file: path, reason: failure) }
    }

    private static func header(_ format: AudioFileFormat, rate: Int, channels: Int) -> SF_INFO {
        var header = SF_INFO()
        header.samplerate = Int32(clamping: rate)
        header.channels = Int32(clamping: channels)
        header.format = format.code
        return header
    }

    /// Returns libsndfile's description of its last failure, or the operating system's if it is more specific.
    private static func reason(_ handle: OpaquePointer?) -> String {
        let system = errno
        let text = String(cString: sf_strerror(handle))
        errno = system
        return withSystemError(text)
    }

    private static func withSystemError(_ text: String) -> String {
        var text = text.hasSuffix(".") ? String(text.dropLast()) : text
        if text.hasPrefix("Error : ") { text.removeFirst("Error : ".count) }
        guard errno != 0 else { return text }
        let system = SystemReason.of(code: errno)
        // libsndfile's own words for a failure of the system are the system's.
        return text.hasPrefix("System error") ? system : "\(text): \(system)"
    }

    /// Returns why recordings of a format cannot have a sampling rate and a number of channels; nil if they can.
    ///
    /// It encodes a little silence and discards it: only then does an encoder tell what it supports.
    ///
    /// - Parameters:
    ///   - sampleRate: Samples per second and channel.
    ///   - channels: The number of channels.
    public static func refusal(of format: AudioFileFormat, sampleRate: Int, channels: Int = 1) -> String? {
        var header = header(format, rate: sampleRate, channels: channels)
        guard sf_format_check(&header) != 0 else {
            return "libsndfile does not write \(format.rawValue) with \(channels) channels at \(sampleRate) Hz"
        }
        let nowhere = Nowhere()
        var calls = Nowhere.calls
        errno = 0
        return withExtendedLifetime(nowhere) {
            let user = Unmanaged.passUnretained(nowhere).toOpaque()
            guard let handle = sf_open_virtual(&calls, Int32(SFM_WRITE), &header, user) else { return reason(nil) }
            let silence = [Float](repeating: 0, count: 1024 * channels)
            let done = sf_write_float(handle, silence, sf_count_t(silence.count))
            let failure = done == sf_count_t(silence.count) ? nil : reason(handle)
            sf_close(handle)
            return failure
        }
    }
}

/// A file that discards what is written to it.
private final class Nowhere {
    private var position = 0
    private var length = 0

    private static func of(_ user: UnsafeMutableRawPointer?) -> Nowhere? {
        user.map { Unmanaged<Nowhere>.fromOpaque($0).takeUnretainedValue() }
    }

    static let calls = SF_VIRTUAL_IO(
        get_filelen: { sf_count_t(of($0)?.length ?? 0) },
        seek: { offset, whence, user in
            guard let file = of(user) else { return -1 }
            let base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? file.position : file.length
            file.position = max(0, base + Int(offset))
            return sf_count_t(file.position)
        },
        read: { _, _, _ in 0 },
        write: { _, count, user in
            guard let file = of(user) else { return 0 }
            file.position += Int(count)
            file.length = max(file.length, file.position)
            return count
        },
        tell: { sf_count_t(of($0)?.position ?? 0) })
}

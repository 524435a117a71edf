import CSndfile
import Foundation

/// How a recording is written.
public enum AudioFileFormat: String, CaseIterable, Sendable {
    /// WAV, 16-bit integers.
    case wav16
    /// WAV, 32-bit floating point: exactly the samples given.
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
    /// Writes a recording under a temporary name and renames it when it is whole.
    ///
    /// 16-bit formats round to the nearest step of 1/32768 and clip at full scale, so that reading and writing again
    /// changes nothing.
    ///
    /// - Parameters:
    ///   - samples: Full scale at ±1; channels interleaved. NaN and infinity are refused except in `wavFloat`.
    ///   - sampleRate: Samples per second and channel.
    ///   - channels: How many channels are interleaved.
    ///   - url: The file; one of that name is replaced.
    ///   - format: How to write it.
    /// - Throws: `AudioError`.
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
        let partial = path + ".partial-\(UUID().uuidString)"
        var written = false
        defer { if !written { unlink(partial) } }
        try encode(samples, rate: sampleRate, channels: channels, path: path, partial: partial, format: format)
        guard rename(partial, path) == 0 else {
            throw AudioError.unwritable(file: path, reason: String(cString: strerror(errno)))
        }
        written = true
    }

    private static func encode(
        _ samples: [Float], rate: Int, channels: Int, path: String, partial: String, format: AudioFileFormat
    ) throws {
        let descriptor = Foundation.open(partial, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else {
            throw AudioError.unwritable(file: path, reason: String(cString: strerror(errno)))
        }
        var header = SF_INFO()
        header.samplerate = Int32(clamping: rate)
        header.channels = Int32(clamping: channels)
        header.format = format.code
        let refused = AudioError.unwritable(
            file: path,
            reason: "libsndfile does not write \(format.rawValue) with \(channels) channels at \(rate) Hz")
        guard sf_format_check(&header) != 0 else {
            close(descriptor)
            throw refused
        }
        guard let handle = sf_open_fd(descriptor, Int32(SFM_WRITE), &header, 1) else {
            throw refused
        }
        // The peak chunk carries the time of day: the same samples would give another file.
        sf_command(handle, Int32(SFC_SET_ADD_PEAK_CHUNK), nil, 0)
        var failure: String?
        let step = 4096 * channels
        for start in stride(from: 0, to: samples.count, by: step) {
            let block = samples[start..<min(start + step, samples.count)]
            let done: sf_count_t
            switch format {
            case .wav16, .flac:
                let integers = block.map { Int16(max(-32768, min(32767, ($0 * 32768).rounded(.toNearestOrEven)))) }
                done = sf_write_short(handle, integers, sf_count_t(integers.count))
            case .wavFloat, .vorbis, .opus, .mp3:
                done = block.withUnsafeBufferPointer { sf_write_float(handle, $0.baseAddress, sf_count_t($0.count)) }
            }
            if done != sf_count_t(block.count) {
                failure = String(cString: sf_strerror(handle))
                break
            }
        }
        let closed = sf_close(handle)
        if failure == nil && closed != 0 { failure = String(cString: sf_error_number(closed)) }
        if let failure { throw AudioError.unwritable(file: path, reason: failure) }
    }
}

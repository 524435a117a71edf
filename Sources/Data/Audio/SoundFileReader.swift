import CW2VSndfile
import Foundation

/// A sound file that libsndfile decodes forward, in blocks mixed down to one channel by `ChannelMix`.
final class SoundFileReader {
    let name: String
    let info: AudioInfo
    /// The frames that the header promises; nil if it does not specify them.
    let promisedFrames: Int?
    /// Whether the codec may have no length of its own.
    ///
    /// libsndfile then guesses it from the file's size and the first frame's bit rate, and stops there, unless the file
    /// is opened as a stream.
    let guessesLength: Bool
    /// The number of frames before the requested one at which decoding must start, to restore the codec's state.
    ///
    /// 0 if samples are independent; nil if seeking is impossible or inexact.
    let seekMargin: Int?
    private(set) var position = 0
    /// Frames that have been decoded and mixed, but not read yet.
    private var mixed: ArraySlice<Float> = []
    private let handle: OpaquePointer
    private let memory: MemoryFile?
    private let limits: DecodingLimits
    private var interleaved: [Float]

    static let blockFrames = 65_536

    static var libraryVersion: String { String(cString: sf_version_string()) }

    /// Opens encoded audio; returns nil if libsndfile does not support it.
    ///
    /// - Parameters:
    ///   - source: The bytes; an open descriptor is closed with the reader.
    ///   - limits: The limits of decoding.
    /// - Throws: `AudioError.damaged`, if the header is invalid; `AudioError.tooLong`.
    init?(_ source: ByteSource, name: String, _ limits: DecodingLimits) throws {
        self.name = name
        self.limits = limits
        var header = SF_INFO()
        switch source {
        case .file(let descriptor, _):
            memory = nil
            guard let handle = sf_open_fd(descriptor, Int32(SFM_READ), &header, SF_TRUE.int32) else { return nil }
            self.handle = handle
        case .memory(let data), .stream(let data), .patched(let data, _):
            let memory = MemoryFile(data, knowsItsEnd: !source.isStream, patch: source.patch)
            self.memory = memory
            var calls = MemoryFile.calls
            let user = Unmanaged.passUnretained(memory).toOpaque()
            guard let handle = sf_open_virtual(&calls, Int32(SFM_READ), &header, user) else { return nil }
            self.handle = handle
        }
        let unknown = header.frames < 0 || header.frames == sf_count_t.max
        promisedFrames = unknown ? nil : Int(header.frames)
        let codec = Int(header.format) & Int(SF_FORMAT_SUBMASK)
        guessesLength = (Int(SF_FORMAT_MPEG_LAYER_I)...Int(SF_FORMAT_MPEG_LAYER_III)).contains(codec)
        switch codec {
        case _ where header.seekable == 0: seekMargin = nil
        case ..<0x0020: seekMargin = 0
        // Opus' decoder needs 80 ms to converge (RFC 7845). Vorbis is not sought in: on the last page libsndfile seeks
        // to a wrong place.
        case Int(SF_FORMAT_OPUS): seekMargin = Int(header.samplerate)
        default: seekMargin = nil
        }
        info = AudioInfo(
            frames: promisedFrames ?? 0, sampleRate: Int(header.samplerate), channels: Int(header.channels),
            format: Self.formatName(header.format))
        interleaved = []
        guard info.channels > 0, (1000...1_000_000).contains(info.sampleRate) else {
            throw AudioError.damaged(
                file: name, reason: "the header says \(info.channels) channels at \(info.sampleRate) Hz")
        }
        try checkLength(info.frames)
        let frames = info.channels == 1 ? Self.blockFrames : ChannelMix.blockFrames
        interleaved = [Float](repeating: 0, count: frames * info.channels)
    }

    deinit { sf_close(handle) }

    /// Moves to a frame, by seeking if that is exact and otherwise by decoding up to it.
    func skip(to frame: Int) throws {
        if let seekMargin, promisedFrames.map({ frame <= $0 }) ?? false {
            let step = info.channels == 1 ? 1 : ChannelMix.blockFrames
            let target = (frame - seekMargin) / step * step
            if target > position + mixed.count {
                guard sf_seek(handle, sf_count_t(target), SEEK_SET) == sf_count_t(target) else {
                    throw AudioError.damaged(file: name, reason: "frame \(target) cannot be found")
                }
                position = target
                mixed = []
            }
        }
        while position < frame, try !readMono(atMost: frame - position).isEmpty {}
    }

    /// Returns the next frames, channels mixed; empty at the end.
    ///
    /// - Parameter count: The maximum number; at most `blockFrames` are returned.
    /// - Returns: Mono samples at the file's own rate.
    func readMono(atMost count: Int) throws -> [Float] {
        guard count > 0 else { return [] }
        if limits.isCancelled() { throw AudioError.cancelled(file: name) }
        if mixed.isEmpty { mixed = try decode(atMost: info.channels == 1 ? count : ChannelMix.blockFrames)[...] }
        let mono = Array(mixed.prefix(count))
        if let bad = mono.firstIndex(where: { !$0.isFinite }) {
            throw AudioError.nonFinite(file: name, position: position + bad)
        }
        mixed = mixed.dropFirst(mono.count)
        position += mono.count
        try checkLength(position)
        return mono
    }

    /// Decodes and mixes the frames from `position` on.
    private func decode(atMost count: Int) throws -> [Float] {
        let wanted = min(count, interleaved.count / info.channels)
        let got = interleaved.withUnsafeMutableBufferPointer {
            Int(sf_readf_float(handle, $0.baseAddress, sf_count_t(wanted)))
        }
        if got < wanted, sf_error(handle) != SF_ERR_NO_ERROR.int32 {
            throw AudioError.damaged(file: name, reason: decoderMessage(at: position + max(got, 0)))
        }
        if got < wanted, let promisedFrames, position + got < promisedFrames {
            throw AudioError.truncated(file: name, expected: promisedFrames, found: position + max(got, 0))
        }
        return interleaved.withUnsafeBufferPointer {
            ChannelMix.mono($0, frames: max(got, 0), channels: info.channels)
        }
    }

    /// Returns libsndfile's message, which is useless for MP3.
    private func decoderMessage(at frame: Int) -> String {
        let message = String(cString: sf_strerror(handle))
        guard message.contains("internal error") else { return message }
        let seconds = (Double(frame) / Double(info.sampleRate) * 1000).rounded() / 1000
        return "its audio breaks off at \(seconds) s, as where a file is cut off"
    }

    private func checkLength(_ frames: Int) throws {
        guard Double(frames) > limits.seconds * Double(info.sampleRate) else { return }
        throw AudioError.tooLong(file: name, limit: limits.seconds)
    }

    private static func formatName(_ format: Int32) -> String {
        let codec = Int(format) & Int(SF_FORMAT_SUBMASK)
        let codecs: [Int: String] = [
            Int(SF_FORMAT_VORBIS): "Ogg Vorbis", Int(SF_FORMAT_OPUS): "Ogg Opus",
            Int(SF_FORMAT_MPEG_LAYER_III): "MP3",
        ]
        let containers: [Int: String] = [
            Int(SF_FORMAT_WAV): "WAV", Int(SF_FORMAT_WAVEX): "WAV", Int(SF_FORMAT_FLAC): "FLAC",
            Int(SF_FORMAT_OGG): "Ogg", Int(SF_FORMAT_AIFF): "AIFF", Int(SF_FORMAT_AU): "AU",
            Int(SF_FORMAT_RF64): "WAV", Int(SF_FORMAT_W64): "Wave64", Int(SF_FORMAT_CAF): "CAF",
        ]
        let container = Int(format) & Int(SF_FORMAT_TYPEMASK)
        return codecs[codec] ?? containers[container] ?? "format 0x" + String(container, radix: 16)
    }
}

extension BinaryInteger {
    /// C's constants are imported with different integer types.
    fileprivate var int32: Int32 { Int32(self) }
}
extension RawRepresentable where RawValue: BinaryInteger {
    fileprivate var int32: Int32 { Int32(rawValue) }
}

/// Encoded audio in memory, in the form that libsndfile reads.
private final class MemoryFile {
    private let data: Data
    private let knowsItsEnd: Bool
    private let patch: ByteSource.Patch?
    private var position = 0

    init(_ data: Data, knowsItsEnd: Bool, patch: ByteSource.Patch?) {
        self.patch = patch
        self.data = data
        self.knowsItsEnd = knowsItsEnd
    }

    private static func of(_ user: UnsafeMutableRawPointer?) -> MemoryFile? {
        user.map { Unmanaged<MemoryFile>.fromOpaque($0).takeUnretainedValue() }
    }

    /// Applies the patch to the bytes that were just read.
    private func applyPatch(to target: UnsafeMutableRawPointer, count: Int) {
        for (index, byte) in (patch?.bytes ?? []).enumerated() {
            let place = (patch?.offset ?? 0) + index - position
            if (0..<count).contains(place) { target.storeBytes(of: byte, toByteOffset: place, as: UInt8.self) }
        }
    }

    static let calls = SF_VIRTUAL_IO(
        get_filelen: { sf_count_t(of($0)?.data.count ?? 0) },
        seek: { offset, whence, user in
            guard let file = of(user), file.knowsItsEnd || whence != SEEK_END else { return -1 }
            let base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? file.position : file.data.count
            let target = base + Int(offset)
            guard (0...file.data.count).contains(target) else { return -1 }
            file.position = target
            return sf_count_t(target)
        },
        read: { target, count, user in
            guard let file = of(user), let target else { return 0 }
            let count = max(0, min(Int(count), file.data.count - file.position))
            let start = file.data.startIndex + file.position
            file.data.copyBytes(to: target.assumingMemoryBound(to: UInt8.self), from: start..<(start + count))
            file.applyPatch(to: target, count: count)
            file.position += count
            return sf_count_t(count)
        },
        write: { _, _, _ in 0 },
        tell: { sf_count_t(of($0)?.position ?? 0) })
}

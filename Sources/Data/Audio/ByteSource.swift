import Foundation

/// The bytes of an encoded recording, on disk or in memory.
enum ByteSource {
    /// A regular file: its path, open descriptor and size.
    case file(descriptor: Int32, size: Int)
    case memory(Data)
    /// Like memory, but the decoder must not seek to the end.
    case stream(Data)
    /// Like memory, with a few bytes that replace the file's own.
    case patched(Data, Patch)

    /// Replacement bytes.
    struct Patch {
        var offset: Int
        var bytes: [UInt8]
    }

    var patch: Patch? {
        if case .patched(_, let patch) = self { patch } else { nil }
    }

    var isStream: Bool {
        if case .stream = self { true } else { false }
    }

    var size: Int {
        switch self {
        case .file(_, let size): size
        case .memory(let data), .stream(let data), .patched(let data, _): data.count
        }
    }

    /// Returns up to `count` bytes from `offset` on; fewer at the end.
    func bytes(at offset: Int, count: Int) -> [UInt8] {
        guard offset >= 0, offset < size, count > 0 else { return [] }
        let count = min(count, size - offset)
        switch self {
        case .file(let descriptor, _):
            return [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
                filled = max(0, pread(descriptor, buffer.baseAddress, count, off_t(offset)))
            }
        case .memory(let data), .stream(let data), .patched(let data, _):
            return [UInt8](data.dropFirst(offset).prefix(count))
        }
    }
}

/// Properties of a recording from its bytes alone, which libsndfile does not report.
extension ByteSource {
    /// The format that the first bytes announce.
    var announcedFormat: String? {
        let head = bytes(at: 0, count: 12)
        guard head.count >= 4 else { return nil }
        switch String(decoding: head.prefix(4), as: UTF8.self) {
        case "fLaC": return "FLAC"
        case "OggS": return "Ogg"
        case "RIFF", "RIFX", "RF64": return "WAV"
        case "FORM": return "AIFF"
        case ".snd": return "AU"
        case let text where text.hasPrefix("ID3"): return "MP3"
        default: return nil
        }
    }
}

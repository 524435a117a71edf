import Foundation

/// The bytes of an encoded recording, on disk or in memory.
enum ByteSource {
    /// A regular file: its path, open descriptor and size.
    case file(descriptor: Int32, size: Int)
    case memory(Data)
    /// Like memory, but the decoder may not look for the end.
    case stream(Data)

    var isStream: Bool {
        if case .stream = self { true } else { false }
    }

    var size: Int {
        switch self {
        case .file(_, let size): size
        case .memory(let data), .stream(let data): data.count
        }
    }

    /// Up to `count` bytes from `offset` on; fewer at the end.
    func bytes(at offset: Int, count: Int) -> [UInt8] {
        guard offset >= 0, offset < size, count > 0 else { return [] }
        let count = min(count, size - offset)
        switch self {
        case .file(let descriptor, _):
            return [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
                filled = max(0, pread(descriptor, buffer.baseAddress, count, off_t(offset)))
            }
        case .memory(let data), .stream(let data):
            return [UInt8](data.dropFirst(offset).prefix(count))
        }
    }
}

/// What can be told of a recording from its bytes alone, where libsndfile does not tell.
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

    /// Why the file must be cut off, as far as its container tells; nil if it looks whole.
    ///
    /// libsndfile silently plays what is left of a WAV or Ogg file whose end is missing.
    func truncation(file: String) -> AudioError? {
        switch announcedFormat {
        case "WAV": waveTruncation(file: file)
        case "Ogg": oggTruncation(file: file)
        default: nil
        }
    }

    private func waveTruncation(file: String) -> AudioError? {
        guard bytes(at: 0, count: 4) == Array("RIFF".utf8) else { return nil }
        var offset = 12
        var frameSize = 1
        while offset + 8 <= size {
            let header = bytes(at: offset, count: 24)
            let length = Int(Self.little(header, at: 4, count: 4))
            switch String(decoding: header.prefix(4), as: UTF8.self) {
            case "fmt " where header.count == 24:
                frameSize = max(1, Int(Self.little(header, at: 20, count: 2)))
            case "data":
                // Programs that write to a pipe do not know the length, and put a huge number there.
                guard length > size - offset - 8, length < 0x7FFF_0000 else { return nil }
                return .truncated(
                    file: file, expected: length / frameSize, found: (size - offset - 8) / frameSize)
            default: break
            }
            offset += 8 + length + length % 2
        }
        return nil
    }

    /// A file cut at any byte nearly always ends inside a page.
    private func oggTruncation(file: String) -> AudioError? {
        let start = Swift.max(0, size - 131_072)
        let tail = bytes(at: start, count: size - start)
        guard let page = tail.lastRange(of: "OggS\0".utf8) else {
            return .damaged(file: file, reason: "its end is no Ogg page")
        }
        let cut = AudioError.damaged(file: file, reason: "its last Ogg page is cut off")
        guard page + 27 <= tail.count else { return cut }
        let segments = Int(tail[page + 26])
        guard page + 27 + segments <= tail.count else { return cut }
        let body = tail[(page + 27)..<(page + 27 + segments)].reduce(0) { $0 + Int($1) }
        return page + 27 + segments + body > tail.count ? cut : nil
    }

    private static func little(_ bytes: [UInt8], at offset: Int, count: Int) -> UInt64 {
        guard offset + count <= bytes.count else { return 0 }
        return (0..<count).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
    }
}

extension [UInt8] {
    /// Where `pattern` begins for the last time.
    fileprivate func lastRange(of pattern: some Sequence<UInt8>) -> Int? {
        let pattern = Array(pattern)
        return stride(from: count - pattern.count, through: 0, by: -1).first {
            self[$0] == pattern[0] && self[$0..<($0 + pattern.count)].elementsEqual(pattern)
        }
    }
}

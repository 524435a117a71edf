import Foundation
import Synchronization

/// The check whether a recording is complete, if its container allows one.
///
/// libsndfile silently plays the rest of a file whose end is missing, skips damaged Ogg pages, and plays only the first
/// of several concatenated recordings.
extension ByteSource {
    /// Returns the error of an incomplete file; nil if it looks complete.
    func flaw(file: String) -> AudioError? {
        let head = bytes(at: 0, count: 16)
        func starts(_ text: String) -> Bool { head.starts(with: text.utf8) }
        if starts("OggS") { return Self.whole.unless(self) { oggFlaw(file: file) } }
        if let promised = promisedLength() {
            return unfinishedFlaw(promised, file: file) ?? promised.flaw(size: size, file: file)
        }
        return mp3Flaw(file: file)
    }

    /// Checks a WAV file whose header was finished except for the audio's length, which contradicts itself.
    ///
    /// A streamed file has no length of its own either.
    private func unfinishedFlaw(_ promised: PromisedLength, file: String) -> AudioError? {
        let found = size - promised.offset
        let head = bytes(at: 0, count: 8)
        guard promised.bytes == 0, found > 0, head.starts(with: "RIFF".utf8),
            Self.little(head, at: 4, count: 4) + 8 == UInt64(size)
        else { return nil }
        return .damaged(
            file: file,
            reason:
                "its header says that it has no samples, and \(found) bytes follow, as where a recorder was interrupted; "
                + "convert it with ffmpeg, which reads them")
    }

    // MARK: Ogg (RFC 3533)

    /// Parts of long recordings are read one after another, each time from the opened file.
    private static let whole = WholeFiles()

    private func oggFlaw(file: String) -> AudioError? {
        var offset = 0
        var hasData = false
        while offset < size {
            let header = bytes(at: offset, count: 27)
            guard header.count == 27, header.starts(with: "OggS".utf8) else {
                return .damaged(
                    file: file,
                    reason: offset + header.count >= size && header.count < 27
                        ? "its last Ogg page is cut off" : "there is no Ogg page at byte \(offset)")
            }
            let segments = bytes(at: offset + 27, count: Int(header[26]))
            let length = 27 + Int(header[26]) + segments.reduce(0) { $0 + Int($1) }
            let page = bytes(at: offset, count: length)
            guard page.count == length else {
                return .damaged(file: file, reason: "its last Ogg page is cut off")
            }
            guard Self.checksum(page) == UInt32(Self.little(page, at: 22, count: 4)) else {
                return .damaged(file: file, reason: "the Ogg page at byte \(offset) has a wrong checksum")
            }
            let isFirst = page[5] & 2 != 0
            if isFirst, hasData {
                return .damaged(
                    file: file,
                    reason:
                        "several recordings are joined in it, from byte \(offset) on another one; convert it with ffmpeg "
                        + "to a single one")
            }
            hasData = hasData || !isFirst
            offset += length
        }
        return nil
    }

    /// Returns the CRC-32 with the polynomial 0x04C11DB7, highest bit first, of a page whose own checksum counts as 0.
    private static func checksum(_ page: [UInt8]) -> UInt32 {
        var sum: UInt32 = 0
        crcTable.withUnsafeBufferPointer { table in
            for (index, byte) in page.enumerated() {
                let value = (22..<26).contains(index) ? 0 : byte
                sum = sum << 8 ^ table[Int(UInt8(truncatingIfNeeded: sum >> 24) ^ value)]
            }
        }
        return sum
    }

    private static let crcTable: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index) << 24) { sum, _ in sum << 1 ^ (sum >> 31 == 1 ? 0x04C1_1DB7 : 0) }
    }

    // MARK: MP3

    /// Checks an MP3 file: the first frame may contain the number of bytes; another recording may follow.
    private func mp3Flaw(file: String) -> AudioError? {
        var start = 0
        let head = bytes(at: 0, count: 10)
        if head.count == 10, head.starts(with: "ID3".utf8) {
            start = 10 + head[6..<10].reduce(0) { $0 << 7 | Int($1 & 0x7F) }
        }
        let frame = bytes(at: start, count: 64)
        guard frame.count == 64, Self.isFrame(frame[...]) else { return nil }
        // After the side information, which is shorter in MPEG-2 and for one channel.
        let (isVersion1, isMono) = (frame[1] & 0x08 != 0, frame[3] >> 6 == 3)
        let tag = 4 + (isVersion1 ? (isMono ? 17 : 32) : (isMono ? 9 : 17))
        let name = frame[tag..<tag + 4]
        guard name.elementsEqual("Xing".utf8) || name.elementsEqual("Info".utf8) else { return nil }
        let flags = Self.big(frame, at: tag + 4, count: 4)
        guard flags & 2 != 0 else { return nil }
        let end = start + Int(Self.big(frame, at: tag + (flags & 1 != 0 ? 12 : 8), count: 4))
        // Decoding detects a few missing frames; the announced size, which some programs get wrong by as much, detects
        // more, before the decoder fails.
        let announced = end - start
        if announced - size > max(1024, announced / 100) {
            return .damaged(
                file: file, reason: "it is cut off: its header promises \(announced) bytes, and it has \(size)")
        }
        let next = bytes(at: end, count: 4)
        guard end > start + 64, next.count == 4, next.starts(with: "ID3".utf8) || Self.isFrame(next[...]) else {
            return nil
        }
        return .damaged(
            file: file,
            reason:
                "several recordings are joined in it, from byte \(end) on another one; convert it with ffmpeg to a single "
                + "one")
    }

    private static func isFrame(_ bytes: ArraySlice<UInt8>) -> Bool {
        let bytes = Array(bytes.prefix(3))
        // Synchronization, a version, layer III, a valid bit rate and sampling rate.
        return bytes.count == 3 && bytes[0] == 0xFF && bytes[1] & 0xE0 == 0xE0 && bytes[1] & 0x18 != 0x08
            && bytes[1] & 0x06 == 0x02 && bytes[2] >> 4 != 15 && bytes[2] & 0x0C != 0x0C
    }

    // MARK: Numbers

    private static func little(_ bytes: [UInt8], at offset: Int, count: Int) -> UInt64 {
        guard offset + count <= bytes.count else { return 0 }
        return (0..<count).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
    }

    private static func big(_ bytes: [UInt8], at offset: Int, count: Int) -> UInt64 {
        guard offset + count <= bytes.count else { return 0 }
        return (0..<count).reduce(0) { $0 << 8 | UInt64(bytes[offset + $1]) }
    }
}

/// Files that were found complete, as long as they have not been written to since.
private final class WholeFiles: Sendable {
    private struct Identity: Hashable {
        let device: UInt64
        let number: UInt64
        let size: Int
        let seconds: Int
        let nanoseconds: Int
    }

    private static let capacity = 4096
    private let known = Mutex<Set<Identity>>([])

    /// Returns the result of `check` for a file that is not known to be complete.
    func unless(_ source: ByteSource, _ check: () -> AudioError?) -> AudioError? {
        var status = stat()
        guard case .file(let descriptor, let size) = source, fstat(descriptor, &status) == 0 else { return check() }
        let identity = Identity(
            device: UInt64(status.st_dev), number: UInt64(status.st_ino), size: size,
            seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec)
        if known.withLock({ $0.contains(identity) }) { return nil }
        if let flaw = check() { return flaw }
        known.withLock { known in
            if known.count >= Self.capacity { known.removeAll() }
            known.insert(identity)
        }
        return nil
    }
}

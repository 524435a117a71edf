import Foundation

/// The length of the audio that a header promises.
///
/// libsndfile silently plays the rest of a file whose end is missing.
struct PromisedLength {
    /// The offset of the audio.
    var offset: Int
    /// The number of bytes that the header promises from there on.
    var bytes: UInt64
    /// The bytes of a unit: a frame of all channels, or a block of a compressed format.
    var frameSize = 1
    /// The place of the length field, if libsndfile treats an unknown length as zero.
    var field: (order: ByteOrder, bytes: Int, distance: Int)?
    /// Whether `frameSize` bytes are one sample of each channel.
    var isPCM = false

    /// Returns what a decoder must see in place of an unknown length: everything that follows.
    func patch(size: Int) -> ByteSource.Patch? {
        guard let field, Self.isUnknown(bytes), size > offset else { return nil }
        // Between the length and the audio there are other bytes that it counts too.
        let counted = size - offset + field.distance
        let length = UInt64(min(counted, field.bytes == 4 ? 0x7FFF_0000 : Int.max))
        let big = (0..<field.bytes).map { UInt8(truncatingIfNeeded: length >> UInt64(8 * (field.bytes - 1 - $0))) }
        return ByteSource.Patch(
            offset: offset - field.distance - field.bytes, bytes: field.order == .big ? big : big.reversed())
    }

    /// Returns the error for missing audio; nil if it is complete.
    ///
    /// If less than a frame is missing, all complete ones can be read.
    func flaw(size: Int, file: String) -> AudioError? {
        guard !Self.isUnknown(bytes), size >= offset else { return nil }
        let (promised, found) = (bytes, UInt64(size - offset))
        let frame = UInt64(max(1, frameSize))
        guard promised / frame > found / frame else { return nil }
        return isPCM
            ? .truncated(file: file, expected: Int(promised / frame), found: Int(found / frame))
            : .damaged(
                file: file,
                reason: "it is cut off: its header promises \(promised) bytes of audio, and \(found) are there")
    }

    /// Returns whether a length means that it is unknown.
    ///
    /// Programs that write to a pipe store 0 or the largest number of 31, 32 or 63 bits, some minus a header.
    static func isUnknown(_ length: UInt64) -> Bool {
        length == 0 || length >= 1 << 48 || (0x7FFF_0000...0x8000_0100).contains(length)
            || (0xFFFF_0000...0x1_0000_0100).contains(length)
    }
}

/// The byte order of a number.
enum ByteOrder { case little, big }

extension ByteSource {
    /// Returns the length that the header of an uncompressed container promises; nil for other formats.
    ///
    /// Sources: Multimedia Programming Interface 1.0 (RIFF), EBU Tech 3306 (RF64), Sony's Wave64, Apple's AIFF-C and
    /// Core Audio Format 1.0, Sun's and NeXT's AU, NIST's SPHERE, Creative's VOC, AVR of the Atari ST, Psion's WVE,
    /// MIDI's Sample Dump Standard.
    func promisedLength() -> PromisedLength? {
        let head = bytes(at: 0, count: 16)
        guard head.count == 16 else { return nil }
        switch String(decoding: head[..<4], as: UTF8.self) {
        case "RIFF": return riff(.little)
        case "RIFX": return riff(.big)
        case "RF64", "BW64": return riff(.little)
        case "riff": return wave64()
        case "FORM": return aiff()
        case "caff": return coreAudio()
        case ".snd": return au()
        case "NIST": return sphere()
        case "Crea": return creativeVoice()
        case "2BIT": return avr()
        case "ALaw": return psionWave()
        default: return head[0] == 0xF0 && head[1] == 0x7E ? sampleDump() : nil
        }
    }

    // MARK: Chunks

    /// A chunk: its name, the offset of its content, and the content's length according to its header.
    private struct Chunk {
        var name: String
        var content: Int
        var length: UInt64
    }

    private func number(_ offset: Int, _ count: Int, _ order: ByteOrder) -> UInt64 {
        let bytes = bytes(at: offset, count: count)
        guard bytes.count == count else { return 0 }
        return (order == .big ? bytes : bytes.reversed()).reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Visits chunks up to one that `body` treats as the last, or whose end is missing.
    private func forEachChunk(
        from start: Int, nameLength: Int = 4, sizeLength: Int, _ order: ByteOrder, countsHeader: Bool = false,
        alignment: UInt64, _ body: (Chunk) -> Bool
    ) {
        let header = nameLength + sizeLength
        var offset = UInt64(start)
        while offset + UInt64(header) <= UInt64(size) {
            let name = bytes(at: Int(offset), count: 4)
            var length = number(Int(offset) + nameLength, sizeLength, order)
            if countsHeader { length = length >= UInt64(header) ? length - UInt64(header) : 0 }
            let chunk = Chunk(
                name: String(decoding: name, as: UTF8.self), content: Int(offset) + header, length: length)
            guard body(chunk), length < 1 << 48 else { return }
            offset += UInt64(header) + (length + alignment - 1) / alignment * alignment
        }
    }

    private static let pcmTags: Set<UInt64> = [1, 3, 6, 7, 0xFFFE]

    private func riff(_ order: ByteOrder) -> PromisedLength? {
        var found: PromisedLength?
        var (frameSize, isPCM) = (1, false)
        var longLength: UInt64?
        let isMovie = bytes(at: 8, count: 4).elementsEqual("AVI ".utf8)
        forEachChunk(from: 12, sizeLength: 4, order, alignment: 2) { chunk in
            switch chunk.name {
            case "LIST" where isMovie:
                // ffmpeg silently plays the rest of a movie.
                found = PromisedLength(offset: chunk.content, bytes: chunk.length)
            case "ds64": longLength = number(chunk.content + 8, 8, .little)
            case "fmt ":
                isPCM = Self.pcmTags.contains(number(chunk.content, 2, order))
                frameSize = Int(number(chunk.content + 12, 2, order))
            case "data":
                let length = chunk.length == 0xFFFF_FFFF ? longLength ?? chunk.length : chunk.length
                found = PromisedLength(offset: chunk.content, bytes: length, frameSize: frameSize, isPCM: isPCM)
                if length == 0 { found?.field = (order, 4, 0) }
                return false
            default: break
            }
            return true
        }
        return found
    }

    private func wave64() -> PromisedLength? {
        var found: PromisedLength?
        var (frameSize, isPCM) = (1, false)
        forEachChunk(from: 40, nameLength: 16, sizeLength: 8, .little, countsHeader: true, alignment: 8) { chunk in
            switch chunk.name {
            case "fmt ":
                isPCM = Self.pcmTags.contains(number(chunk.content, 2, .little))
                frameSize = Int(number(chunk.content + 12, 2, .little))
            case "data":
                found = PromisedLength(
                    offset: chunk.content, bytes: chunk.length, frameSize: frameSize, isPCM: isPCM)
                return false
            default: break
            }
            return true
        }
        return found
    }

    private func aiff() -> PromisedLength? {
        var found: PromisedLength?
        // The number of frames, and the bytes of one, if the format is not compressed.
        var common: (frames: UInt64, size: UInt64)?
        let isCompressed = bytes(at: 8, count: 4).elementsEqual("AIFC".utf8)
        forEachChunk(from: 12, sizeLength: 4, .big, alignment: 2) { chunk in
            switch chunk.name {
            case "COMM" where !isCompressed:
                let bits = number(chunk.content + 6, 2, .big)
                common = (number(chunk.content + 2, 4, .big), number(chunk.content, 2, .big) * ((bits + 7) / 8))
            case "SSND":
                // Before the samples: the number of padding bytes among them, and the size of a block.
                let filling = number(chunk.content, 4, .big)
                let length = chunk.length > 8 + filling ? chunk.length - 8 - filling : 0
                let promised = common.map { max(length, $0.frames * $0.size) } ?? length
                found = PromisedLength(
                    offset: chunk.content + 8 + Int(filling), bytes: PromisedLength.isUnknown(length) ? 0 : promised,
                    frameSize: Int(common?.size ?? 1), isPCM: common != nil)
                return false
            case "BODY":
                found = PromisedLength(offset: chunk.content, bytes: chunk.length)
                return false
            default: break
            }
            return true
        }
        return found
    }

    private func coreAudio() -> PromisedLength? {
        var found: PromisedLength?
        var (frameSize, isPCM) = (1, false)
        forEachChunk(from: 8, sizeLength: 8, .big, alignment: 1) { chunk in
            switch chunk.name {
            case "desc":
                isPCM = bytes(at: chunk.content + 8, count: 4).elementsEqual("lpcm".utf8)
                // 0 if packets differ in size.
                frameSize = max(1, Int(number(chunk.content + 16, 4, .big)))
            case "data":
                // The number of edits comes first.
                let length = chunk.length >= 4 ? chunk.length - 4 : 0
                found = PromisedLength(
                    offset: chunk.content + 4, bytes: length, frameSize: frameSize, isPCM: isPCM)
                found?.field = (.big, 8, 4)
                return false
            default: break
            }
            return true
        }
        return found
    }

    // MARK: Headers without chunks

    private func au() -> PromisedLength {
        let widths: [UInt64: UInt64] = [1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1]
        let width = widths[number(12, 4, .big)]
        return PromisedLength(
            offset: Int(number(4, 4, .big)), bytes: number(8, 4, .big),
            frameSize: width.map { Int($0 * max(1, number(20, 4, .big))) } ?? 1, isPCM: width != nil)
    }

    /// VOC: after the header come blocks of a type (0 ends), a length of three bytes and the content.
    private func creativeVoice() -> PromisedLength? {
        var offset = Int(number(20, 2, .little))
        guard offset >= 22 else { return nil }
        var last: PromisedLength?
        while offset + 4 <= size, number(offset, 1, .little) != 0 {
            let length = number(offset + 1, 3, .little)
            last = PromisedLength(offset: offset + 4, bytes: length == 0xFF_FFFF ? 0 : length)
            offset += 4 + Int(length)
        }
        return last
    }

    private func avr() -> PromisedLength {
        let frame = number(14, 2, .big) / 8 * (number(12, 2, .big) == 0 ? 1 : 2)
        return PromisedLength(
            offset: 128, bytes: number(26, 4, .big) * frame, frameSize: Int(frame), isPCM: true)
    }

    private func psionWave() -> PromisedLength {
        PromisedLength(offset: 32, bytes: number(18, 4, .big), isPCM: true)
    }

    /// MIDI's Sample Dump Standard: packets of 127 bytes, 120 of them samples of two to four bytes.
    private func sampleDump() -> PromisedLength? {
        let head = bytes(at: 0, count: 21).map(UInt64.init)
        guard head.count == 21, (8...28).contains(head[6]) else { return nil }
        let perPacket = 120 / ((head[6] + 6) / 7)
        let count = head[10] | head[11] << 7 | head[12] << 14
        return PromisedLength(offset: 21, bytes: (count + perPacket - 1) / perPacket * 127, frameSize: 127)
    }

    /// SPHERE: "NIST_1A", the header's length, then a line for each field, as in "sample_count -i 16000".
    private func sphere() -> PromisedLength? {
        let length = String(decoding: bytes(at: 8, count: 8), as: UTF8.self)
        guard let offset = Int(length.trimmingCharacters(in: .whitespacesAndNewlines)), (16...65_536).contains(offset)
        else {
            return nil
        }
        var fields: [Substring: Substring] = [:]
        let header = String(decoding: bytes(at: 16, count: offset - 16), as: UTF8.self)
        for line in header.split(separator: "\n") {
            let parts = line.split(separator: " ", maxSplits: 2)
            if parts.first == "end_head" { break }
            if parts.count == 3 { fields[parts[0]] = parts[2] }
        }
        func field(_ name: Substring) -> UInt64? {
            fields[name].flatMap { UInt64($0.trimmingCharacters(in: .whitespaces)) }.flatMap { $0 < 1 << 40 ? $0 : nil }
        }
        // Compressed speech ("pcm,embedded-shorten-v2.00") has no such length.
        guard let count = field("sample_count"), !(fields["sample_coding"] ?? "pcm").contains(",") else { return nil }
        let frame = min(field("channel_count") ?? 1, 1024) * min(field("sample_n_bytes") ?? 2, 8)
        return PromisedLength(offset: offset, bytes: count * frame, frameSize: Int(frame), isPCM: true)
    }
}

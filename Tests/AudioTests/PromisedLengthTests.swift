import Foundation
import TestSupport
import Testing

@testable import W2VAudio

/// Headers that promise more audio than there is, in every format that states a length.
@Suite("Promised lengths", .onTestThreads)
struct PromisedLengthTests {
    private static func big(_ number: Int, _ count: Int = 4) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: number >> (8 * (count - 1 - $0))) }
    }

    private static func little(_ number: Int, _ count: Int = 4) -> [UInt8] { big(number, count).reversed() }

    private static func text(_ text: String) -> [UInt8] { Array(text.utf8) }

    /// A tone of 2000 frames of 16 bits.
    private static func samples(channels: Int, bigEndian: Bool) -> [UInt8] {
        fadingTone(count: 2000).flatMap { sample in
            [[UInt8]](
                repeating: bigEndian ? big(Int(sample * 9000), 2) : little(Int(sample * 9000), 2), count: channels
            )
            .joined()
        }
    }

    private static func waveFormat(_ channels: Int, bigEndian: Bool = false) -> [UInt8] {
        let number = bigEndian ? { big($0, $1) } : { little($0, $1) }
        return [(1, 2), (channels, 2), (16_000, 4), (32_000 * channels, 4), (2 * channels, 2), (16, 2)]
            .flatMap { number($0.0, $0.1) }
    }

    /// A file of 2000 frames whose header promises `extra` bytes more.
    private static func file(_ format: String, channels: Int, extra: Int = 0) -> [UInt8] {
        let length = 4000 * channels
        let promised = length + extra
        let littles = samples(channels: channels, bigEndian: false)
        let bigs = samples(channels: channels, bigEndian: true)
        switch format {
        case "wav":
            return text("RIFF") + little(36 + promised) + text("WAVEfmt ") + little(16) + waveFormat(channels)
                + text("data") + little(promised) + littles
        case "rifx":
            return text("RIFX") + big(36 + promised) + text("WAVEfmt ") + big(16)
                + waveFormat(channels, bigEndian: true) + text("data") + big(promised) + bigs
        case "rf64":
            return text("RF64") + big(-1) + text("WAVEds64") + little(28) + little(72 + promised, 8)
                + little(promised, 8) + little(2000, 8) + little(0) + text("fmt ") + little(16) + waveFormat(channels)
                + text("data") + big(-1) + littles
        case "w64":
            let tail: [UInt8] = [0xF3, 0xAC, 0xD3, 0x11, 0x8C, 0xD1, 0x00, 0xC0, 0x4F, 0x8E, 0xDB, 0x8A]
            let riff: [UInt8] = [0x2E, 0x91, 0xCF, 0x11, 0xA5, 0xD6, 0x28, 0xDB, 0x04, 0xC1, 0x00, 0x00]
            return text("riff") + riff + little(104 + promised, 8) + text("wave") + tail + text("fmt ") + tail
                + little(40, 8) + waveFormat(channels) + text("data") + tail + little(24 + promised, 8) + littles
        case "aiff":
            return text("FORM") + big(46 + promised) + text("AIFFCOMM") + big(18) + big(channels, 2)
                + big(promised / 2 / channels) + big(16, 2) + [0x40, 0x0C, 0xFA, 0, 0, 0, 0, 0, 0, 0] + text("SSND")
                + big(8 + promised) + big(0) + big(0) + bigs
        case "au":
            return text(".snd") + big(24) + big(promised) + big(3) + big(16_000) + big(channels) + bigs
        case "caf":
            return text("caff") + big(1, 2) + big(0, 2) + text("desc") + big(32, 8) + big(0x40CF_4000) + big(0)
                + text("lpcm") + big(0) + big(2 * channels) + big(1) + big(channels) + big(16) + text("data")
                + big(4 + promised, 8) + big(0) + bigs
        default:
            var header =
                "NIST_1A\n   1024\nchannel_count -i \(channels)\nsample_count -i \(promised / 2 / channels)\n"
                + "sample_rate -i 16000\nsample_n_bytes -i 2\nsample_byte_format -s2 01\nsample_sig_bits -i 16\n"
                + "sample_coding -s3 pcm\nend_head\n"
            header += String(repeating: " ", count: 1024 - header.utf8.count)
            return text(header) + littles
        }
    }

    private static let formats = ["wav", "rifx", "rf64", "w64", "aiff", "au", "caf", "sphere"]

    /// Formats of which libsndfile and ffmpeg play the rest: a complete file of each, written from its specification.
    private static let rareFiles: [(String, [UInt8])] = [
        (
            "a.voc",
            text("Creative Voice File\u{1A}") + little(26, 2) + little(0x10A, 2) + little(0x1129, 2) + [9]
                + little(12 + 4000, 3) + little(16_000) + [16, 1] + little(4, 2) + little(0)
                + samples(channels: 1, bigEndian: false) + [0]
        ),
        (
            "a.avr",
            text("2BIT") + [UInt8](repeating: 0, count: 8) + big(0, 2) + big(16, 2) + big(-1, 2) + big(0, 2)
                + big(-1, 2)
                + big(16_000) + big(2000) + big(0) + big(2000) + [UInt8](repeating: 0, count: 90)
                + samples(channels: 1, bigEndian: true)
        ),
        (
            "a.wve",
            text("ALawSoundFile**\u{0}") + big(3856, 2) + big(4000) + [UInt8](repeating: 0, count: 10)
                + [UInt8](repeating: 0xD5, count: 4000)
        ),
        (
            "a.sds",
            [0xF0, 0x7E, 0, 1, 0, 0, 16, 0x12, 0x74, 3, 0x50, 0x0F, 0] + [UInt8](repeating: 0, count: 7) + [0xF7]
                + (0..<50).flatMap { packet -> [UInt8] in
                    let body = [0x7E, 0, 2, UInt8(packet)] + [UInt8](repeating: 0x40, count: 120)
                    return [0xF0] + body + [body.reduce(0, ^) & 0x7F, 0xF7]
                }
        ),
    ]

    @Test(arguments: rareFiles.map(\.0)) func missingEndsOfRareFormatsAreFound(name: String) throws {
        let whole = try #require(Self.rareFiles.first { $0.0 == name }?.1)
        let count = try AudioFile.read(Data(whole), name: name).count
        #expect(count >= 2000)
        for missing in [200, whole.count / 2] {
            #expect(throws: AudioError.self, "\(missing) bytes") {
                _ = try AudioFile.read(Data(whole.dropLast(missing)), name: name)
            }
        }
    }

    @Test func missingEndsOfMoviesAreFound() throws {
        // A movie whose list of frames is cut off plays nothing.
        let list = Self.text("LIST") + Self.little(5000) + Self.text("movi") + [UInt8](repeating: 0, count: 4000)
        let movie = Self.text("RIFF") + Self.little(5012) + Self.text("AVI ") + list
        #expect(
            throws: AudioError.damaged(
                file: "a.avi", reason: "it is cut off: its header promises 5000 bytes of audio, and 4004 are there")
        ) { _ = try AudioFile.read(Data(movie), name: "a.avi") }
    }

    @Test(arguments: formats, [1, 2]) func missingEndsAreFound(format: String, channels: Int) throws {
        let whole = Data(Self.file(format, channels: channels))
        #expect(try AudioFile.read(whole).count == 2000)
        #expect(try AudioFile.info(whole).frames == 2000)
        let frame = 2 * channels
        for missing in [frame, 1600 * frame, 1999 * frame] {
            #expect(throws: AudioError.truncated(file: "cut", expected: 2000, found: 2000 - missing / frame)) {
                try AudioFile.read(whole.dropLast(missing), name: "cut")
            }
            #expect(throws: AudioError.self) { try AudioFile.info(whole.dropLast(missing)) }
        }
        // A larger promise, and the same bytes.
        let more = Data(Self.file(format, channels: channels, extra: 500 * frame))
        #expect(throws: AudioError.truncated(file: "more", expected: 2500, found: 2000)) {
            try AudioFile.read(more, name: "more")
        }
    }

    /// Half a frame is missing, but all complete ones can be read.
    @Test(arguments: formats.filter { $0 != "sphere" }, [1, 2])
    func aMissingPartOfAFrameIsIgnored(format: String, channels: Int) throws {
        let file = Self.file(format, channels: channels, extra: 1)
        #expect(try AudioFile.read(Data(file)).count == 2000)
        #expect(try AudioFile.read(Data(file)) == AudioFile.read(Data(Self.file(format, channels: channels))))
    }

    /// The values that programs use when they write to a pipe.
    @Test(arguments: [0, 0x7FFF_F000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF - 36, 0xFFFF_FFFF])
    func streamedWAVFilesAreReadToTheirEnd(length: Int) throws {
        var file = Self.file("wav", channels: 1)
        file.replaceSubrange(40..<44, with: Self.little(length))
        for riff in [length, 0, 0xFFFF_FFFF] {
            file.replaceSubrange(4..<8, with: Self.little(riff))
            #expect(try AudioFile.read(Data(file)).count == 2000, "\(length) \(riff)")
        }
    }

    @Test func streamedAUAndCAFFilesAreReadToTheirEnd() throws {
        var au = Self.file("au", channels: 1)
        au.replaceSubrange(8..<12, with: Self.big(-1))
        #expect(try AudioFile.read(Data(au)).count == 2000)
        var caf = Self.file("caf", channels: 1)
        caf.replaceSubrange(56..<64, with: Self.big(-1, 8))
        #expect(try AudioFile.read(Data(caf)).count == 2000)
    }

    /// Chunks after the audio may be cut off: no speech is lost.
    @Test func missingMetadataAfterTheAudioIsAccepted() throws {
        let file = Self.file("wav", channels: 1) + Self.text("LIST") + Self.little(400) + Self.text("INFO")
        #expect(try AudioFile.read(Data(file)).count == 2000)
    }
}

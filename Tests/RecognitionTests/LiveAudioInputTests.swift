import Foundation
import TestSupport
import Testing

@testable import W2VRecognition

@Suite(.onTestThreads) struct LiveAudioInputTests {
    private let bytes = (0..<4_000).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ $0 / 256) }

    /// Returns the samples of chunks, and whether half a sample is left over.
    private func samples(_ bytes: [UInt8], pieces sizes: [Int]) throws -> ([Float], Bool) {
        var input = LiveAudioInput()
        var rest = bytes[...]
        var samples: [Float] = []
        var turn = 0
        while !rest.isEmpty {
            let size = sizes[turn % sizes.count]
            samples += try input.append(rest.prefix(size))
            rest = rest.dropFirst(size)
            turn += 1
        }
        let end = try input.finish()
        return (samples + end.samples, end.hasHalfSample)
    }

    @Test(arguments: [[1], [1, 2], [3, 5], [999, 1_001], [333], [7, 8], [4_000]])
    func piecesOfAnyLengthGiveTheSameSamples(sizes: [Int]) throws {
        let (found, hasHalfSample) = try samples(bytes, pieces: sizes)
        #expect(found == rawSamples(bytes) && !hasHalfSample)
        let odd = try samples(Array(bytes.dropLast()), pieces: sizes)
        #expect(odd.0 == rawSamples(bytes.dropLast()) && odd.1)
    }

    @Test func shortInputsAreHeard() throws {
        for count in 0..<12 {
            let (found, hasHalfSample) = try samples(Array(bytes.prefix(count)), pieces: [1])
            #expect(found == rawSamples(bytes.prefix(count)) && hasHalfSample == (count % 2 == 1))
        }
        // The start of a mark is not a mark.
        #expect(try samples(Array("RIF".utf8), pieces: [1]).0.count == 1)
    }

    /// An MP3 of empty frames with headers: 128 kbit/s at 44.1 kHz, 417 bytes each.
    private static let mp3 = (0..<4).flatMap { _ in [0xFF, 0xFB, 0x90, 0x64] + [UInt8](repeating: 0, count: 413) }
    /// AAC frames of 200 bytes.
    private static let aac = (0..<4).flatMap { _ in
        [0xFF, 0xF1, 0x50, 0x80, 200 >> 3, 0x1F] + [UInt8](repeating: 0, count: 194)
    }
    private static let transport = (0..<4).flatMap { _ in [0x47, 0x40] + [UInt8](repeating: 0xFF, count: 186) }

    /// AC-3 frames of 160 kbit/s, 640 bytes at 48 kHz; E-AC-3 frames have their length in the header.
    private static func ac3(isEnhanced: Bool) -> [UInt8] {
        let header: [UInt8] = isEnhanced ? [0x0B, 0x77, 1, 0x3F, 0, 16 << 3] : [0x0B, 0x77, 0, 0, 18, 8 << 3]
        return (0..<4).flatMap { _ in header + [UInt8](repeating: 0, count: 634) }
    }
    /// AAC frames of 200 bytes in LOAS.
    private static let latm = (0..<4).flatMap { _ in [0x56, 0xE0, 197] + [UInt8](repeating: 0, count: 197) }

    static let files: [(String, [UInt8])] = [
        ("a WAV file", Array("RF64".utf8) + [255, 255]),
        ("a W64 file", Array("riff.".utf8)), ("a FLAC file", Array("fLaC\u{0}".utf8)),
        ("an Ogg file", Array("OggS\u{0}".utf8)),
        ("an MP3 file", Array("ID3\u{4}\u{0}".utf8)), ("an MP3 file", mp3), ("an AAC file", aac),
        ("an MPEG file", transport),
        ("a WebM or Matroska file", [0x1A, 0x45, 0xDF, 0xA3, 1]),
        ("an MP4 file", [0, 0, 0, 32] + Array("ftypM4A ".utf8)),
        ("a CAF file", Array("caff\u{0}\u{1}".utf8)), ("an AIFF file", Array("FORM\u{0}\u{0}".utf8)),
        ("an AU file", Array(".snd\u{0}".utf8)), ("an AMR file", Array("#!AMR\n".utf8)),
        ("an AC-3 file", ac3(isEnhanced: false)), ("an AC-3 file", ac3(isEnhanced: true)), ("an AAC file", latm),
        ("a NUT file", Array("nut/multimedia container\u{0}".utf8)), ("a RealMedia file", Array(".RMF\u{0}".utf8)),
        ("a SoX file", Array(".SoX\u{1}".utf8)), ("a TAK file", Array("tBaK".utf8)),
        ("a DTS file", [0x7F, 0xFE, 0x80, 1, 0xFC]), ("a NumPy file", [0x93] + Array("NUMPY\u{1}".utf8)),
        ("an MXF file", [6, 0x0E, 0x2B, 0x34, 2, 5, 1, 1, 0x0D]),
        ("a WMA file", [0x30, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11]), ("a SPHERE file", Array("NIST_1A\n".utf8)),
    ]

    @Test(arguments: files) func filesAreNoSamples(likeness: String, bytes: [UInt8]) throws {
        let file = bytes + [UInt8](repeating: 9, count: 20)
        for size in [1, 2, 3, 5, 64, 10_000] {
            #expect(throws: LiveInputError.file(likeness: likeness), "pieces of \(size)") {
                _ = try samples(file, pieces: [size])
            }
        }
        // A whole input that consists of the mark only.
        #expect(throws: LiveInputError.file(likeness: likeness)) { _ = try samples(bytes, pieces: [10_000]) }
        // Later in the input, such bytes are samples.
        let behind = try samples([1, 2, 3, 4, 5, 6, 7, 8] + file, pieces: [3])
        #expect(behind.0.count == (file.count + 8) / 2)
    }

    /// Speech may start like the short header of a frame, but does not continue like one.
    @Test(arguments: [mp3, aac, latm, ac3(isEnhanced: false), transport]) func oneHeaderIsNoFile(file: [UInt8]) throws {
        var speech = file
        for index in 6..<speech.count { speech[index] = UInt8(truncatingIfNeeded: index &* 31) & 0x3F }
        #expect(try samples(speech, pieces: [100]).0 == rawSamples(speech))
        let silence: [UInt8] = [0xFF, 0xFF, 0xFF, 0xFF, 0xFE, 0xFF, 0, 0] + [UInt8](repeating: 0, count: 9_000)
        #expect(try samples(silence, pieces: [100]).0 == rawSamples(silence))
    }
}

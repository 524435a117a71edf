import Foundation
import TestSupport
import Testing
import W2VAudio

@testable import W2VRecognition

/// Live input with a WAV header.
@Suite(.onTestThreads) struct WaveStreamTests {
    private static func bytes(_ number: Int, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
    }

    /// A WAV stream's bytes before its samples.
    private static func header(
        code: Int = 1, channels: Int = 1, rate: Int = 16_000, bits: Int = 16, size: Int = 0xFFFF_FFFF,
        before: [UInt8] = [], isExtensible: Bool = false
    ) -> [UInt8] {
        let block = channels * bits / 8
        var format =
            bytes(isExtensible ? 0xFFFE : code, 2) + bytes(channels, 2) + bytes(rate, 4) + bytes(rate * block, 4)
            + bytes(block, 2) + bytes(bits, 2)
        if isExtensible {
            format += bytes(22, 2) + bytes(bits, 2) + bytes(0, 4) + bytes(code, 2) + [UInt8](repeating: 0, count: 14)
        }
        return Array("RIFF".utf8) + bytes(size, 4) + Array("WAVE".utf8) + before
            + Array("fmt ".utf8) + bytes(format.count, 4) + format + Array("data".utf8) + bytes(size, 4)
    }

    private func heard(
        _ bytes: [UInt8], rate: Int? = nil, pieces: Int = 7
    ) throws -> (samples: [Float], hasHalfSample: Bool, rate: Int) {
        var input = LiveAudioInput(rate: rate)
        var samples: [Float] = []
        for start in stride(from: 0, to: bytes.count, by: pieces) {
            samples += try input.append(bytes[start..<min(start + pieces, bytes.count)])
        }
        let end = try input.finish()
        return (samples + end.samples, end.hasHalfSample, input.sampleRate)
    }

    private let samples: [Int16] = (0..<900).map { Int16(truncatingIfNeeded: $0 &* 641) }
    private var raw: [UInt8] { samples.flatMap { Self.bytes(Int($0), 2) } }
    private var expected: [Float] { samples.map { Float($0) / 32_768 } }

    @Test(arguments: [1, 2, 3, 11, 44, 5_000]) func piecesOfAnyLengthGiveTheSameSamples(pieces: Int) throws {
        let note = Array("LIST".utf8) + Self.bytes(5, 4) + [1, 2, 3, 4, 5, 0]
        for (name, header) in [
            ("plain", Self.header()), ("unknown length", Self.header(size: 0)),
            ("a note before", Self.header(before: note)), ("extensible", Self.header(isExtensible: true)),
        ] {
            let found = try heard(header + raw, pieces: pieces)
            #expect(found.samples == expected && !found.hasHalfSample && found.rate == 16_000, "\(name)")
        }
        // What follows the samples is not heard.
        let sized = Self.header(size: raw.count) + raw + note
        #expect(try heard(sized, pieces: pieces).samples == expected)
        let half = try heard(Self.header() + raw.dropLast(), pieces: pieces)
        #expect(half.samples == expected.dropLast() && half.hasHalfSample)
    }

    @Test func channelsAreMixedAndFloatsRead() throws {
        let stereo = samples.flatMap { Self.bytes(Int($0), 2) + Self.bytes(Int($0 / 2), 2) }
        let mixed = try heard(Self.header(channels: 2) + stereo).samples
        #expect(mixed.count == samples.count)
        for (found, sample) in zip(mixed, samples) {
            #expect(found == (Float(sample) / 32_768 + Float(sample / 2) / 32_768) / 2)
        }
        let floats = expected.flatMap { Self.bytes(Int($0.bitPattern), 4) }
        #expect(try heard(Self.header(code: 3, bits: 32) + floats).samples == expected)
        #expect(try heard(Self.header(code: 3, bits: 32, isExtensible: true) + floats, pieces: 1).samples == expected)
    }

    @Test func theHeaderSetsTheRate() throws {
        let tone = tonesInNoise(44_100, seed: 3)
        let raw = tone.flatMap { Self.bytes(Int(Int16($0 * 32_000)), 2) }
        let found = try heard(Self.header(rate: 44_100) + raw, pieces: 1_001)
        #expect(found.rate == 44_100 && found.samples.count == 44_100)
        #expect(try heard(Self.header(rate: 44_100) + raw, rate: 44_100).samples == found.samples)
        let bare = try heard(raw, rate: 44_100)
        #expect(bare.samples == found.samples && bare.rate == 44_100)
        #expect(throws: LiveInputError.otherRate(44_100, given: 16_000)) {
            try heard(Self.header(rate: 44_100) + raw, rate: 16_000)
        }
    }

    @Test func headersOfOtherFilesAreRefused() throws {
        for (bytes, words) in [
            (Array("RIFF1234AVI LIST".utf8), "is not WAVE"), (Self.header(bits: 24), "of format 1 with 24 bits"),
            (Self.header(code: 7, bits: 8), "of format 7"), (Self.header(channels: 0), "0 channels"),
            (Self.header(rate: 5), "5 samples a second"), (Array(Self.header().prefix(30)), "ends within its header"),
            (Array("RIFF1234WAVEdata".utf8) + Self.bytes(8, 4), "before their format"),
            (Array("RIFF1234WAVEjunk".utf8) + Self.bytes(1 << 30, 4), "longer than 1 MB"),
        ] {
            let error = #expect(throws: LiveInputError.self, "\(words)") { try heard(bytes) }
            #expect(error?.description.contains(words) == true, "\(words): \(error?.description ?? "")")
        }
    }

    /// Files as this program's library writes them.
    @Test(arguments: [AudioFileFormat.wav16, .wavFloat]) func ownFilesAreHeard(format: AudioFileFormat) throws {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let file = folder.file("a.wav")
        let tone = tonesInNoise(5_000, seed: 8)
        try AudioFile.write(tone, to: file, format: format)
        let found = try heard(Array(Data(contentsOf: file)), pieces: 100).samples
        #expect(found.count == tone.count)
        #expect(zip(found, tone).allSatisfy { abs($0 - $1) < 1e-4 })
    }
}

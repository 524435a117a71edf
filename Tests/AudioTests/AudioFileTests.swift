import Foundation
import TestSupport
import Testing

@testable import W2VAudio

@Suite("Reading and writing recordings", .onTestThreads)
struct AudioFileTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test(arguments: [AudioFileFormat.wav16, .wavFloat, .flac])
    func losslessFormatsRoundTrip(format: AudioFileFormat) throws {
        let file = folder.file("tone.\(format.rawValue)")
        let samples = fadingTone(count: 70_001).map { format == .wavFloat ? $0 : ($0 * 32768).rounded() / 32768 }
        try AudioFile.write(samples, to: file, format: format)
        #expect(try AudioFile.read(file) == samples)
        let info = try AudioFile.info(file)
        #expect(info.frames == 70_001 && info.sampleRate == 16_000 && info.channels == 1)
        #expect(info.format == (format == .flac ? "FLAC" : "WAV"))
    }

    @Test func writingTwiceGivesTheSameBytes() throws {
        for format in [AudioFileFormat.wav16, .wavFloat, .flac] {
            let files = ["a", "b"].map { folder.file($0 + format.rawValue) }
            for file in files { try AudioFile.write(fadingTone(count: 5000), to: file, format: format) }
            #expect(try Data(contentsOf: files[0]) == Data(contentsOf: files[1]))
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path).count == 6)
    }

    @Test func sixteenBitsClipAtFullScale() throws {
        let file = folder.file("loud.wav")
        try AudioFile.write([2, -2, 1, -1], to: file)
        #expect(try AudioFile.read(file) == [32767 / 32768, -1, 32767 / 32768, -1])
    }

    /// LAME crashes the program on such numbers.
    @Test(arguments: [AudioFileFormat.vorbis, .opus, .mp3]) func lossyFormatsClipToo(format: AudioFileFormat) throws {
        var loud = fadingTone(count: 16_000)
        loud[5000] = 1e30
        let file = folder.file("loud.\(format.pathExtension)")
        try AudioFile.write(loud, to: file, format: format)
        #expect(try AudioFile.read(file).allSatisfy { abs($0) < 2 })
    }

    @Test(arguments: [AudioFileFormat.vorbis, .opus, .mp3])
    func lossyFormatsSoundTheSame(format: AudioFileFormat) throws {
        let file = folder.file("tone.\(format.rawValue)")
        let samples = fadingTone(count: 48_000)
        try AudioFile.write(samples, to: file, format: format)
        let read = try AudioFile.read(file)
        let info = try AudioFile.info(file)
        #expect(abs(read.count - info.sampleCount(at: 16_000)) <= 1)
        // Without the encoder's own record of its delay (MP3) the decoder cannot compensate it.
        if format != .mp3 { #expect(abs(read.count - samples.count) <= 16) }
        let energy = read.reduce(0.0) { $0 + Double($1) * Double($1) }
        let original = samples.reduce(0.0) { $0 + Double($1) * Double($1) }
        #expect(abs(energy / original - 1) < 0.1)
        if format == .vorbis { #expect(rootMeanSquare(read, samples) < 0.02) }
    }

    @Test func channelsAreAveragedAndRatesConverted() throws {
        let file = folder.file("stereo8k.wav")
        let left = fadingTone(300, rate: 8000, count: 8000)
        let right = fadingTone(700, rate: 8000, count: 8000)
        try AudioFile.write(
            zip(left, right).flatMap { [$0, $1] }, sampleRate: 8000, channels: 2, to: file, format: .wavFloat)
        #expect(try AudioFile.info(file) == AudioInfo(frames: 8000, sampleRate: 8000, channels: 2, format: "WAV"))
        let expected = zip(fadingTone(300, count: 16_000), fadingTone(700, count: 16_000)).map { ($0 + $1) / 2 }
        let read = try AudioFile.read(file)
        #expect(read.count == 16_000)
        #expect(rootMeanSquare(read, expected) < 1e-4)
    }

    @Test(arguments: [8000, 11_025, 22_050, 44_100, 48_000])
    func resamplingKeepsLengthAndShape(rate: Int) throws {
        for count in [rate, rate + 1, rate + 7, 3 * rate - 5, 401] {
            let file = folder.file("tone\(count).wav")
            try AudioFile.write(fadingTone(rate: rate, count: count), sampleRate: rate, to: file, format: .wavFloat)
            let read = try AudioFile.read(file)
            #expect(read.count == (try AudioFile.info(file).sampleCount(at: 16_000)), "\(count) at \(rate) Hz")
            if count == rate { #expect(rootMeanSquare(read, fadingTone(count: 16_000)) < 1e-3) }
        }
    }

    @Test(arguments: AudioFileFormat.allCases)
    func aPartEqualsThatPartOfTheWhole(format: AudioFileFormat) throws {
        for rate in [16_000, 8000] {
            let file = folder.file("part\(rate).\(format.rawValue)")
            try AudioFile.write(fadingTone(rate: rate, count: 100_000), sampleRate: rate, to: file, format: format)
            let whole = try AudioFile.read(file)
            for range in [0..<1, 5..<4000, 70_000..<80_123, (whole.count - 3)..<(whole.count + 9)] {
                let part = try AudioFile.read(file, frames: range)
                let expected = Array(whole[range.lowerBound..<min(range.upperBound, whole.count)])
                // A codec's and a filter's memory converge, but not to the last bit.
                let remembers = rate != 16_000 || format == .opus
                let largest = zip(part, expected).map { abs($0 - $1) }.max() ?? 1
                #expect(part.count == expected.count && largest <= (remembers ? 1e-5 : 0), "\(range): \(largest)")
            }
            #expect(throws: AudioError.outOfRange(file: file.path, start: 10_000_000, count: whole.count)) {
                try AudioFile.read(file, frames: 10_000_000..<10_000_001)
            }
        }
    }

    /// In long recordings only the requested part and a little before it are decoded.
    @Test func opusSeeksToTheRequestedPart() throws {
        for (rate, count) in [(48_000, 480_123), (16_000, 131_072)] {
            let file = folder.file("long\(rate).opus")
            try AudioFile.write(fadingTone(rate: rate, count: count), sampleRate: rate, to: file, format: .opus)
            let whole = try AudioFile.read(file, sampleRate: rate)
            for start in Array(stride(from: 1, to: count - 200, by: count / 23)) + [count - 700, count - 3] {
                let part = try AudioFile.read(file, sampleRate: rate, frames: start..<(start + 500))
                let expected = whole[start..<min(start + 500, whole.count)]
                let largest = zip(part, expected).map { abs($0 - $1) }.max() ?? 1
                #expect(part.count == expected.count && largest < 1e-5, "\(rate), \(start): \(largest)")
            }
        }
    }

    @Test(arguments: [AudioFileFormat.wav16, .flac, .opus])
    func memoryReadsAsTheFileDoes(format: AudioFileFormat) throws {
        let file = folder.file("memory.\(format.rawValue)")
        try AudioFile.write(fadingTone(count: 30_000), to: file, format: format)
        let data = try Data(contentsOf: file)
        #expect(try AudioFile.read(data) == AudioFile.read(file))
        #expect(try AudioFile.info(data) == AudioFile.info(file))
    }

    @Test func othersGoThroughFFmpeg() throws {
        let file = folder.file("tone.g722")
        let wave = folder.file("tone.wav")
        try AudioFile.write(fadingTone(count: 32_000), to: wave)
        guard let program = AudioFile.externalDecoder else {
            try Data(repeating: 7, count: 4000).write(to: file)
            let error = try #require(throws: AudioError.self) { try AudioFile.read(file) }
            guard case .unknownFormat(file.path, _) = error else { throw error }
            return
        }
        for name in ["tone.g722", "tone.m4a"] {
            let made = folder.file(name)
            #expect(try runTool(program, ["-nostdin", "-v", "error", "-y", "-i", wave.path, made.path]) == 0)
            let samples = try AudioFile.read(made)
            #expect(abs(samples.count - 32_000) < 3000)
            let energy = samples.reduce(0.0) { $0 + Double($1) * Double($1) }
            #expect(abs(energy / 2000 - 1) < 0.1)
        }
        let data = try Data(contentsOf: folder.file("tone.m4a"))
        #expect(try AudioFile.read(data) == AudioFile.read(folder.file("tone.m4a")))
    }
}

@Suite("Normalization", .onTestThreads)
struct NormalizationTests {
    @Test func hasZeroMeanAndUnitVariance() {
        let samples = normalized(fadingTone(count: 9999).map { $0 * 0.01 + 0.3 })
        let mean = samples.reduce(0.0) { $0 + Double($1) } / 9999
        let variance = samples.reduce(0.0) { $0 + Double($1) * Double($1) } / 9999
        // amplitude 0.005 under the envelope: a variance of 6.25e-6 (sin² sin², both 1/2), beside epsilon's 1e-5
        #expect(abs(mean) < 1e-6)
        #expect(abs(variance - 6.25e-6 / (6.25e-6 + 1e-5)) < 1e-3)
    }

    @Test func equalsTheDefinition() {
        // mean 2.5, variance 1.25
        let expected = [-1.5, -0.5, 0.5, 1.5].map { Float($0 / (1.25 + 1e-5).squareRoot()) }
        #expect(normalized([1, 2, 3, 4]) == expected)
        #expect(normalized([]) == [])
        // The constant added to the variance matters in quiet recordings: at a variance of 1e-6 it is ten times as
        // large.
        let quiet: [Float] = [1e-3, -1e-3]
        for (epsilon, level) in [(1e-5, 0.3015), (1e-7, 0.9535)] {
            #expect(abs(Double(normalized(quiet, epsilon: epsilon)[0]) - level) < 1e-4)
        }
        #expect(normalized([0.25, 0.25]) == [0, 0])
    }

    @Test func saysWhatAnEncoderRefuses() throws {
        for format in AudioFileFormat.allCases {
            #expect(AudioFile.refusal(of: format, sampleRate: 16_000) == nil, "\(format)")
            #expect(AudioFile.refusal(of: format, sampleRate: 0) != nil, "\(format)")
        }
        for (format, rate) in [(AudioFileFormat.opus, 44_100), (.mp3, 96_000), (.flac, 5_000_000)] {
            let reason = try #require(AudioFile.refusal(of: format, sampleRate: rate), "\(format)")
            #expect(!reason.contains("No Error") && !reason.contains("System error"), "\(reason)")
            let folder = try TemporaryFolder()
            let file = folder.file("recording.x")
            let error = try #require(throws: AudioError.self) {
                try AudioFile.write([0.5, 0.25], sampleRate: rate, to: file, format: format)
            }
            guard case .unwritable(file.path, _) = error else { throw error }
        }
    }
}

import Foundation
import TestSupport
import Testing

@testable import W2VAudio

@Suite("Bad recordings", .onTestThreads)
struct BadAudioTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Writes a file and keeps only its beginning.
    private func cut(_ format: AudioFileFormat, keeping share: Double) throws -> URL {
        let whole = folder.file("whole.\(format.rawValue)")
        try AudioFile.write(fadingTone(count: 64_000), to: whole, format: format)
        let data = try Data(contentsOf: whole)
        let part = folder.file("cut.\(format.rawValue)")
        try data.prefix(Int(Double(data.count) * share)).write(to: part)
        return part
    }

    @Test(arguments: [0.2, 0.5, 0.9, 0.999])
    func truncatedFLAC(share: Double) throws {
        let file = try cut(.flac, keeping: share)
        let error = try #require(throws: AudioError.self) { try AudioFile.read(file) }
        #expect("\(error)".contains(file.path))
        switch error {
        case .truncated(_, let expected, let found): #expect(expected == 64_000 && found < 64_000)
        case .damaged: break
        default: Issue.record("\(error)")
        }
        #expect(throws: AudioError.self) { try AudioFile.read(try Data(contentsOf: file)) }
    }

    /// A cut between two frames does not disturb the decoder itself.
    @Test func flacWithoutItsLastFrame() throws {
        let file = folder.file("whole.flac")
        try AudioFile.write(fadingTone(count: 64_000), to: file, format: .flac)
        let bytes = [UInt8](try Data(contentsOf: file))
        // Every frame of a stream begins with the same four bytes: sync, block size and rate, channels and bits.
        let first = try #require((42..<bytes.count).first { bytes[$0] == 0xFF && bytes[$0 + 1] == 0xF8 })
        let last = try #require(
            (first + 4..<bytes.count - 4).last { bytes[$0...].starts(with: bytes[first..<(first + 4)]) })
        let cut = Data(bytes[..<last])
        let error = try #require(throws: AudioError.self) { try AudioFile.read(cut, name: "cut") }
        guard case .truncated("cut", 64_000, let found) = error else { throw error }
        #expect(found > 32_000 && found < 64_000)
    }

    @Test func flacWithOnlyItsHeader() throws {
        let file = try cut(.flac, keeping: 0.0005)
        #expect(throws: AudioError.self) { try AudioFile.read(file) }
    }

    @Test func truncatedWAV() throws {
        let file = try cut(.wav16, keeping: 0.5)
        let found = (44 + 128_000) / 2 - 44
        #expect(throws: AudioError.truncated(file: file.path, expected: 64_000, found: found / 2)) {
            try AudioFile.read(file)
        }
        #expect(throws: AudioError.self) { try AudioFile.info(file) }
    }

    @Test(arguments: [AudioFileFormat.vorbis, .opus])
    func truncatedOgg(format: AudioFileFormat) throws {
        let file = try cut(format, keeping: 0.7)
        let error = try #require(throws: AudioError.self) { try AudioFile.read(file) }
        guard case .damaged(file.path, _) = error else { throw error }
    }

    @Test(arguments: [0.1, 0.5, 0.9, 0.98]) func truncatedMP3(share: Double) throws {
        let file = try cut(.mp3, keeping: share)
        let error = try #require(throws: AudioError.self) { try AudioFile.read(file) }
        // By its length, or by its decoder's message.
        switch error {
        case .truncated(file.path, _, _): break
        case .damaged(file.path, let reason): #expect(reason.contains("cut off"))
        default: throw error
        }
    }

    /// Without the frame that contains the length, libsndfile guesses it, and would stop at its guess.
    @Test(arguments: [false, true])
    func mp3WithoutLengthIsReadToItsEnd(variable: Bool) throws {
        let file = folder.file("tone.mp3")
        // Silence takes few bits: the first frames promise a far longer or shorter file than it is.
        let loud = fadingTone(count: 64_000) + [Float](repeating: 0, count: 64_000)
        try AudioFile.write(variable ? loud : fadingTone(count: 128_000), to: file, format: .mp3)
        let bytes = [UInt8](try Data(contentsOf: file))
        let frames = (0..<bytes.count - 1).filter { bytes[$0] == 0xFF && bytes[$0 + 1] & 0xE0 == 0xE0 }
        let second = try #require(frames.first { $0 > 40 && bytes[$0 + 1] == bytes[frames[0] + 1] })
        let headless = Data(bytes[second...])
        let samples = try AudioFile.read(headless)
        #expect(abs(samples.count - 128_000) < 4000)
        #expect(try AudioFile.info(headless).sampleCount(at: 16_000) == samples.count)
        try headless.write(to: file)
        #expect(try AudioFile.read(file) == samples)
    }

    @Test func containersThatFFmpegPlaysInPart() throws {
        guard let program = AudioFile.externalDecoder else { return }
        let wave = folder.file("tone.wav")
        try AudioFile.write(fadingTone(count: 128_000), to: wave)
        for name in ["tone.webm", "tone.m4a"] {
            let file = folder.file(name)
            #expect(try runTool(program, ["-nostdin", "-v", "error", "-i", wave.path, file.path]) == 0)
            let data = try Data(contentsOf: file)
            try data.prefix(data.count / 2).write(to: file)
            let error = try #require(throws: AudioError.self) { try AudioFile.read(file) }
            guard case .damaged(file.path, _) = error else { throw error }
        }
    }

    /// libsndfile plays only the first one.
    @Test(arguments: [AudioFileFormat.vorbis, .opus, .mp3])
    func recordingsJoinedByteByByte(format: AudioFileFormat) throws {
        let whole = folder.file("whole.\(format.rawValue)")
        try AudioFile.write(fadingTone(count: 64_000), to: whole, format: format)
        let data = try Data(contentsOf: whole)
        let error = try #require(throws: AudioError.self) { try AudioFile.read(data + data, name: "joined") }
        guard case .damaged("joined", let reason) = error else { throw error }
        #expect(reason.contains("from byte \(data.count) on another one"))
        #expect(try AudioFile.read(data).count > 60_000)
    }

    @Test(arguments: [AudioFileFormat.vorbis, .opus])
    func damagedOggPages(format: AudioFileFormat) throws {
        let whole = folder.file("whole.\(format.rawValue)")
        try AudioFile.write(fadingTone(count: 64_000), to: whole, format: format)
        var data = try Data(contentsOf: whole)
        data[data.count / 2] ^= 0x55
        let error = try #require(throws: AudioError.self) { try AudioFile.read(data, name: "damaged") }
        guard case .damaged("damaged", let reason) = error else { throw error }
        #expect(reason.contains("has a wrong checksum"))
    }

    /// Headers as programs write them, with less audio than they promise; see `PromisedLengthTests`.
    @Test func halvesOfOtherContainers() throws {
        func big(_ number: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) } }
        func little(_ number: Int, _ count: Int) -> [UInt8] {
            (0..<count).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
        }
        let samples = [UInt8](repeating: 0, count: 4000)
        let au = Array(".snd".utf8) + big(24) + big(4000) + big(3) + big(16_000) + big(1) + samples
        let aiff =
            Array("FORM".utf8) + big(4 + 26 + 16 + 4000) + Array("AIFFCOMM".utf8) + big(18) + [0, 1] + big(2000) + [
                0, 16,
            ]
            + [0x40, 0x0C, 0xFA, 0, 0, 0, 0, 0, 0, 0] + Array("SSND".utf8) + big(4008) + big(0) + big(0) + samples
        let rf64 =
            Array("RF64".utf8) + [255, 255, 255, 255] + Array("WAVEds64".utf8) + little(28, 4) + little(72 + 4000, 8)
            + little(4000, 8) + little(2000, 8) + little(0, 4) + Array("fmt ".utf8) + little(16, 4) + little(1, 2)
            + little(1, 2) + little(16_000, 4) + little(32_000, 4) + little(2, 2) + little(16, 2) + Array("data".utf8)
            + [255, 255, 255, 255] + samples
        for bytes in [au, aiff, rf64] {
            #expect(try AudioFile.read(Data(bytes)).count == 2000)
            #expect(throws: AudioError.truncated(file: "cut", expected: 2000, found: 1000)) {
                try AudioFile.read(Data(bytes.dropLast(2000)), name: "cut")
            }
        }
    }

    @Test func headersOfInterruptedRecorders() throws {
        let file = folder.file("whole.wav")
        try AudioFile.write(fadingTone(count: 16_000), to: file, format: .wav16)
        var data = try Data(contentsOf: file)
        data.replaceSubrange(40..<44, with: [0, 0, 0, 0])
        let unfinished = try #require(throws: AudioError.self) { try AudioFile.read(data) }
        #expect("\(unfinished)".contains("32000 bytes follow"))
        data = try Data(contentsOf: file)
        data.replaceSubrange(24..<28, with: [1, 0, 0, 0])
        let slow = try #require(throws: AudioError.self) { try AudioFile.read(data) }
        #expect("\(slow)".contains("1 channels at 1 Hz"))
    }

    /// The pipe has no writer: opening it must not wait for one.
    @Test func pipesAreNoFiles() throws {
        let pipe = folder.file("pipe.wav")
        #expect(mkfifo(pipe.path, 0o600) == 0)
        #expect(throws: AudioError.self) { try within(seconds: 60) { try AudioFile.read(pipe) } }
    }

    @Test func damagedFLAC() throws {
        let file = folder.file("damaged.flac")
        try AudioFile.write(fadingTone(count: 64_000), to: file, format: .flac)
        var data = try Data(contentsOf: file)
        for index in (data.count / 2)..<(data.count / 2 + 2000) { data[index] ^= 0x5A }
        try data.write(to: file)
        let error = try #require(throws: AudioError.self) { try AudioFile.read(file) }
        #expect("\(error)".contains(file.path))
    }

    @Test func zeroLength() throws {
        let nothing = folder.file("nothing.flac")
        try Data().write(to: nothing)
        #expect(throws: AudioError.empty(file: nothing.path)) { try AudioFile.read(nothing) }
        #expect(throws: AudioError.empty(file: "mine")) { try AudioFile.read(Data(), name: "mine") }
        let header = folder.file("header.wav")
        try AudioFile.write([], to: header)
        #expect(throws: AudioError.empty(file: header.path)) { try AudioFile.read(header) }
        #expect(throws: AudioError.empty(file: header.path)) { try AudioFile.info(header) }
    }

    @Test(arguments: [Float.nan, .infinity, -.infinity])
    func nonFinite(value: Float) throws {
        let file = folder.file("nan.wav")
        var samples = fadingTone(count: 70_000)
        samples[69_000] = value
        try AudioFile.write(samples, to: file, format: .wavFloat)
        #expect(throws: AudioError.nonFinite(file: file.path, position: 69_000)) { try AudioFile.read(file) }
        #expect(throws: AudioError.nonFinite(file: file.path, position: 69_000)) {
            try AudioFile.write(samples, to: file, format: .flac)
        }
    }

    @Test func missingUnreadableUnknown() throws {
        let missing = folder.file("missing.flac")
        #expect(throws: AudioError.notFound(file: missing.path)) { try AudioFile.read(missing) }
        let error = try #require(throws: AudioError.self) { try AudioFile.info(folder.url) }
        guard case .unreadable(folder.url.path, _) = error else { throw error }
        let text = folder.file("notes.txt")
        try Data("these are words, and no audio at all\n".utf8).write(to: text)
        let unknown = try #require(throws: AudioError.self) { try AudioFile.read(text) }
        guard case .unknownFormat(text.path, _) = unknown else { throw unknown }
        let broken = folder.file("broken.flac")
        try Data("fLaC and nothing of the kind".utf8).write(to: broken)
        let damaged = try #require(throws: AudioError.self) { try AudioFile.read(broken) }
        guard case .damaged(broken.path, _) = damaged else { throw damaged }
    }

    @Test func failedReadsLeaveNoOpenFiles() throws {
        guard FileManager.default.fileExists(atPath: "/proc/self/fd") else { return }
        let broken = folder.file("broken.flac")
        try Data("fLaC and nothing of the kind".utf8).write(to: broken)
        let part = try cut(.flac, keeping: 0.5)
        _ = try? AudioFile.read(broken)
        _ = try? AudioFile.read(part)
        // Other tests of this process open files too.
        let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").filter {
            let file = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")
            return file?.hasPrefix(folder.url.path) == true
        }
        #expect(open.isEmpty)
    }

    @Test func unwritable() throws {
        let file = folder.file("no/such/folder/a.wav")
        let error = try #require(throws: AudioError.self) { try AudioFile.write([0], to: file) }
        guard case .unwritable(file.path, _) = error else { throw error }
        #expect(throws: AudioError.self) {
            try AudioFile.write([0], sampleRate: 44_100, to: folder.file("a.opus"), format: .opus)
        }
        #expect(throws: AudioError.self) { try AudioFile.write([0, 0, 0], channels: 2, to: folder.file("a.wav")) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path).isEmpty)
    }
}

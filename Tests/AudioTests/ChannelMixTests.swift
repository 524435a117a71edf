import Foundation
import TestSupport
import Testing

@testable import W2VAudio

/// Channels that would cancel each other out.
@Suite("Mixing channels", .onTestThreads)
struct ChannelMixTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func energy(_ samples: some Sequence<Float>) -> Double {
        samples.reduce(0) { $0 + Double($1) * Double($1) }
    }

    /// Writes signals as channels of one file.
    private func file(_ name: String, _ channels: [[Float]], _ format: AudioFileFormat = .wavFloat) throws -> URL {
        let file = folder.file(name)
        let interleaved = channels[0].indices.flatMap { frame in channels.map { $0[frame] } }
        try AudioFile.write(interleaved, channels: channels.count, to: file, format: format)
        return file
    }

    private let speech = fadingTone(440, count: 40_000)
    private let other = fadingTone(1234, count: 40_000, amplitude: 0.3)

    @Test func invertedChannelsDoNotCancelOut() throws {
        let minus = speech.map { -$0 }
        #expect(try AudioFile.read(file("two.wav", [speech, minus])) == speech)
        // The louder of the two is used.
        #expect(try AudioFile.read(file("quiet.wav", [speech.map { $0 * 0.5 }, minus])) == minus)
        let both = zip(speech, other).map { ($0 + $1) * 0.5 }
        let pairs = try AudioFile.read(file("pairs.wav", [speech, minus, other, other.map { -$0 }]))
        #expect(rootMeanSquare(pairs, both) < 1e-6)
        // A pair among others does not cancel the other channel.
        #expect(rootMeanSquare(try AudioFile.read(file("three.wav", [speech, other, minus])), both) < 1e-6)
        // No two of these cancel, and all three do.
        let rest = zip(speech, other).map { -$0 - $1 }
        #expect(energy(try AudioFile.read(file("sum.wav", [speech, other, rest]))) > 0.3 * energy(speech))
        let eight = (0..<8).map { $0 % 2 == 0 ? speech : minus }
        #expect(rootMeanSquare(try AudioFile.read(file("eight.wav", eight)), speech) < 1e-6)
        #expect(try AudioFile.read(file("two.flac", [speech, minus], .flac)).count == speech.count)
    }

    @Test func almostOppositeAndForATimeOpposite() throws {
        let noisy = zip(speech, other).map { -0.95 * $0 + 0.05 * $1 }
        #expect(energy(try AudioFile.read(file("almost.wav", [speech, noisy]))) > 0.8 * energy(speech))
        // The plug is reversed in the middle.
        let turned = speech.enumerated().map { $0.offset < 20_000 ? $0.element : -$0.element }
        let heard = try AudioFile.read(file("turned.wav", [speech, turned]))
        #expect(energy(heard[33_000...]) > 0.9 * energy(speech[33_000...]))
        #expect(energy(heard[..<16_000]) > 0.9 * energy(speech[..<16_000]))
        // At the change at most a tenth of a second is lost.
        for start in stride(from: 0, to: 40_000, by: 2500) {
            #expect(energy(heard[start..<start + 2500]) > 0.15 * energy(speech[start..<start + 2500]), "\(start)")
        }
    }

    /// The same of two channels is used throughout, even if now one and now the other is slightly louder.
    @Test func theSignIsTheSameThroughout() throws {
        let minus = speech.enumerated().map { -$0.element * ($0.offset / 2048 % 2 == 0 ? 1.01 : 0.99) }
        #expect(try AudioFile.read(file("hair.wav", [speech, minus])) == speech)
    }

    /// A DC offset that both channels share is not speech.
    @Test func offsetsDoNotHideOppositeChannels() throws {
        let (plus, minus) = (speech.map { $0 + 0.3 }, speech.map { -$0 + 0.3 })
        #expect(try AudioFile.read(file("offset.wav", [plus, minus])) == plus)
    }

    /// All other channels are averaged.
    @Test func otherChannelsAreAveraged() throws {
        for second in [speech, other, speech.map { 0.3 * $0 + 0.4 }, [Float](repeating: 0, count: 40_000)] {
            let mean = zip(speech, second).map { ($0 + $1) * 0.5 }
            #expect(try AudioFile.read(file("mean.wav", [speech, second])) == mean)
        }
        let three = [speech, other, speech].map { $0 }
        let mean = speech.indices.map { (three[0][$0] + three[1][$0] + three[2][$0]) * (1 / Float(3)) }
        #expect(try AudioFile.read(file("three.wav", three)) == mean)
    }

    /// The choice of a channel depends on the position in the file, never on where reading began.
    @Test(arguments: [16_000, 22_050]) func partsAreThoseOfTheWhole(rate: Int) throws {
        let turned = speech.enumerated().map { $0.offset / 10_000 % 2 == 0 ? $0.element : -$0.element }
        let channels = [speech, turned]
        let file = folder.file("parts.wav")
        let interleaved = speech.indices.flatMap { frame in channels.map { $0[frame] } }
        try AudioFile.write(interleaved, sampleRate: rate, channels: 2, to: file, format: .wavFloat)
        let whole = try AudioFile.read(file)
        for start in stride(from: 1, to: whole.count - 700, by: 7_999) {
            let part = try AudioFile.read(file, frames: start..<start + 600)
            let largest = zip(part, whole[start...]).map { abs($0 - $1) }.max() ?? 1
            #expect(part.count == 600 && largest < (rate == 16_000 ? 1e-9 : 1e-5), "\(start): \(largest)")
        }
        let stream = try AudioStream(file)
        var read: [Float] = []
        while case let block = try stream.read(777), !block.isEmpty { read += block }
        #expect(read == whole)
    }

    @Test func nonFiniteSamplesAreFoundWhereTheyAre() throws {
        var broken = speech
        broken[35_001] = .nan
        let file = try file("nan.wav", [speech, broken])
        #expect(throws: AudioError.nonFinite(file: file.path, position: 35_001)) { try AudioFile.read(file) }
        // The requested range ends before it, in the same block.
        #expect(try AudioFile.read(file, frames: 34_500..<35_000).count == 500)
    }
}

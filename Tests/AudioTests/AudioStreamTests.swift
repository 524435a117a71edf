import Foundation
import TestSupport
import Testing

@testable import W2VAudio

@Suite(.onTestThreads) struct AudioStreamTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test(arguments: [16_000, 44_100, 8_000]) func piecesAreTheWhole(rate: Int) throws {
        let url = folder.file("stream.wav")
        let signal = (0..<150_000).map { Float(0.5 * sin(Double($0 * $0 % 10_007))) }
        try AudioFile.write(signal, sampleRate: rate, to: url)
        let whole = try AudioFile.read(url)
        for sizes in [[1_000_000], [1, 400, 99_999, 65_536]] {
            let stream = try AudioStream(url)
            var joined: [Float] = []
            var turn = 0
            while true {
                let size = sizes[turn % sizes.count]
                let piece = try stream.read(size)
                joined += piece
                if piece.count < size { break }
                turn += 1
            }
            #expect(joined == whole)
            #expect(try stream.read(10).isEmpty)
        }
        let memory = try AudioStream(Data(contentsOf: url))
        #expect(try memory.read(whole.count + 1) == whole)
    }

    @Test func nothingIsAnError() throws {
        let url = folder.file("stream.wav")
        try AudioFile.write([], to: url)
        #expect(throws: AudioError.empty(file: url.path)) { try AudioStream(url).read(1) }
        #expect(throws: AudioError.self) { try AudioStream(Data(), name: "nothing") }
    }

    @Test func momentsOfBlocksAreThoseOfTheWhole() {
        let signal = (0..<10_000).map { Float(3 + sin(Double($0)) * Double($0) / 5_000) }
        var moments = SignalMoments()
        for start in stride(from: 0, to: 10_000, by: 777) {
            moments.add(Array(signal[start..<min(start + 777, 10_000)]))
        }
        let expected = normalized(signal)
        #expect(zip(moments.normalize(signal), expected).allSatisfy { abs($0 - $1) < 1e-6 })
        #expect(abs(expected.reduce(0) { $0 + Double($1) }) < 0.01)
        #expect(normalized([]).isEmpty)
    }
}

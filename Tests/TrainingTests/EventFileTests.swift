import Foundation
import TestSupport
import Testing

@testable import W2VTraining

@Suite(.onTestThreads) struct EventFileTests {
    /// The numbers of RFC 3720, appendix B.4, and the usual check value.
    @Test func checksumsAreThoseOfTheStandard() {
        #expect(RecordFraming.checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(RecordFraming.checksum([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(RecordFraming.checksum(Array(0..<32)) == 0x46DD_794E)
        #expect(RecordFraming.checksum(Array("123456789".utf8)) == 0xE306_9283)
    }

    /// The fixture was read by the `tensorboard` package 2.21, which showed these values.
    @Test func aFileIsByteForByteWhatTensorBoardHasRead() throws {
        let temporary = try TemporaryFolder()
        defer { withExtendedLifetime(temporary) {} }
        let folder = temporary.file("tensorboard")
        let file = try EventFile(folder, after: 2, time: 1_700_000_000)
        try file.write([("loss", .scalar(1.5)), ("accuracy", .scalar(0.25))], update: 3, time: 1_700_000_001)
        let numbers = try #require(Histogram([0, 1, 1, 2, .nan, 3], bins: 3))
        try file.write(
            [
                ("norms", .histogram(numbers)),
                ("codes", .histogram(try #require(Histogram(ranked: [0, 5, 2])))), ("recipe", .text("`seed: 1`")),
            ], update: 300, time: 1_700_000_002)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        #expect(names.count == 1 && names[0].hasPrefix("events.out.tfevents.1700000000."))
        let bytes = try Data(contentsOf: folder.appendingPathComponent(names[0]))
        let fixture = Repository.fixtures.appendingPathComponent("tensorboard/events.out.tfevents.fixture")
        if Repository.updatesSnapshots {
            try FileManager.default.createDirectory(
                at: fixture.deletingLastPathComponent(), withIntermediateDirectories: true)
            try bytes.write(to: fixture)
        }
        #expect(try bytes == Data(contentsOf: fixture))
    }

    @Test func histogramsCountEveryFiniteNumberOnce() throws {
        let histogram = try #require(Histogram([0, 1, 1, 2, .nan, 3, -.infinity], bins: 3))
        #expect(histogram.minimum == 0 && histogram.maximum == 3)
        #expect(histogram.limits == [1, 2, 3] && histogram.counts == [1, 2, 2])
        #expect(histogram.count == 5 && histogram.sum == 7 && histogram.sumOfSquares == 15)
        let same = try #require(Histogram([2, 2]))
        #expect(same.limits == [2] && same.counts == [2])
        #expect(Histogram([.nan]) == nil && Histogram([]) == nil)
        let ranked = try #require(Histogram(ranked: [0, 5, 2]))
        #expect(ranked.counts == [5, 2, 0] && ranked.limits == [1, 2, 3] && ranked.count == 7)
        #expect(Histogram(ranked: [0, 0]) == nil)
    }

    @Test func lengthsAndNumbersAreEncodedAsVariableLength() {
        var message = ProtocolBuffer()
        message.add(1, 300)
        message.add(2, -1)
        #expect(message.bytes == [0x08, 0xAC, 0x02, 0x10] + [UInt8](repeating: 0xFF, count: 9) + [0x01])
        message = ProtocolBuffer()
        message.add(16, String(repeating: "x", count: 200))
        #expect(message.bytes.prefix(4) == [0x82, 0x01, 0xC8, 0x01] && message.bytes.count == 204)
    }
}

import TestSupport
import Testing

@testable import W2VBase

extension RandomPurpose {
    fileprivate static let crop = RandomPurpose(rawValue: 3)
    fileprivate static let shuffle = RandomPurpose(rawValue: 2)
}

@Suite("Random streams", .onTestThreads)
struct RandomStreamTests {
    /// The known answers of the Random123 distribution (`kat_vectors`, philox4x32, 10 rounds).
    @Test func blocksAreThePublishedOnes() {
        #expect(
            RandomStream.rounds(SIMD4(repeating: 0), key: SIMD2(repeating: 0))
                == SIMD4(0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8))
        #expect(
            RandomStream.rounds(SIMD4(repeating: .max), key: SIMD2(repeating: .max))
                == SIMD4(0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD))
    }

    @Test func streamsRepeat() {
        var first = RandomStream(seed: 7, purpose: .crop, step: 3, index: 11)
        var again = RandomStream(seed: 7, purpose: .crop, step: 3, index: 11)
        #expect((0..<100).allSatisfy { _ in first.next() == again.next() })
    }

    @Test func everyPartOfTheKeyMatters() {
        var reference = RandomStream(seed: 7, purpose: .crop, step: 3, index: 11)
        let expected = reference.next()
        for var other in [
            RandomStream(seed: 8, purpose: .crop, step: 3, index: 11),
            RandomStream(seed: 7 | 1 << 40, purpose: .crop, step: 3, index: 11),
            RandomStream(seed: 7, purpose: .shuffle, step: 3, index: 11),
            RandomStream(seed: 7, purpose: .crop, step: 4, index: 11),
            RandomStream(seed: 7, purpose: .crop, step: 3, index: 12),
            RandomStream(seed: 7, purpose: .crop, step: 3, index: 11 | 1 << 40),
        ] {
            #expect(other.next() != expected)
        }
    }

    @Test func momentsAreThoseOfTheDistributions() {
        var stream = RandomStream(seed: 1, purpose: .synthesis)
        let count = 200_000
        let uniforms = (0..<count).map { _ in stream.uniform() }
        let normals = (0..<count).map { _ in stream.normal() }
        func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
        #expect(uniforms.allSatisfy { $0 >= 0 && $0 < 1 })
        #expect(abs(mean(uniforms) - 0.5) < 0.004)
        #expect(abs(mean(normals)) < 0.01)
        #expect(abs(mean(normals.map { $0 * $0 }) - 1) < 0.02)
        var counts = [Int](repeating: 0, count: 7)
        for _ in 0..<70_000 { counts[stream.integer(below: 7)] += 1 }
        #expect(counts.allSatisfy { abs($0 - 10_000) < 500 })
    }
}

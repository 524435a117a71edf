import Foundation
import TestSupport
import Testing
import W2VBase
import W2VTorch

@testable import W2VBackbone
@testable import W2VInterchange
@testable import W2VObjectives

@Suite("Masking", .onTestThreads)
struct MaskingTests {
    private func draw(_ masking: SpanMasking, _ lengths: [Int], index: Int) throws -> [[Int]] {
        masking.draw(
            lengths: lengths,
            streams: (0...lengths.count).map { RandomStream(seed: 7, purpose: .timeMask, step: index, index: $0) })
    }

    /// The references' seeded masks follow our distribution of masked counts, and share its invariants.
    @Test(arguments: ["samplers_fairseq", "samplers_nvidia"])
    func countsAreDistributedAsTheReferences(_ file: String) throws {
        let folder = GoldenCase.folders[0]
        let data = try Data(contentsOf: folder.appendingPathComponent("\(file).json"))
        let facts = try JSONParser.value(data)
        let tensors = try TensorFile.read(folder.appendingPathComponent("\(file).safetensors"))
        for sampler in try #require(facts["cases"]?.array) {
            let key = try #require(sampler["key"]?.string)
            let golden = try #require(tensors[key])
            var masking = SpanMasking(
                probability: try #require(sampler["mask_prob"]?.double),
                length: try #require(sampler["mask_length"]?.integer))
            masking.minMasks = sampler["min_masks"]?.integer ?? 2
            let lengths =
                sampler["frame_lens"]?.array?.compactMap(\.integer)
                ?? Array(repeating: golden.size(1), count: golden.size(0))
            let counts = try (0..<200).map { index in
                let rows = try draw(masking, lengths, index: index)
                #expect(Set(rows.map(\.count)).count == 1)
                for (row, length) in zip(rows, lengths) {
                    #expect(row == row.sorted() && Set(row).count == row.count)
                    #expect(row.allSatisfy { $0 >= 0 && $0 < length - 1 }, "the last frame is never masked")
                }
                return rows[0].count
            }
            let theirs = Int(try golden.selected(0, 0).sum().item())
            let mean = Double(counts.reduce(0, +)) / Double(counts.count)
            let deviation = (counts.map { (Double($0) - mean) * (Double($0) - mean) }.reduce(0, +) / 200).squareRoot()
            #expect(
                abs(Double(theirs) - mean) <= 4 * max(deviation, 1),
                "\(key): the reference masks \(theirs), ours \(mean) ± \(deviation)")
        }
    }

    /// At 0.65 × 10 an unpadded batch masks 45 % of its frames on average (golden README).
    @Test func basePretrainingMasks45Percent() throws {
        var masking = SpanMasking(probability: 0.65, length: 10)
        masking.minMasks = 2
        let shares = try (0..<100).map { index in
            Double(try draw(masking, [Int](repeating: 499, count: 8), index: index)[0].count) / 499
        }
        let mean = shares.reduce(0, +) / 100
        #expect(abs(mean - 0.45) < 0.02, "the mean share is \(mean)")
    }

    @Test func withoutTheSameCountRuleSpansStayWhole() throws {
        var masking = SpanMasking(probability: 0.4, length: 7)
        masking.requireSameMasks = false
        for index in 0..<50 {
            for row in try draw(masking, [200, 90, 31], index: index) {
                for run in runs(row) { #expect(run.count >= 7) }
            }
        }
    }

    @Test func spansThatMustNotOverlapKeepTheirDistance() throws {
        var masking = SpanMasking(probability: 0.5, length: 6)
        (masking.noOverlap, masking.minSpace, masking.requireSameMasks) = (true, 2, false)
        var total = 0
        for index in 0..<100 {
            let row = try draw(masking, [300], index: index)[0]
            let found = runs(row)
            total += row.count
            for run in found { #expect(run.count == 6) }
            for (first, second) in zip(found, found.dropFirst()) {
                #expect(second.lowerBound - first.upperBound >= 2)
            }
        }
        #expect(total > 100 * 300 / 4, "spans find room: \(total) of 30000")
    }

    @Test(arguments: SpanMasking.Selection.allCases)
    func lengthsFollowTheirDistribution(_ selection: SpanMasking.Selection) throws {
        var masking = SpanMasking(probability: 0.02, length: 8)
        (masking.selection, masking.other, masking.requireSameMasks) = (selection, 2, false)
        var lengths: [Int] = []
        for index in 0..<400 {
            let row = try draw(masking, [2_000], index: index)[0]
            lengths += runs(row).map(\.count)
        }
        let mean = Double(lengths.reduce(0, +)) / Double(lengths.count)
        // Uniform lengths are 2 ... 16, whose mean is 9; the others' is 8. Rare overlaps add a little.
        let expected = selection == .uniform ? 9.0 : 8.0
        #expect(abs(mean - expected) < 0.6, "the mean length is \(mean)")
        #expect(selection == .static || Set(lengths).count > 4)
    }

    /// Shapes repeat more often, and at most a span and a half stays unmasked.
    @Test func countsAreMultiples() throws {
        let plain = SpanMasking(probability: 0.65, length: 10)
        var masking = plain
        masking.countMultiple = 16
        for index in 0..<20 {
            let (all, rows) = (
                try draw(plain, [499, 499, 300], index: index), try draw(masking, [499, 499, 300], index: index)
            )
            #expect(Set(rows.map(\.count)) == [all[0].count / 16 * 16])
            for (row, whole) in zip(rows, all) { #expect(Set(row).isSubset(of: whole) && row == row.sorted()) }
        }
        masking.countMultiple = 1_000
        #expect(try draw(masking, [499], index: 1) == draw(plain, [499], index: 1), "fewer than that are left alone")
    }

    /// The number depends on the length alone, whatever else is in the batch; spans stay whole but for the last.
    @Test func fixedCountsFollowFromTheLength() throws {
        var masking = SpanMasking(probability: 0.65, length: 10)
        (masking.minMasks, masking.count) = (2, .fixed)
        for index in 0..<20 {
            for row in [[499, 499, 31], [781], [31, 499]] {
                for (found, length) in zip(try draw(masking, row, index: index), row) {
                    #expect(found.count == masking.fixedCount(length))
                    #expect(found == found.sorted() && Set(found).count == found.count)
                    #expect(found.allSatisfy { $0 >= 0 && $0 < length - 1 }, "the last frame is never masked")
                    let short = runs(found).filter { $0.count < 10 }
                    // One was cut, unless it overlaps the others.
                    #expect(short.count <= 1, "\(runs(found))")
                }
            }
        }
        #expect(try draw(masking, [499], index: 1) != draw(masking, [499], index: 2))
        masking.countMultiple = 16
        #expect(try draw(masking, [499, 200], index: 1).map { $0.count % 16 } == [0, 0])
        (masking.countMultiple, masking.maskDropout) = (1, 0.25)
        let dropped = try draw(masking, [499, 200], index: 1).map(\.count)
        #expect(dropped == [499, 200].map { masking.fixedCount($0) - Int(Double(masking.fixedCount($0)) / 4 + 0.5) })
    }

    /// The fixed number is the mean of what spans mask before the rule of equal counts, at any length.
    @Test(arguments: [(0.65, 10, 2), (0.4, 7, 0), (0.065, 1, 0), (0.9, 3, 1)])
    func fixedCountsAreTheMeanOfSpans(_ probability: Double, _ span: Int, _ least: Int) throws {
        var masking = SpanMasking(probability: probability, length: span)
        (masking.minMasks, masking.requireSameMasks) = (least, false)
        for length in [24, 50, 99, 320, 781] {
            let rounds = 600
            let total = try (0..<rounds).reduce(0) { $0 + (try draw(masking, [length], index: $1)[0].count) }
            let mean = Double(total) / Double(rounds)
            // Rounding, and three standard errors of the mean.
            let allowed = 0.5 + 3 * 1.2 * (Double(span) * mean / Double(rounds)).squareRoot()
            let fixed = masking.fixedCount(length)
            #expect(abs(Double(fixed) - mean) < allowed, "\(length) frames: \(fixed), and spans \(mean)")
        }
    }

    /// Every row can be masked as far as asked, with any lengths of spans.
    @Test(arguments: SpanMasking.Selection.allCases)
    func fixedCountsHoldInShortRows(_ selection: SpanMasking.Selection) throws {
        var masking = SpanMasking(probability: 0.95, length: 6)
        (masking.minMasks, masking.count, masking.selection, masking.other) = (3, .fixed, selection, 2)
        for length in 0..<40 {
            let row = try draw(masking, [length], index: length)[0]
            #expect(row.count == masking.fixedCount(length))
            #expect(length < 2 ? row.isEmpty : (1..<length).contains(row.count))
        }
    }

    @Test func maskDropoutUnmasksItsShare() throws {
        var masking = SpanMasking(probability: 0.65, length: 10)
        let whole = try draw(masking, [499, 499], index: 1)
        masking.maskDropout = 0.25
        let dropped = try draw(masking, [499, 499], index: 1)
        for (before, after) in zip(whole, dropped) {
            #expect(after.count == before.count - Int((Double(before.count) * 0.25).rounded()))
            #expect(Set(after).isSubset(of: before))
        }
    }

    /// A row always keeps an element and has a masked one, whatever its spans: no row stops a run.
    @Test(arguments: SpanMasking.Selection.allCases, [false, true])
    func shortRowsAreMaskedLess(_ selection: SpanMasking.Selection, _ noOverlap: Bool) throws {
        for (probability, length, least) in [(0.65, 10, 2), (1, 1, 0), (0.3, 40, 0), (0.5, 3, 12)] {
            var masking = SpanMasking(probability: probability, length: length)
            (masking.selection, masking.other, masking.noOverlap) = (selection, 3, noOverlap)
            (masking.minMasks, masking.requireSameMasks) = (least, false)
            for index in 0..<50 {
                for (row, size) in zip(try draw(masking, Array(2...30), index: index), 2...30) {
                    #expect(0 < row.count && row.count < size && row == row.sorted(), "\(size) elements: \(row)")
                    #expect(Set(row).count == row.count && row.allSatisfy { (0..<size).contains($0) })
                }
            }
        }
    }

    /// Two starts of three cover a row of 12: spans are redrawn, and stay spans.
    @Test func spansThatCoverARowAreRedrawn() throws {
        var masking = SpanMasking(probability: 0.65, length: 10)
        (masking.minMasks, masking.requireSameMasks) = (2, false)
        for index in 0..<100 {
            let row = try draw(masking, [12], index: index)[0]
            #expect(row.count == 11 && runs(row).count == 1)
        }
    }

    @Test func rowsThatCannotBeMaskedDoNotThinTheOthers() throws {
        let masking = SpanMasking(probability: 0.65, length: 10)
        let rows = try draw(masking, [1, 200, 0, 180], index: 1)
        #expect(rows[0].isEmpty && rows[2].isEmpty)
        #expect(rows[1].count == rows[3].count && rows[1].count > 50)
    }

    /// `finetune-base-960h` masks 0.1 × 768 / 64 = 1.2 spans of channels: two in a fifth of the batches, in all rows.
    @Test func spansAreRoundedOnceForRowsOfOneLength() throws {
        var masking = SpanMasking(probability: 0.1, length: 64)
        (masking.noOverlap, masking.requireSameMasks) = (true, false)
        let batches = try (0..<500).map { index in
            try draw(masking, [Int](repeating: 768, count: 8), index: index).map { $0.count / 64 }
        }
        #expect(batches.allSatisfy { Set($0).count == 1 })
        let share = Double(batches.count { $0[0] == 2 }) / 500
        #expect(abs(share - 0.2) < 0.06, "two spans in \(share) of the batches")
        // Rows of different lengths, a padded batch, are rounded for themselves.
        let padded = try (0..<100).map { index in
            try draw(masking, (0..<8).map { 768 + $0 }, index: index).map { $0.count / 64 }
        }
        #expect(padded.contains { Set($0).count == 2 })
    }

    @Test func spansThatLeaveNoChannelAreRefusedByTheirKeys() throws {
        var masking = MaskingConfiguration()
        masking.channel = SpanMasking(probability: 0.5, length: 31)
        masking.channel.minMasks = 2
        func message() -> String? {
            #expect(throws: Never.self) { try MaskingConfiguration().validate(channels: 32) }
            do {
                let mask = try Mask.draw(masking, lengths: [5], channels: 32, seed: 1, update: 1, subBatch: 0)
                return mask.channels[0].count == 31 ? nil : "\(mask.channels[0].count) masked"
            } catch {
                return "\(error)"
            }
        }
        #expect(message() == nil)
        masking.channel.length = 32
        let tooLong = try #require(message())
        #expect(tooLong.hasPrefix("masking.mask_channel_length is 32, and the encoder has only 32 channels"))
        (masking.channel.selection, masking.channel.other) = (.uniform, 40)
        #expect(try #require(message()).hasPrefix("masking.mask_channel_other is 40, "))
        masking.channel = SpanMasking(probability: 0.5, length: 2)
        masking.channel.minMasks = 32
        #expect(try #require(message()).contains("masking.mask_channel_min_masks"))
        masking.channel.probability = 0
        #expect(throws: Never.self) { try masking.validate(channels: 32) }
    }

    /// fairseq's large means, whose e^−mean underflows.
    @Test func longPoissonSpansHaveTheirMean() throws {
        var masking = SpanMasking(probability: 0.001, length: 2_000)
        (masking.selection, masking.minMasks, masking.noOverlap) = (.poisson, 1, true)
        let counts = try (0..<40).map { try draw(masking, [10_000], index: $0)[0].count }
        #expect(abs(Double(counts.reduce(0, +)) / 40 - 2_000) < 40)
    }

    @Test func masksDependOnSeedUpdateAndSubBatchOnly() throws {
        var configuration = MaskingConfiguration()
        configuration.channel.probability = 0.3
        func mask(_ update: Int, _ subBatch: Int) throws -> Mask {
            try Mask.draw(
                configuration, lengths: [120, 90], channels: 64, seed: 3, update: update, subBatch: subBatch)
        }
        let first = try mask(5, 2)
        #expect(try mask(5, 2).frames == first.frames && mask(5, 2).channels == first.channels)
        #expect(try mask(6, 2).frames != first.frames)
        #expect(try mask(5, 3).frames != first.frames)
        #expect(first.channels.allSatisfy { !$0.isEmpty && $0.allSatisfy { $0 < 64 } })
    }

    private func runs(_ positions: [Int]) -> [Range<Int>] {
        var runs: [Range<Int>] = []
        for position in positions {
            if let last = runs.last, last.upperBound == position {
                runs[runs.count - 1] = last.lowerBound..<position + 1
            } else {
                runs.append(position..<position + 1)
            }
        }
        return runs
    }
}

@Suite("Negatives", .onTestThreads)
struct NegativeTests {
    @Test func areNeverTheFrameItselfAndCoverAllOthers() {
        var objective = ContrastiveConfiguration()
        (objective.numNegatives, objective.crossSampleNegatives, objective.codebookNegatives) = (40, 30, 5)
        let negatives = Negatives.draw(
            objective, masked: [Array(0..<6), Array(0..<4)], candidates: [6, 4], entries: (8, 2),
            stream: RandomStream(seed: 1, purpose: .negatives))
        for (utterance, count) in [6, 4].enumerated() {
            for frame in 0..<count {
                let row = negatives.sameUtterance[utterance][frame * 40..<(frame + 1) * 40]
                #expect(Set(row) == Set(0..<count).subtracting([frame]))
            }
        }
        for frame in 0..<10 {
            let row = negatives.anywhere[frame * 30..<(frame + 1) * 30]
            #expect(!row.contains(frame) && row.allSatisfy { $0 >= 0 && $0 < 10 } && Set(row).count > 5)
        }
        #expect(negatives.codes.count == 10 * 5 * 2 && negatives.codes.allSatisfy { $0 >= 0 && $0 < 8 })
    }
}

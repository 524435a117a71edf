import TestSupport
import Testing
import W2VBase

@testable import W2VCorpus

@Suite("Batch plans", .onTestThreads)
struct BatchPlanTests {
    private static func lengths(_ count: Int, _ range: ClosedRange<Int> = 1000...200_000) -> [Int] {
        var stream = RandomStream(seed: 3, purpose: .synthesis)
        return (0..<count).map { _ in range.lowerBound + stream.integer(below: range.count) }
    }

    private static func batches(_ plan: BatchPlan) -> [[Int]] { (0..<plan.count).map { plan[$0] } }

    /// The lengths 10 9 8 7 6 5 4 3 in order, calculated by hand.
    @Test func cutsAsFairseqDoes() throws {
        let lengths = [10, 9, 8, 7, 6, 5, 4, 3]
        func plan(_ options: BatchOptions) throws -> [[Int]] {
            let plan = try BatchPlan(lengths: lengths, options: options, seed: 0, epoch: 0)
            return Self.batches(plan).sorted { $0[0] < $1[0] }
        }
        // count × longest ≤ 21: two of 10; two of 8 (16, three are 24); three of 6 (18, four are 24); one is left.
        #expect(
            try plan(.init(maxTokens: 21, requiredBatchSizeMultiple: 1, crop: .toShortest))
                == [[0, 1], [2, 3], [4, 5, 6], [7]])
        // A multiple of two: three of 6 give up one, which begins the last batch.
        #expect(
            try plan(.init(maxTokens: 21, requiredBatchSizeMultiple: 2, crop: .toShortest))
                == [[0, 1], [2, 3], [4, 5], [6, 7]])
        // Ragged: the sums 10+9, 8+7+6, 5+4+3.
        #expect(try plan(.init(maxTokens: 21, requiredBatchSizeMultiple: 1)) == [[0, 1], [2, 3, 4], [5, 6, 7]])
        #expect(try plan(.init(requiredBatchSizeMultiple: 1, batchSize: 3)) == [[0, 1, 2], [3, 4, 5], [6, 7]])
        // Capped at 6: six of 6 are 36.
        #expect(
            try plan(.init(maxTokens: 36, maxSampleSize: 6, requiredBatchSizeMultiple: 1, crop: .toShortest))
                .map(\.count).sorted() == [2, 6])
    }

    @Test func everyUtteranceIsUsedOnceWithinTheBudget() throws {
        let lengths = Self.lengths(3000)
        for crop in [BatchOptions.Crop.toShortest, .none] {
            let options = BatchOptions(
                maxTokens: 800_000, maxSampleSize: crop == .none ? nil : 150_000, requiredBatchSizeMultiple: 4,
                batchSize: 32, crop: crop)
            let plan = try BatchPlan(lengths: lengths, options: options, seed: 5, epoch: 2)
            #expect(Self.batches(plan).flatMap { $0 }.sorted() == Array(0..<3000))
            for batch in Self.batches(plan) {
                let sizes = batch.map { min(lengths[$0], options.longest) }
                let cost = crop == .none ? sizes.reduce(0, +) : batch.count * (sizes.max() ?? 0)
                #expect(cost <= 800_000 && batch.count <= 32)
                // Grouped by length: within a batch, lengths hardly differ.
                #expect((sizes.max() ?? 0) - (sizes.min() ?? 0) < 20_000)
            }
            // Only batches that the budget keeps below the multiple, and the very last one, are not multiples.
            #expect(Self.batches(plan).filter { $0.count % 4 != 0 }.count <= 1)
        }
    }

    @Test func isAFunctionOfSeedAndEpoch() throws {
        let lengths = Self.lengths(500)
        let options = BatchOptions(maxTokens: 600_000, maxSampleSize: 100_000, crop: .toShortest)
        let plan = try BatchPlan(lengths: lengths, options: options, seed: 5, epoch: 2)
        #expect(try BatchPlan(lengths: lengths, options: options, seed: 5, epoch: 2) == plan)
        #expect(try BatchPlan(lengths: lengths, options: options, seed: 5, epoch: 3)[0] != plan[0])
        #expect(try BatchPlan(lengths: lengths, options: options, seed: 6, epoch: 2)[0] != plan[0])
        // Ties among capped lengths are drawn again: the longest half is not grouped in the same way.
        let other = try BatchPlan(lengths: lengths, options: options, seed: 5, epoch: 3)
        let sets = { (plan: BatchPlan) in Set(Self.batches(plan).map(Set.init)) }
        #expect(sets(plan) != sets(other))
        // Batches are not sorted by length.
        let sizes = Self.batches(plan).map { lengths[$0[0]] }
        #expect(sizes != sizes.sorted() && sizes != sizes.sorted(by: >))
    }

    @Test func excludedAreCountedAndNamed() throws {
        let manifest = try Manifest(
            name: "train.tsv", root: .init(fileURLWithPath: "/"), paths: ["short", "good", "long", "none"],
            sampleCounts: [399, 400, 5001, 0])
        let options = BatchOptions(maxSampleSize: 5000, minSampleSize: 400)
        let plan = try BatchPlan(manifest, options: options, seed: 0, epoch: 0)
        #expect(Self.batches(plan) == [[1]])
        #expect(plan.excluded.map(\.utterance) == [0, 2, 3])
        #expect(
            plan.excluded.map(\.reason) == [.tooShort(minimum: 400), .tooLong(maximum: 5000), .tooShort(minimum: 400)])
        let summary = try #require(plan.exclusionSummary(manifest, naming: 2))
        #expect(
            summary == "train.tsv: 3 of 4 utterances are left out: short (399 samples, at least 400 are needed); "
                + "long (5001 samples, at most 5000 are allowed), and 1 more")
        var cropping = options
        cropping.crop = .toShortest
        #expect(try BatchPlan(manifest, options: cropping, seed: 0, epoch: 0).excluded.map(\.utterance) == [0, 3])
        var strict = options
        strict.skipInvalid = false
        let error = try #require(throws: CorpusError.self) {
            try BatchPlan(manifest, options: strict, seed: 0, epoch: 0)
        }
        guard case .invalidLengths(3, let first) = error else { throw error }
        #expect(first.hasPrefix("short (399"))
        strict.minSampleSize = 401
        strict.skipInvalid = true
        strict.maxSampleSize = 401
        #expect(throws: CorpusError.self) { try BatchPlan(manifest, options: strict, seed: 0, epoch: 0) }
    }

    @Test func sequentialKeepsTheOrder() throws {
        let lengths = [5, 50, 7, 20, 30, 8]
        let plan = try BatchPlan.sequential(
            lengths: lengths,
            options: .init(maxTokens: 50, minSampleSize: 6, requiredBatchSizeMultiple: 1, crop: .toShortest))
        #expect(Self.batches(plan) == [[1], [2, 3], [4, 5]])
        #expect(plan.excluded.map(\.utterance) == [0] && plan.cropLength(0, found: [5, 6]) == nil)
    }

    @Test func cropsStayInsideAndDiffer() throws {
        let plan = try BatchPlan(
            lengths: [1000], options: .init(maxSampleSize: 640, crop: .toShortest), seed: 1, epoch: 0)
        #expect(plan.cropLength(0, found: [1000]) == 640)
        // The recording turned out shorter than the manifest says.
        #expect(plan.cropLength(0, found: [630]) == 630)
        let starts = (0..<1000).map { plan.cropStart(draw: $0, length: 1000, target: 640) }
        #expect(starts.allSatisfy { (0...360).contains($0) })
        #expect((starts.min() ?? 99) < 5 && (starts.max() ?? 0) > 355)
        #expect(plan.cropStart(draw: 1, length: 640, target: 640) == 0)
    }

    @Test func refusesImpossibleOptions() {
        for options in [
            BatchOptions(maxTokens: 0), .init(maxSampleSize: -1), .init(requiredBatchSizeMultiple: 0),
            .init(batchSize: 0), .init(requiredSequenceLengthMultiple: 0), .init(cropGroup: 0),
            .init(maxTokens: 399, minSampleSize: 400),
        ] {
            #expect(throws: CorpusError.self) { try BatchPlan(lengths: [500], options: options, seed: 0, epoch: 0) }
        }
    }
}

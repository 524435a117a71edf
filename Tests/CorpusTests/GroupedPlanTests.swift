import Foundation
import TestSupport
import Testing

@testable import W2VCorpus

/// Batches compared with NVIDIA's: which utterances go together, how many batches form a group, and the effect of
/// weights.
@Suite("Groups and weights of batch plans", .onTestThreads)
struct GroupedPlanTests {
    private static func lengths(_ count: Int, _ shortest: Int, _ spread: Int) -> [Int] {
        (0..<count).map { $0 * 7919 * ($0 + 3) % spread + shortest }.sorted(by: >)
    }

    private static func batches(_ plan: BatchPlan) -> [[Int]] { (0..<plan.count).map { plan[$0] } }

    /// The sizes of the batches that NVIDIA's `batch_by_size` makes from the same lengths.
    @Test(arguments: [
        (
            lengths(200, 32_000, 218_000), 1_400_000, nil, 8,
            [5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 16, 16, 16]
        ),
        (lengths(37, 32_000, 218_000), 1_400_000, nil, 8, [5, 7, 8, 8, 8, 1]),
        (
            lengths(150, 2000, 30_000), 100_000, nil, 4,
            [Int](repeating: 3, count: 14) + [Int](repeating: 4, count: 14) + [8, 8, 12, 16, 8]
        ),
        (lengths(100, 1000, 5000), 100_000, 13, 8, [Int](repeating: 8, count: 12) + [4]),
        (
            lengths(90, 1000, 9000), 20_000, nil, 1,
            [Int](repeating: 2, count: 15) + [3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 5, 6, 7, 9]
        ),
        (lengths(61, 16_000, 40_000), 160_000, 5, 8, [2, 2, 3, 3, 3, 3, 3, 3, 4, 4, 4, 5, 5, 5, 5, 5, 2]),
    ])
    func cutsAsNVIDIADoes(lengths: [Int], maxTokens: Int, batchSize: Int?, multiple: Int, expected: [Int]) throws {
        let plan = try BatchPlan(
            lengths: lengths,
            options: .init(
                maxTokens: maxTokens, requiredBatchSizeMultiple: multiple, batchSize: batchSize, crop: .toShortest),
            seed: 1, epoch: 0)
        let sizes = Self.batches(plan).sorted {
            lengths[$0[0]] > lengths[$1[0]] || lengths[$0[0]] == lengths[$1[0]] && $0.count > $1.count
        }
        .map(\.count)
        #expect(sizes == expected)
    }

    @Test(arguments: [1, 2, 3, 8, 100])
    func groupsFollowEachOtherByLength(group: Int) throws {
        let lengths = Self.lengths(300, 32_000, 218_000)
        var shortPlaces: Set<Int> = []
        for epoch in 0..<6 {
            let plan = try BatchPlan(
                lengths: lengths,
                options: .init(
                    maxTokens: 1_400_000, maxSampleSize: 200_000, crop: .toShortest, cropGroup: group),
                seed: 7, epoch: epoch)
            // No batch is empty, none is lost, every utterance is used once.
            #expect(Self.batches(plan).allSatisfy { !$0.isEmpty })
            #expect(Self.batches(plan).flatMap { $0 }.sorted() == Array(0..<300))
            let groups = stride(from: 0, to: plan.count, by: group).map { start in
                Array(start..<min(start + group, plan.count))
            }
            var ranges: [(longest: Int, shortest: Int)] = []
            for members in groups {
                let sizes = members.flatMap { plan[$0] }.map { min(lengths[$0], 200_000) }
                let (longest, shortest) = (sizes.max() ?? 0, sizes.min() ?? 0)
                ranges.append((longest, shortest))
                // All of the group are cropped to its shortest.
                for batch in members { #expect(plan.cropLength(batch, found: [1 << 30]) == shortest) }
            }
            let sorted = ranges.sorted { ($0.longest, $0.shortest) > ($1.longest, $1.shortest) }
            for (first, second) in zip(sorted, sorted.dropFirst()) { #expect(first.shortest >= second.longest) }
            if plan.count % group != 0, let last = ranges.last { shortPlaces.insert(last.longest) }
        }
        // The utterances in the shorter group differ from epoch to epoch.
        if group == 8 { #expect(shortPlaces.count > 1) }
    }

    /// All batches of one crop length have the same number of utterances; every utterance is used, and cropped little.
    @Test(arguments: [1, 3, 8])
    func cropsLieOnAGrid(group: Int) throws {
        let lengths = Self.lengths(6_000, 32_000, 218_000)
        let options = BatchOptions(
            maxTokens: 1_400_000, maxSampleSize: 240_000, crop: .toShortest, requiredSequenceLengthMultiple: 2,
            cropGroup: group, cropGrid: 16)
        var cut = Set<Int>()
        for epoch in 0..<3 {
            let plan = try BatchPlan(lengths: lengths, options: options, seed: 7, epoch: epoch)
            #expect(Self.batches(plan).flatMap { $0 }.sorted() == Array(0..<6_000))
            var shapes: [Int: Set<[Int]>] = [:]
            for start in stride(from: 0, to: plan.count, by: group) {
                let members = start..<min(start + group, plan.count)
                let crops = Set(members.map { plan.cropLength($0, found: [1 << 30]) ?? 0 })
                let crop = try #require(crops.first)
                #expect(crops.count == 1 && ((crop - 400) / 320 + 1) % 16 == 0)
                for batch in members {
                    #expect(
                        plan[batch].allSatisfy { lengths[$0] >= crop && min(lengths[$0], 240_000) < crop + 8 * 5_120 })
                    #expect(plan[batch].count * crop <= 1_400_000)
                    for utterance in plan[batch] where lengths[utterance] >= crop + 5_120 { cut.insert(utterance) }
                }
                // The rest, the last group, has what is left.
                guard members.upperBound < plan.count else { continue }
                #expect(members.count == group)
                shapes[crop, default: []].insert(members.map { plan[$0].count })
            }
            #expect(shapes.count > 10 && shapes.values.allSatisfy { $0.count == 1 && Set($0.first ?? []).count == 1 })
            #expect(plan.cropLength(0, found: [5_000]) == 400 + 13 * 320, "a decoded length keeps to the multiple")
        }
        // Those that did not fill a group were chosen at random, epoch by epoch.
        #expect(cut.count > 0 && cut.count < lengths.count)
        #expect(throws: CorpusError.self) {
            var odd = options
            odd.cropGrid = 15
            _ = try BatchPlan(lengths: lengths, options: odd, seed: 7, epoch: 0)
        }
    }

    @Test func fewUtterancesMakeOneGridGroup() throws {
        let options = BatchOptions(maxTokens: 160_000, crop: .toShortest, cropGroup: 8, cropGrid: 16)
        let plan = try BatchPlan(lengths: [40_000, 50_000, 60_000], options: options, seed: 1, epoch: 0)
        #expect(plan.count == 1 && plan[0].sorted() == [0, 1, 2])
        #expect(plan.cropLength(0, found: [1 << 30]) == 400 + 111 * 320)
    }

    @Test func withoutCropsGroupsDoNotMatter() throws {
        let lengths = Self.lengths(100, 2000, 30_000)
        let plans = try [1, 4].map { group in
            try BatchPlan(
                lengths: lengths, options: .init(maxTokens: 100_000, cropGroup: group), seed: 1, epoch: 3)
        }
        #expect(Self.batches(plans[0]) == Self.batches(plans[1]))
    }

    @Test func cropsHaveAMultipleOfFrames() {
        func crop(_ samples: Int, _ multiple: Int) -> Int {
            BatchOptions(requiredSequenceLengthMultiple: multiple).cropLength(atMost: samples)
        }
        #expect(crop(5000, 1) == 5000)
        // 5000 samples have 15 frames; 12 of them see 400 + 11 · 320 samples.
        #expect(crop(5000, 4) == 3920 && crop(3920, 4) == 3920 && crop(3919, 4) == 2640)
        #expect(crop(1000, 4) == 1000 && crop(300, 2) == 300)
    }

    @Test func weightsSayHowOftenUtterancesCome() throws {
        let lengths = (0..<90).map { 1000 + $0 }
        let weights: [(utterances: Range<Int>, weight: Double)] = [(0..<50, 1), (50..<70, 2.25), (70..<90, 0.3)]
        var seen = [Int](repeating: 0, count: 90)
        for epoch in 0..<20 {
            let plan = try BatchPlan(
                lengths: lengths, options: .init(maxTokens: 9000, requiredBatchSizeMultiple: 1, crop: .toShortest),
                seed: 4, epoch: epoch, weights: weights)
            let used = Self.batches(plan).flatMap { $0 }
            #expect(used.count == 50 + 45 + 6)
            for utterance in used { seen[utterance] += 1 }
            // The same epoch has the same utterances in the same order in every plan.
            let again = try BatchPlan(
                lengths: lengths, options: plan.options, seed: 4, epoch: epoch, weights: weights)
            #expect(again == plan)
        }
        // Over many epochs all utterances of a manifest are drawn equally often.
        #expect(seen[..<50].allSatisfy { $0 == 20 })
        #expect(seen[50..<70].allSatisfy { $0 == 45 })
        #expect(seen[70...].allSatisfy { $0 == 6 })
    }

    @Test func copiesOfAnUtteranceAreCroppedApart() throws {
        let plan = try BatchPlan(
            lengths: [100_000, 50_000], options: .init(requiredBatchSizeMultiple: 1, crop: .toShortest), seed: 1,
            epoch: 0, weights: [(0..<2, 3)])
        let starts = plan.draws(0).map { plan.cropStart(draw: $0, length: 100_000, target: 50_000) }
        #expect(starts.count == 6 && Set(starts).count == 6)
    }

    @Test func joinedManifestsKeepTheirPlaces() throws {
        let corpus = try TestCorpus()
        let first = try corpus.write("a/one.tsv", "/x\na.wav\t1000\nb.wav\t2000\n")
        try corpus.write("a/one.ltr", "A |\nB |\n")
        let second = try corpus.write(
            "two.jsonl", #"{"audio_filepath": "c.wav", "duration": 1, "offset": 2.5, "text": "C"}"# + "\n")
        let joined = try Manifest.joined([
            (Manifest.read(first, labels: "ltr"), 1), (Manifest.read(second, labels: "ltr"), 0.5),
            (Manifest.read(first, labels: "ltr"), 2),
        ])
        #expect(joined.count == 5 && joined.name == "\(first.path) + \(second.path):0.5 + \(first.path):2.0")
        #expect(
            (0..<5).map { joined[$0].audio.path } == [
                "/x/a.wav", "/x/b.wav", corpus.file("c.wav").path, "/x/a.wav", "/x/b.wav",
            ])
        #expect((0..<5).map { joined[$0].offset } == [nil, nil, 40_000, nil, nil])
        #expect((0..<5).map { joined[$0].line } == [2, 3, 1, 2, 3])
        #expect((0..<5).map { joined[$0].labels } == ["A |", "B |", "C |", "A |", "B |"])
        #expect(joined.labelPlace(of: 4) == (corpus.file("a/one.ltr").path, 2))
        #expect(joined.labelPlace(of: 2) == (second.path, 1))
        #expect(joined.sources.map(\.weight) == [1, 0.5, 2])
        #expect(joined.identifier(2) == "c.wav@2.5" && joined.lengthTolerance(of: 2) > joined.lengthTolerance(of: 3))
        let plan = try BatchPlan(joined, options: .init(requiredBatchSizeMultiple: 1), seed: 0, epoch: 0)
        #expect((0..<plan.count).flatMap { plan[$0] }.sorted() == [0, 1, 2, 3, 3, 4, 4])
        #expect(throws: CorpusError.self) { try Manifest.joined([(Manifest.read(first), 0)]) }
        #expect(throws: CorpusError.self) { try Manifest.joined([(Manifest.read(first), .nan)]) }
        #expect(throws: CorpusError.noLabels(manifest: first.path)) {
            try Manifest.joined([(Manifest.read(second, labels: "ltr"), 1), (Manifest.read(first), 1)])
        }
    }
}

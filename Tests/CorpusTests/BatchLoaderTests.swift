import Foundation
import TestSupport
import Testing
import W2VAudio

@testable import W2VCorpus

@Suite("Loading batches", .onTestThreads)
struct BatchLoaderTests {
    let corpus: TestCorpus
    private let lengths = (0..<24).map { 2000 + 137 * $0 }

    init() throws { corpus = try TestCorpus() }

    private func all(_ loader: BatchLoader) throws -> [AudioBatch] {
        var batches: [AudioBatch] = []
        while let batch = try loader.next() { batches.append(batch) }
        return batches
    }

    @Test func ordersDoNotDependOnThreadsNorOnTheStart() throws {
        let labels = lengths.indices.map { $0 % 2 == 0 ? "A B |" : "B |" }
        let manifest = try corpus.manifest(lengths: lengths, labels: labels)
        let dictionary = try LabelDictionary(counting: manifest)
        let options = BatchOptions(
            maxTokens: 16_000, maxSampleSize: 4000, requiredBatchSizeMultiple: 2, crop: .toShortest)
        let plan = try BatchPlan(manifest, options: options, seed: 9, epoch: 1)
        #expect(plan.count >= 5)
        let expected = try all(
            BatchLoader(manifest: manifest, plan: plan, dictionary: dictionary, prefetch: 1, workers: 1))
        #expect(expected.map(\.position) == Array(0..<plan.count))
        for workers in [2, 5] {
            for start in [0, 1, plan.count / 2, plan.count] {
                for positions in [Array(start..<plan.count), Array(stride(from: start, to: plan.count, by: 2))] {
                    let loader = try BatchLoader(
                        manifest: manifest, plan: plan, positions: positions, dictionary: dictionary, prefetch: 3,
                        workers: workers)
                    #expect(try all(loader) == positions.map { expected[$0] })
                }
            }
        }
        var starts: Set<Int> = []
        for batch in expected {
            #expect(Set(batch.lengths).count == 1 && batch.samples.count == batch.lengths.reduce(0, +))
            #expect(batch.lengths[0] == min(4000, batch.utteranceIndices.map { lengths[$0] }.min() ?? 0))
            #expect(try batch.labels == batch.utteranceIndices.map { try dictionary.encode(labels[$0]) })
            var start = 0
            for (utterance, length) in zip(batch.utteranceIndices, batch.lengths) {
                let whole = TestCorpus.signal(utterance, count: lengths[utterance])
                let crop = Array(batch.samples[start..<(start + length)])
                let first = try #require(whole.firstIndex(of: crop[0]))
                #expect(crop == Array(whole[first..<(first + length)]))
                starts.insert(first)
                start += length
            }
        }
        #expect(starts.count > 8)
        let next = try BatchPlan(manifest, options: options, seed: 9, epoch: 2)
        #expect(try all(BatchLoader(manifest: manifest, plan: next, dictionary: dictionary)) != expected)
    }

    @Test func wholeUtterancesLieEndToEnd() throws {
        let manifest = try corpus.manifest(lengths: [800, 401, 600])
        let plan = try BatchPlan.sequential(manifest, options: .init())
        let batch = try #require(try BatchLoader(manifest: manifest, plan: plan).next())
        #expect(batch.lengths == [800, 401, 600] && batch.labels == nil)
        #expect(batch.samples == [800, 401, 600].enumerated().flatMap { TestCorpus.signal($0, count: $1) })
        let normal = try #require(try BatchLoader(manifest: manifest, plan: plan, normalize: true).next())
        #expect(
            normal.samples == [800, 401, 600].enumerated().flatMap { normalized(TestCorpus.signal($0, count: $1)) })
        let other = try #require(
            try BatchLoader(manifest: manifest, plan: plan, normalize: true, epsilon: 0.5).next())
        #expect(
            other.samples
                == [800, 401, 600].enumerated().flatMap { normalized(TestCorpus.signal($0, count: $1), epsilon: 0.5) })
    }

    @Test func normalizesBeforeCropping() throws {
        let manifest = try corpus.manifest(lengths: [800, 500])
        let plan = try BatchPlan(
            manifest, options: .init(requiredBatchSizeMultiple: 1, crop: .toShortest), seed: 0, epoch: 0)
        let batch = try #require(try BatchLoader(manifest: manifest, plan: plan, normalize: true).next())
        #expect(batch.utteranceIndices == [0, 1] && batch.lengths == [500, 500])
        let whole = normalized(TestCorpus.signal(0, count: 800))
        let start = try #require(whole.firstIndex(of: batch.samples[0]))
        #expect(Array(batch.samples[..<500]) == Array(whole[start..<(start + 500)]))
    }

    @Test func theQueueIsBounded() throws {
        let manifest = try corpus.manifest(lengths: lengths)
        let plan = try BatchPlan.sequential(manifest, options: .init(requiredBatchSizeMultiple: 1, batchSize: 1))
        let loader = try BatchLoader(manifest: manifest, plan: plan, prefetch: 3, workers: 8)
        // Before the first batch is taken, three are prepared, and never more.
        try wait(for: "three batches") { loader.peakInFlight == 3 }
        #expect(try all(loader).count == 24)
        #expect(loader.peakInFlight == 3)
        #expect(try loader.next() == nil)
        #expect(loader.waitSeconds >= 0 && loader.waitSeconds < 60)
    }

    @Test func waitingIsMeasured() throws {
        let manifest = try corpus.manifest(lengths: [600_000, 500])
        let plan = try BatchPlan.sequential(manifest, options: .init(requiredBatchSizeMultiple: 1, batchSize: 1))
        let loader = try BatchLoader(manifest: manifest, plan: plan)
        _ = try loader.next()
        let waited = loader.waitSeconds
        #expect(waited > 0)
        // Time between two calls does not count as waiting.
        Thread.sleep(forTimeInterval: 0.05)
        let asked = ContinuousClock.now
        _ = try loader.next()
        #expect(.seconds(loader.waitSeconds - waited) <= ContinuousClock.now - asked + .microseconds(1))
    }

    @Test func errorsComeInTheirPlace() throws {
        let manifest = try corpus.manifest(lengths: [500, 600, 700, 800, 900])
        let truncated = corpus.file("u2.flac")
        try Data(contentsOf: truncated).dropLast(300).write(to: truncated)
        try FileManager.default.removeItem(at: corpus.file("u4.flac"))
        let plan = try BatchPlan.sequential(manifest, options: .init(requiredBatchSizeMultiple: 1, batchSize: 1))
        for workers in [1, 4] {
            let loader = try BatchLoader(manifest: manifest, plan: plan, prefetch: 4, workers: workers)
            #expect(try loader.next()?.utteranceIndices == [0])
            #expect(try loader.next()?.utteranceIndices == [1])
            let error = try #require(throws: AudioError.self) { try loader.next() }
            #expect("\(error)".contains(truncated.path))
            #expect(try loader.next()?.utteranceIndices == [3])
            #expect(throws: AudioError.notFound(file: corpus.file("u4.flac").path)) { try loader.next() }
            #expect(try loader.next() == nil)
        }
    }

    @Test func wrongCountsAreErrors() throws {
        _ = try corpus.manifest(lengths: [5000])
        for (count, fits) in [(5000, true), (5030, true), (4970, true), (5050, false), (4900, false)] {
            let manifest = try Manifest(
                name: "m.tsv", root: corpus.folder, paths: ["u0.flac"], sampleCounts: [count])
            let plan = try BatchPlan.sequential(manifest, options: .init())
            let loader = try BatchLoader(manifest: manifest, plan: plan)
            if fits {
                #expect(try loader.next()?.lengths == [5000])
            } else {
                #expect(
                    throws: CorpusError.lengthMismatch(
                        utterance: corpus.file("u0.flac").path, manifest: "m.tsv", line: 2, expected: count, found: 5000
                    )
                ) { try loader.next() }
            }
        }
    }

    @Test func partsOfRecordings() throws {
        try AudioFile.write(TestCorpus.signal(0, count: 48_000), to: corpus.file("long.wav"))
        let url = try corpus.write(
            "m.json",
            """
            {"audio_filepath": "long.wav", "duration": 0.5, "offset": 1.0, "text": "ab"}
            {"audio_filepath": "long.wav", "duration": 3.0, "text": "b"}
            {"audio_filepath": "long.wav", "duration": 1.0, "offset": 2.5, "text": "b"}
            """)
        let manifest = try Manifest.read(url, labels: "ltr")
        let plan = try BatchPlan.sequential(manifest, options: .init(requiredBatchSizeMultiple: 1, batchSize: 1))
        let loader = try BatchLoader(
            manifest: manifest, plan: plan, dictionary: try LabelDictionary(counting: manifest))
        let batch = try #require(try loader.next())
        #expect(batch.samples == Array(TestCorpus.signal(0, count: 48_000)[16_000..<24_000]))
        #expect(batch.labels?[0].count == 3)
        #expect(try loader.next()?.lengths == [48_000])
        let error = try #require(throws: CorpusError.self) { try loader.next() }
        #expect(
            error.name == "lengthMismatch" && error.value("line", Int.self) == 3
                && error.value("expected", Int.self) == 16_000)
    }

    @Test func cancelingEndsIt() async throws {
        let manifest = try corpus.manifest(lengths: lengths)
        let plan = try BatchPlan.sequential(manifest, options: .init(requiredBatchSizeMultiple: 1, batchSize: 1))
        let loader = try BatchLoader(manifest: manifest, plan: plan, prefetch: 2)
        #expect(try loader.next() != nil)
        loader.cancel()
        #expect(try loader.next() == nil)
        // Releasing many loaders during their work leaves no threads behind: each thread holds its loader's queue.
        struct Weak { weak var queue: PrefetchQueue? }
        let queues = try (0..<50).map { _ in
            let loader = try BatchLoader(manifest: manifest, plan: plan, workers: 4)
            _ = try loader.next()
            return Weak(queue: loader.queue)
        }
        try await eventually("the threads to end") { queues.allSatisfy { $0.queue == nil } }
    }

    @Test func refusesImpossibleOptions() throws {
        let manifest = try corpus.manifest(lengths: [500])
        let plan = try BatchPlan.sequential(manifest, options: .init())
        let dictionary = LabelDictionary(counting: ["A"])
        #expect(throws: CorpusError.self) { try BatchLoader(manifest: manifest, plan: plan, prefetch: 0) }
        #expect(throws: CorpusError.self) { try BatchLoader(manifest: manifest, plan: plan, workers: 0) }
        #expect(throws: CorpusError.self) { try BatchLoader(manifest: manifest, plan: plan, positions: [2]) }
        #expect(throws: CorpusError.noLabels(manifest: manifest.name)) {
            try BatchLoader(manifest: manifest, plan: plan, dictionary: dictionary)
        }
    }
}

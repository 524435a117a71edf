import TestSupport
import Testing
import W2VObjectives

@testable import W2VTraining

@Suite(.onTestThreads) struct WatchTests {
    private func sums(loss: Double = 1, perplexity: Double = 100) -> Statistics {
        var sums = Statistics()
        sums.sampleSize = 10
        sums.loss = loss * 10
        sums.metrics.add(ContrastiveMetrics.codePerplexity, perplexity * 10, weight: 10)
        return sums
    }

    private func watch(patience: Int = 5, entries: Int = 640, warmup: Int = 10) -> Watch {
        var options = Recipe.WatchSection()
        options.patience = patience
        return Watch(options, entries: entries, groups: 2, warmup: warmup)
    }

    @Test func collapsedCodeBooksAreReportedOnceAfterWarmUp() {
        var watch = watch()
        #expect(watch.leastPerplexity == 16)
        var warnings: [Int] = []
        for update in 1...30 where !watch.look(at: update, sums(perplexity: 15)).isEmpty { warnings.append(update) }
        #expect(warnings == [15])
        // Recovered, and collapsed again.
        #expect(watch.look(at: 31, sums(perplexity: 17)).isEmpty)
        for update in 32...36 where !watch.look(at: update, sums(perplexity: 2)).isEmpty { warnings.append(update) }
        #expect(warnings == [15, 36])
    }

    @Test func smallCodeBooksAndModelsWithoutAreNotReportedForBeingSmall() {
        var small = watch(entries: 32)
        #expect(small.leastPerplexity == 3)
        for update in 1...40 { #expect(small.look(at: update, sums(perplexity: 3.5)).isEmpty) }
        var none = watch(entries: 0)
        for update in 1...40 { #expect(none.look(at: update, sums(perplexity: 0)).isEmpty) }
    }

    @Test func aDivergingLossIsReportedWithItsBest() throws {
        var watch = watch(patience: 8)
        var update = 0
        func go(_ losses: [Double]) -> [Watch.Warning] {
            losses.flatMap { loss in
                update += 1
                return watch.look(at: update, sums(loss: loss))
            }
        }
        #expect(go((0..<50).map { 6 - 0.1 * Double($0) }).isEmpty)
        // A single bad batch, or a slightly higher level, is not divergence.
        #expect(go([30] + [Double](repeating: 1.2, count: 30)).isEmpty)
        let warnings = go([Double](repeating: 5, count: 20))
        #expect(warnings.count == 1)
        guard case .divergingLoss(_, let loss, let best, _) = try #require(warnings.first) else {
            Issue.record("another warning: \(warnings)")
            return
        }
        #expect(loss > 3 && loss <= 5 && best < 1.5)
        #expect("\(warnings[0])".contains("lower optimization.lr"))
        #expect(watch.look(at: 1_000, sums(loss: .nan)).isEmpty)
    }

    @Test func bothCanBeTurnedOff() {
        var options = Recipe.WatchSection()
        options.patience = 1
        options.codePerplexity = 0
        options.divergence = nil
        var watch = Watch(options, entries: 640, groups: 2, warmup: 0)
        for update in 1...20 { #expect(watch.look(at: update, sums(loss: Double(update), perplexity: 2)).isEmpty) }
    }
}

import Foundation
import TestSupport
import Testing
import W2VObjectives
import W2VTorch

/// Metrics: one value from those of batches, processes and updates.
@Suite(.onTestThreads) struct MetricTests {
    private static let sum = Metric("clipped", .sum)
    private static let mean = Metric("energy_error", .mean)
    private static let least = Metric("least", .minimum)
    private static let most = Metric("most", .maximum)
    private static let rate = Metric("rate", .latest)
    private static let codes = Metric("codes", .histogram)

    private static func sums(_ value: Double, weight: Double, bins: [[Int]]) -> MetricSums {
        var sums = MetricSums()
        for metric in [sum, mean, least, most, rate] { sums.add(metric, value, weight: weight) }
        sums.add(codes, bins: bins)
        return sums
    }

    @Test func eachReductionPutsValuesTogetherInItsWay() {
        var sums = Self.sums(6, weight: 2, bins: [[1, 0, 2], [0, 0, 3]])
        sums += Self.sums(-3, weight: 4, bins: [[0, 0, 1], [1, 0, 0]])
        #expect(sums.value("clipped") == 3)
        #expect(sums.value("energy_error") == 0.5)
        #expect(sums.value("least") == -3 && sums.value("most") == 6 && sums.value("rate") == -3)
        #expect(sums.bins("codes") == [[1, 0, 3], [1, 0, 3]] && sums.value("codes") == 4)
        #expect(sums.value("unknown") == nil)
    }

    @Test func aMeanWithoutWeightHasNoValue() {
        var sums = MetricSums()
        sums.add(Self.mean, 0, weight: 0)
        #expect(sums.value("energy_error") == nil)
    }

    @Test func sumsOfNothingChangeNothing() {
        var sums = MetricSums()
        sums += Self.sums(2, weight: 4, bins: [[1]])
        sums += MetricSums()
        #expect(sums == Self.sums(2, weight: 4, bins: [[1]]))
    }

    @Test func sumsSurviveJSON() throws {
        let sums = Self.sums(0.1, weight: 3, bins: [[1, 2]])
        #expect(try JSONDecoder().decode(MetricSums.self, from: JSONEncoder().encode(sums)) == sums)
    }

    @Test func titlesDefaultToTheNamesInWords() {
        #expect(Self.mean.title == "Energy error")
        #expect(Metric("wer", .mean, title: "Word error rate").title == "Word error rate")
    }

    @Test func termsAreReadInOneTransfer() throws {
        var terms = LossTerms(try .scalar(3))
        try terms.report(Self.mean, means: Tensor([0.5, 2.0]), weights: [1, 3])
        try terms.report(Self.sum, sums: Tensor([1.0, 2.0]), weights: [7, 8])
        var other = LossTerms(try .scalar(0.5))
        try other.report(Self.most, .scalar(9))
        try terms.add(other)
        let numbers = try terms.numbers()
        #expect(numbers.shape == [6] && numbers.dtype == .float64)
        let (loss, metrics) = try terms.summation(numbers)
        #expect(loss == 3.5)
        #expect(metrics.value("energy_error") == 6.5 / 4 && metrics.value("clipped") == 3 && metrics.value("most") == 9)
    }

    @Test func codesAreWithinTheirEntries() throws {
        var terms = LossTerms(try .scalar(3))
        let codes = try Tensor([0, 3, 1, 3], shape: [2, 2])
        #expect(throws: TorchError.self) { try terms.report(Self.mean, codes: codes, entries: 4) }
        #expect(throws: TorchError.self) { try terms.report(Self.codes, codes: codes.reshaped(-1), entries: 4) }
        #expect(throws: TorchError.self) { try terms.report(Self.codes, codes: codes.to(dtype: .float32), entries: 4) }
        #expect(throws: TorchError.self) { try terms.report(Self.codes, .scalar(1)) }
        try terms.report(Self.codes, codes: codes, entries: 4)
        #expect(try terms.sums().metrics.bins("codes") == [[1, 1, 0, 0], [0, 0, 0, 2]])
        var short = LossTerms(try .scalar(3))
        try short.report(Self.codes, codes: codes, entries: 3)
        #expect(throws: TorchError.self) { try short.sums() }
        // Sums of other batches may have more entries.
        var sums = MetricSums()
        sums.add(Self.codes, bins: [[1]])
        sums.add(Self.codes, bins: [[1, 2], [3]])
        #expect(sums.bins("codes") == [[2, 2], [3]])
    }

    @Test func asManyWeightsAsNumbers() throws {
        var terms = LossTerms(try .scalar(3))
        #expect(throws: TorchError.self) { try terms.report(Self.mean, means: Tensor([0.5, 2.0]), weights: [1]) }
        #expect(throws: TorchError.self) { try terms.report(Self.sum, Tensor([0.5, 2.0])) }
    }
}

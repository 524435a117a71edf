import Foundation
import Testing
import W2VTorch

@testable import W2VBackbone

@Suite("Profiles", .serialized)
struct ProfileTests {
    /// A function whose passes take at least as long as asked for.
    private func slow(_ input: Tensor, forward: Double, backward: Double) throws -> Tensor {
        try differentiable("slow", [input]) {
            Thread.sleep(forTimeInterval: forward)
            return (
                [try input * 2],
                { gradients, _ in
                    Thread.sleep(forTimeInterval: backward)
                    return [try gradients[0].map { try $0 * 2 }]
                }
            )
        }[0]
    }

    @Test func backwardPassesCountForTheStagesThatRecordedThem() throws {
        let (outer, inner, late) = (Profile.Stage("outer"), Profile.Stage("inner"), Profile.Stage("late"))
        let leaf = try Tensor([1, 2] as [Double]).requiringGradient()
        let profile = try Profile.record {
            let hidden = try profiled(outer) {
                let first = try slow(leaf, forward: 0.02, backward: 0.03)
                let second = try profiled(inner) { try slow(first, forward: 0.03, backward: 0.01) }
                return try slow(second, forward: 0, backward: 0.02)
            }
            Thread.sleep(forTimeInterval: 0.01)
            try profiled(late) { try slow(hidden, forward: 0.01, backward: 0.02).sum() }.backward()
        }
        let expected: [(Profile.Stage, Double, Double)] = [
            (outer, 0.02, 0.05), (inner, 0.03, 0.01), (late, 0.01, 0.02), (.other, 0.01, 0),
        ]
        for (stage, forward, backward) in expected {
            let times = try #require(profile.times[stage])
            // A busy machine may add to a sleep, but no more than another stage's whole sleep for this test to mean much.
            #expect(times.forward >= forward && times.backward >= backward, "\(stage.name): \(times)")
        }
        let sum = profile.times.values.reduce(0) { $0 + $1.total }
        #expect(abs(sum - profile.seconds) < 1e-9 && profile.seconds >= 0.15)
        #expect(try leaf.gradient()?.elements(Double.self) == [16, 16])
        let slowSpans = profile.spans.filter { $0.kind == .backward && $0.name == "slow" }
        #expect(slowSpans.map(\.stage) == [late, outer, inner, outer])
        #expect(profile.spans.filter { $0.kind == .stage }.map(\.name) == ["inner", "outer", "late"])
        #expect(profile.spans.contains { $0.kind == .operator && $0.name == "aten::mul" })
    }

    @Test func recordingsEndAfterErrors() throws {
        let stage = Profile.Stage("outside")
        let first = try Profile.record { try profiled(stage) { _ = try Tensor.zeros([1]) } }
        #expect(first.times[stage] != nil)
        #expect(throws: CancellationError.self) { try Profile.record { throw CancellationError() } }
        #expect(throws: TorchError.self) { try Profile.record { _ = try Profile.record {} } }
        // Nothing of the work in between is left.
        try profiled(stage) { _ = try Tensor.zeros([1]) }
        #expect(try Profile.record {}.times[stage] == nil)
    }

    /// Recomputed parts of a model count for the backward pass, by the stages inside them.
    @Test func recomputationIsTheBackwardPasss() throws {
        let stage = Profile.Stage("recomputed stage")
        let leaf = try Tensor([3.0]).requiringGradient()
        let profile = try Profile.record {
            try recomputing(leaf, parameters: [], .inference) { input, _ in
                try profiled(stage) { try slow(input, forward: 0.02, backward: 0.03) }
            }.sum().backward()
        }
        let times = try #require(profile.times[stage])
        #expect(times.forward >= 0.02 && times.backward >= 0.05)
        #expect(try leaf.gradient()?.item() == 2)
    }
}

import Synchronization
import TestSupport
import Testing

@testable import W2VBackbone
@testable import W2VTorch

@Suite("Profiles", .onTestThreads, .serialized)
final class ProfileTests: Sendable {
    /// A clock that advances only when work sets its duration.
    private let seconds = Mutex(0.0)

    private func pass(_ seconds: Double) { self.seconds.withLock { $0 += seconds } }

    private func record(_ body: () throws -> Void) throws -> Profile {
        try Profile.record(clock: { self.seconds.withLock { $0 } }, body)
    }

    /// A function whose passes take the requested time.
    private func slow(_ input: Tensor, forward: Double, backward: Double) throws -> Tensor {
        try differentiable("slow", [input]) {
            self.pass(forward)
            return (
                [try input * 2],
                { gradients, _ in
                    self.pass(backward)
                    return [try gradients[0].map { try $0 * 2 }]
                }
            )
        }[0]
    }

    @Test func backwardPassesCountForTheStagesThatRecordedThem() throws {
        let (outer, inner, late) = (Profile.Stage("outer"), Profile.Stage("inner"), Profile.Stage("late"))
        let leaf = try Tensor([1, 2] as [Double]).requiringGradient()
        let profile = try record {
            let hidden = try profiled(outer) {
                let first = try slow(leaf, forward: 2, backward: 3)
                let second = try profiled(inner) { try slow(first, forward: 4, backward: 1) }
                return try slow(second, forward: 0, backward: 5)
            }
            pass(6)
            try profiled(late) { try slow(hidden, forward: 7, backward: 8).sum() }.backward()
        }
        let expected: [(Profile.Stage, Double, Double)] = [(outer, 2, 8), (inner, 4, 1), (late, 7, 8), (.other, 6, 0)]
        for (stage, forward, backward) in expected {
            let times = try #require(profile.times[stage])
            #expect(times.forward == forward && times.backward == backward, "\(stage.name): \(times)")
        }
        #expect(profile.times.values.reduce(0) { $0 + $1.total } == 36 && profile.seconds == 36)
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
        // No memory of the work in between is left.
        try profiled(stage) { _ = try Tensor.zeros([1]) }
        #expect(try Profile.record {}.times[stage] == nil)
    }

    /// Recomputed parts of a model count for the backward pass, by the stages inside them.
    @Test func recomputationIsTheBackwardPasss() throws {
        let stage = Profile.Stage("recomputed stage")
        let leaf = try Tensor([3.0]).requiringGradient()
        let profile = try record {
            try recomputing(leaf, parameters: [], .inference) { input, _ in
                try profiled(stage) { try self.slow(input, forward: 2, backward: 3) }
            }.sum().backward()
        }
        let times = try #require(profile.times[stage])
        #expect(times.forward == 2 && times.backward == 5)
        #expect(try leaf.gradient()?.item() == 2)
    }
}

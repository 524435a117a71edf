import TestSupport
import Testing
import W2VKernels
import W2VTorch

/// Nothing leaks.
///
/// Other tests run in the same process and hold handles of their own, a few hundred at most at a time. So every check
/// repeats its body often enough that one handle lost per iteration grows far beyond that.
@Suite(.onTestThreads, .serialized) struct LeakTests {
    private final class Token {}

    private func expectNoGrowth(
        iterations: Int = 4000, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
    ) throws {
        try body()
        let before = LibTorch.liveHandles
        for _ in 0..<iterations { try body() }
        let growth = LibTorch.liveHandles - before
        #expect(growth < iterations / 2, "\(growth) more handles", sourceLocation: sourceLocation)
    }

    @Test func operatorsAndLists() throws {
        let tensor = try Tensor.ones([4, 2])
        try expectNoGrowth {
            _ = try Tensor.concatenate(tensor.split([1, 3]))
            _ = try tensor.varianceAndMean(0)
            _ = try? tensor.matmul(tensor)
            _ = try? TorchOperator("aten::var_mean", "correction")(.tensor(tensor), .ints([0]), .int(0), .bool(true))
            _ = try tensor.elements(Float.self)
        }
    }

    @Test func graphsWithClosuresAndHooks() throws {
        weak var last: Token?
        let leaf = try Tensor.ones([3]).requiringGradient()
        try expectNoGrowth {
            let token = Token()
            last = token
            let output = try differentiable("square", [leaf]) {
                let value = try leaf.squared()
                return (
                    [value],
                    { gradients, _ in
                        withExtendedLifetime((token, value)) {}
                        return try [gradients[0].map { try $0 * leaf.detached() * 2 }]
                    }
                )
            }[0]
            try output.addGradientHook { gradient in try withExtendedLifetime(token) { try gradient * 1 } }
            _ = try output.sum().gradients(of: [leaf])
        }
        #expect(last == nil)
    }

    @Test func graphsThatAreNeverRunOrFail() throws {
        weak var last: Token?
        let leaf = try Tensor.ones([3]).requiringGradient()
        try expectNoGrowth {
            let token = Token()
            last = token
            let output = try differentiable("unused", [leaf]) {
                ([try leaf * 2], { _, _ in try withExtendedLifetime(token) { throw TorchError.runtime("no") } })
            }[0]
            try? output.sum().backward()
            _ = try differentiable("dropped", [leaf]) {
                ([try leaf * 2], { _, _ in [withExtendedLifetime(token) { nil }] })
            }
        }
        #expect(last == nil)
    }

    @Test func modulesAndOptimizer() throws {
        try expectNoGrowth(iterations: 1000) {
            let layer = try Linear(4, 3, initializer: .random(seed: 1))
            let flat = try FlatParameters(layer.parameters())
            let adam = try Adam(flat, .init(beta2: 0.98))
            try layer(Tensor.ones([2, 4])).sum().backward()
            try adam.step(learningRate: 0.1)
        }
    }

    @Test func generatorsAndStates() throws {
        try expectNoGrowth { _ = try Generator(seed: 1).state() }
    }
}

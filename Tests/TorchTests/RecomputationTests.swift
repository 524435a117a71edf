import TestSupport
import Testing
import W2VBase
import W2VKernels
import W2VTorch

@Suite(.onTestThreads) struct RecomputationTests {
    @Test func gradientsAreBitEqual() throws {
        let weight = try Tensor.normal([16, 16], generator: Generator(seed: 1)).requiringGradient()
        let frozen = try Tensor.normal([16, 16], generator: Generator(seed: 2))
        let input = try Tensor.normal([8, 16], generator: Generator(seed: 3)).requiringGradient()
        var runs = 0
        func part(_ input: Tensor, _ mode: Module.Mode) throws -> Tensor {
            runs += 1
            return try input.matmul(weight).gelu().dropout(0.3, mode).matmul(frozen).dropout(0.2, mode) + input
        }
        func gradients(recomputes: Bool) throws -> [[Float]] {
            let mode = Module.Mode.training(DropoutSource(RandomStream(seed: 4, purpose: .dropout)))
            var hidden: Tensor = try input * 2
            for _ in 0..<3 {
                hidden =
                    try recomputes ? recomputing(hidden, parameters: [weight, frozen], mode, part) : part(hidden, mode)
            }
            let last = mode.nextDropoutSeed().map { "\($0)" }
            seeds.append(last ?? "")
            return try [hidden.elements()]
                + hidden.squared().sum().gradients(of: [input, weight]).compactMap { $0 }
                .map { try $0.elements() }
        }
        var seeds: [String] = []
        let plain = try gradients(recomputes: false)
        #expect(runs == 3)
        let again = try gradients(recomputes: true)
        #expect(runs == 9)
        #expect(plain == again && plain.count == 3)
        #expect(seeds[0] == seeds[1], "what follows draws the same masks")
        runs = 0
        try withoutGradient { _ = try gradientFree(part, input) }
        #expect(runs == 1)
    }

    private func gradientFree(_ part: @escaping (Tensor, Module.Mode) throws -> Tensor, _ input: Tensor) throws
        -> Tensor
    {
        try recomputing(input, parameters: [], .inference, part)
    }

    /// Bytes that backward passes keep.
    private final class Kept {
        nonisolated(unsafe) static var bytes = 0
        let tensor: Tensor

        init(_ tensor: Tensor) {
            self.tensor = tensor
            Self.bytes += tensor.count * tensor.dtype.itemSize
        }

        deinit { Self.bytes -= tensor.count * tensor.dtype.itemSize }
    }

    @Test func onlyInputsAreKept() throws {
        func square(_ input: Tensor) throws -> Tensor {
            try differentiable("square", [input]) {
                let kept = Kept(input)
                return ([try input.squared()], { gradients, _ in [try gradients[0].map { try $0 * kept.tensor * 2 }] })
            }[0]
        }
        var (most, held) = (0, 0)
        func part(_ input: Tensor, _: Module.Mode) throws -> Tensor {
            let output = try square(square(square(input)))
            most = max(most, Kept.bytes)
            return output
        }
        func gradient(recomputes: Bool) throws -> [Float] {
            most = 0
            let input = try Tensor.normal([256], deviation: 0.1, generator: Generator(seed: 1)).requiringGradient()
            var hidden = try input + 1
            for _ in 0..<4 {
                hidden =
                    try recomputes ? recomputing(hidden, parameters: [], .inference, part) : part(hidden, .inference)
            }
            held = Kept.bytes
            return try hidden.sum().gradients(of: [input])[0]?.elements() ?? []
        }
        let plain = try gradient(recomputes: false)
        #expect(held == 12 * 1024 && most == held)
        let again = try gradient(recomputes: true)
        #expect(held == 0 && most == 3 * 1024, "one part at a time")
        #expect(plain == again && Kept.bytes == 0)
    }

    @Test func backwardErrorsAreThrown() throws {
        let input = try Tensor.ones([2]).requiringGradient()
        var runs = 0
        let output = try recomputing(input, parameters: [], .inference) { input, _ in
            runs += 1
            return try runs == 1 ? input * 2 : input.matmul(Tensor.ones([3]))
        }
        #expect { try output.sum().backward() } throws: { "\($0)".contains("recomputed part") }
    }
}

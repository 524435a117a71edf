import Foundation
import TestSupport
import Testing
import W2VKernels
import W2VTorch

private class Block: Module {
    @Child("fc") var linear: Linear
    @Child("norms") var norms: [LayerNorm]
    @Child("extra") var extra: Linear?
    @Parameter("mask_emb") var mask: Tensor

    init(extra: Bool) throws {
        super.init()
        let initializer = try Initializer.random(seed: 3)
        linear = try Linear(3, 2, start: .xavier, initializer: initializer)
        norms = try (0..<2).map { _ in try LayerNorm(2, initializer: initializer) }
        self.extra = extra ? try Linear(2, 2, bias: false, initializer: initializer) : nil
        mask = try initializer.uniform([2], 0, 1)
    }
}

private final class TopBlock: Block {
    @Parameter("scale") var scale: Tensor

    init() throws {
        try super.init(extra: true)
        scale = try Tensor.ones([1])
    }
}

@Suite(.onTestThreads) struct ModuleTests {
    @Test func namesInOrderOfDeclaration() throws {
        let expected = [
            "fc.weight", "fc.bias", "norms.0.weight", "norms.0.bias", "norms.1.weight", "norms.1.bias", "mask_emb",
        ]
        #expect(try Block(extra: false).parameters().map(\.name) == expected)
        #expect(
            try TopBlock().parameters().map(\.name) == expected.dropLast() + ["extra.weight", "mask_emb", "scale"])
    }

    @Test func replacementsKeepNamesAndParameters() throws {
        let block = try TopBlock()
        let before = block.parameters()
        #expect(block.descendants.count == 4)
        block.replaceChildren { ($0 as? Linear).map { PackedLinear($0, .float32) } ?? $0 }
        #expect(block.linear is PackedLinear && block.extra is PackedLinear)
        #expect(block.norms.allSatisfy { type(of: $0) == LayerNorm.self })
        #expect(block.parameters().map(\.name) == before.map(\.name))
        #expect(zip(block.parameters(), before).allSatisfy { $0.tensor.isIdentical(to: $1.tensor) })
        // A reference to a parameter taken before is still the model's own.
        before[0].tensor = try Tensor.zeros([2, 3])
        #expect(block.linear.weight.isIdentical(to: before[0].tensor))
        let bare = try Block(extra: false)
        bare.replaceChildren { ($0 as? LayerNorm).map(FP32LayerNorm.init(sharing:)) ?? $0 }
        #expect(bare.norms.allSatisfy { $0 is FP32LayerNorm } && bare.extra == nil)
    }

    @Test func innerModulesAreReplacedFirst() throws {
        final class Outer: Module { @Child("blocks") var blocks: [Block] }
        let outer = Outer()
        outer.blocks = try [Block(extra: false), TopBlock()]
        var order: [String] = []
        outer.replaceChildren {
            order.append("\(type(of: $0))")
            return $0
        }
        #expect(
            order == [
                "Linear", "LayerNorm", "LayerNorm", "Block", "Linear", "LayerNorm", "LayerNorm", "Linear", "TopBlock",
            ])
        #expect(outer.descendants.map { "\(type(of: $0))" } == order)
        struct Refusal: Error {}
        #expect(throws: Refusal.self) { try outer.replaceChildren { _ in throw Refusal() } }
    }

    @Test func loadsByName() throws {
        let source = try Block(extra: true)
        let target = try Block(extra: true)
        try target.linear.weight.fillInPlace(0)
        try target.load(source.state())
        #expect(try target.linear.weight.elements(Float.self) == source.linear.weight.elements(Float.self))
        #expect(!target.linear.weight.isIdentical(to: source.linear.weight))
    }

    @Test func adoptsTensorsOfTheSameFormat() throws {
        func layer() throws -> Linear { try Linear(512, 512, initializer: .random(seed: 1)) }
        var state = try layer().state()
        let (weight, bias) = (try #require(state["weight"]), try #require(state["bias"]))
        let before = try bias.elements(Float.self)
        let target = try layer()
        try target.adopt(state)
        for tensor in [weight, bias] { try tensor.fillInPlace(7) }
        #expect(try target.weight.elements(Float.self).allSatisfy { $0 == 7 }, "no copy")
        #expect(try target.bias?.elements(Float.self) == before, "small, a copy")
        state["weight"] = try Tensor.full([512, 512], 1.5, dtype: .float16)
        try target.adopt(state)
        #expect(target.weight.dtype == .float32)
        #expect(try target.weight.elements(Float.self).allSatisfy { $0 == 1.5 })
        state["surplus"] = weight
        #expect { try target.adopt(state) } throws: { "\($0)".contains("unexpected surplus") }
    }

    /// A model that has adopted weights of a mapped file can still be trained.
    @Test func changesDoNotReachTheFile() throws {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let url = folder.file("adopted.safetensors")
        let module = try Linear(512, 512, initializer: .random(seed: 1))
        try TensorFile.write(module.state(), to: url)
        let before = try Data(contentsOf: url)
        try module.adopt(TensorFile.read(url))
        for parameter in module.parameters() { try parameter.tensor.fillInPlace(3) }
        #expect(try module.weight.elements(Float.self).allSatisfy { $0 == 3 })
        #expect(try Data(contentsOf: url) == before)
    }

    @Test func loadErrorsNameEverything() throws {
        let module = try Block(extra: false)
        var state = module.state()
        state["mask_emb"] = nil
        state["surplus"] = try Tensor.zeros([1])
        state["fc.weight"] = try Tensor.zeros([3, 2])
        let before = try module.linear.bias?.elements(Float.self)
        state["fc.bias"] = try Tensor.full([2], 9)
        do {
            try module.load(state)
            Issue.record("the state was accepted")
        } catch {
            let text = "\(error)"
            for part in ["missing mask_emb", "unexpected surplus", "fc.weight has shape [3, 2] where [2, 3]"] {
                #expect(text.contains(part), "\(text)")
            }
        }
        #expect(try module.linear.bias?.elements(Float.self) == before)
    }

    @Test func flatParametersAreViews() throws {
        let module = try Block(extra: true)
        let before = try module.state().mapValues { try $0.elements(Float.self) }
        let flat = try FlatParameters(module.parameters())
        #expect(flat.names == module.parameters().map(\.name))
        #expect(try module.state().mapValues { try $0.elements(Float.self) } == before)
        #expect(try flat.named(flat.values).mapValues { try $0.elements(Float.self) } == before)
        try flat.values.fillInPlace(0.5)
        #expect(try module.mask.elements(Float.self) == [0.5, 0.5])
    }

    @Test func gradientsLandInTheFlatBuffer() throws {
        let module = try Block(extra: false)
        let flat = try FlatParameters(module.parameters())
        let input = try Tensor([1, 2, 3] as [Float], shape: [1, 3])
        for _ in 0..<2 { try module.linear(input).sum().backward() }
        #expect(try flat.view(0, of: flat.gradients).elements(Float.self) == [2, 4, 6, 2, 4, 6])
        #expect(try flat.view(1, of: flat.gradients).elements(Float.self) == [2, 2])
        #expect(try abs(gradientNorm([flat]) - 120.0.squareRoot()) < 1e-5)
        try flat.clearGradients()
        try module.linear(input).sum().backward()
        #expect(try flat.view(0, of: flat.gradients).elements(Float.self) == [1, 2, 3, 1, 2, 3])
    }

    @Test func flatStateErrors() throws {
        let flat = try FlatParameters(Block(extra: false).parameters())
        var state = try flat.named(flat.values)
        state["fc.bias"] = try Tensor.zeros([3])
        #expect { try flat.load(state, into: flat.gradients) } throws: { "\($0)".contains("fc.bias has shape [3]") }
        state["fc.bias"] = nil
        #expect { try flat.load(state, into: flat.gradients) } throws: { "\($0)".contains("fc.bias") }
    }

    @Test func layersAgainstTheirFormulas() throws {
        let initializer = try Initializer.random(seed: 5)
        let convolution = try WeightNormConvolution(
            channels: 4, kernel: 3, groups: 2, deviation: 0.5, initializer: initializer)
        #expect(try relativeError(convolution.weight(), convolution.direction) < 1e-6)
        #expect(try convolution(Tensor.ones([7, 4]), withinSegments: [4, 3]).shape == [7, 4])
        let norm = try LayerNorm(64, initializer: initializer)(Tensor.normal([3, 64], deviation: 7))
        let (variance, mean) = try norm.varianceAndMean(-1)
        #expect(try relativeError(variance, Tensor.ones([3, 1])) < 1e-4)
        #expect(try mean.magnitude().maximum(0).item() < 1e-5)
        let bound = 1 / 64.0.squareRoot()
        let weight = try Linear(64, 64, initializer: initializer).weight
        #expect(try weight.magnitude().reshaped(-1).maximum(0).item() <= bound)
    }
}

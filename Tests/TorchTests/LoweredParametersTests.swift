import TestSupport
import Testing
import W2VKernels
import W2VTorch

private final class Layers: Module {
    @Child("lowered") var lowered: Linear
    @Child("exact") var exact: Linear

    override init() {
        super.init()
    }

    static func make() throws -> Layers {
        let layers = Layers()
        layers.lowered = try Linear(3, 2, initializer: .random(seed: 1))
        layers.exact = try Linear(2, 1, initializer: .random(seed: 2))
        return layers
    }

    func callAsFunction(_ input: Tensor) throws -> Tensor {
        try exact(lowered(input.to(dtype: lowered.weight.dtype)).to(dtype: .float32)).sum()
    }
}

@Suite(.onTestThreads) struct LoweredParametersTests {
    @Test(arguments: [DType.float16, .bfloat16])
    func theBuffersStayExact(type: DType) throws {
        let module = try Layers.make()
        let flat = try FlatParameters(module.parameters())
        let masters = try flat.values.elements(Float.self)
        try flat.lower(to: type) { $0.hasPrefix("exact.") }
        #expect(module.lowered.weight.dtype == type && module.exact.weight.dtype == .float32)
        #expect(flat.values.dtype == .float32 && flat.gradients.dtype == .float32)
        #expect(try flat.values.elements(Float.self) == masters)

        let input = try Tensor.normal([4, 3], generator: Generator(seed: 3))
        for _ in 0..<2 {
            try module(input).backward()
            try flat.collectGradients()
        }
        let twice = try flat.gradients.elements(Float.self)
        try flat.clearGradients()
        try module(input).backward()
        try flat.collectGradients(in: 0..<4)
        try flat.collectGradients()
        let once = try flat.gradients.elements(Float.self)
        #expect(once.contains { $0 != 0 } && zip(twice, once).allSatisfy { $0 == 2 * $1 })

        // A step too small for half precision is not lost: it adds up in the master weights.
        let before = try module.lowered.weight.elements(Float.self)
        for _ in 0..<64 {
            try flat.values.scaleInPlace(1 + 1e-4)
            try flat.publish()
        }
        let after = try module.lowered.weight.elements(Float.self)
        for (new, old) in zip(after, before) { #expect(abs(new / old - 1.0064) < 0.01) }
        #expect(after != before)
    }

    @Test func averagesTakeTheParametersPlaceForAWhile() throws {
        let module = try Layers.make()
        let flat = try FlatParameters(module.parameters())
        try flat.values.fillInPlace(1)
        let average = try AveragedParameters(flat, decay: 0.75)
        try flat.lower(to: .bfloat16) { $0.hasPrefix("exact.") }
        try flat.values.fillInPlace(3)
        try flat.publish()
        try average.update()
        try average.update()
        // 1 → 1.5 → 1.875
        let used = try average.inUse {
            try module.lowered.weight.elements(Float.self) + module.exact.weight.elements(Float.self)
        }
        #expect(used.allSatisfy { $0 == 1.875 })
        #expect(throws: TorchError.self) { try average.inUse { _ = try Tensor.ones([2]).matmul(Tensor.ones([3])) } }
        #expect(try module.lowered.weight.elements(Float.self).allSatisfy { $0 == 3 })
        #expect(try module.exact.weight.elements(Float.self).allSatisfy { $0 == 3 })
        let saved = try flat.named(average.values).mapValues { try $0.cloned() }
        let other = try AveragedParameters(flat, decay: 0.75)
        try other.restore(saved)
        for (name, tensor) in try flat.named(other.values) {
            #expect(try relativeError(tensor, try #require(saved[name])) == 0, "\(name)")
        }
    }
}

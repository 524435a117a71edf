import TestSupport
import Testing
import W2VBase

@testable import W2VKernels
@testable import W2VTorch

/// Adam in one kernel, emulated, compared with LibTorch's.
@Suite(.onTestThreads) struct FusedAdamTests {
    private final class Pair: Module {
        @Parameter("first") var first: Tensor
        @Parameter("exact") var exact: Tensor

        init(seed: Int64) throws {
            super.init()
            let generator = try Generator(seed: seed)
            first = try Tensor.normal([37, 29], generator: generator)
            exact = try Tensor.normal([11], generator: generator)
        }
    }

    private static let options = Moments.Options(beta1: 0.9, beta2: 0.98, epsilon: 1e-6, weightDecay: 0.01)

    private func parameters(_ dtype: DType) throws -> (module: Pair, flat: FlatParameters) {
        let module = try Pair(seed: 3)
        let flat = try FlatParameters(module.parameters())
        if dtype.isHalfPrecision { try flat.lower(to: dtype) { $0 == "exact" } }
        return (module, flat)
    }

    /// Adds what a backward pass would add: to the gradients of the module's formats.
    private func addGradients(_ module: Pair, step: Int) throws {
        let generator = try Generator(seed: Int64(100 + step))
        for parameter in [module.first, module.exact] {
            let fresh = try Tensor.normal(parameter.shape, generator: generator) * 0.1
            try #require(try parameter.gradient()).addInPlace(fresh.to(dtype: parameter.dtype))
        }
    }

    @Test(arguments: [DType.float32, .bfloat16, .float16])
    func equalsAdam(_ dtype: DType) throws {
        let (reference, flat) = try parameters(dtype)
        let (found, fused) = try parameters(dtype)
        let adam = try Adam(flat, Self.options)
        let kernel = try FusedAdam(fused, Self.options)
        for step in 0..<6 {
            try addGradients(reference, step: step)
            try flat.collectGradients()
            try adam.step(learningRate: 1e-2, gradientScale: 0.5)
            try flat.publish()
            try flat.clearGradients()
            try addGradients(found, step: step)
            // Half of the steps leave it to the kernel to add the module's gradients to the FP32 ones.
            if step % 2 == 0 { try fused.collectGradients() }
            let launched = try kernelsLaunched {
                if step % 3 == 0 {
                    try kernel.step(learningRate: 1e-2, gradientScale: 0.5)
                } else {
                    let scale = try Tensor.scalar(0.5, dtype: .float64)
                    try kernel.step(learningRate: 1e-2, gradientScale: scale, unless: Tensor.scalar(0))
                }
            }
            #expect(launched == ["adam_\(dtype)"])
            try fused.publish()
            #expect(try fused.gradients.norm().item() == 0)
            if let lowered = fused.lowered {
                #expect(try lowered.gradients.norm().item() == 0)
                let rounded = try fused.masters.to(dtype: dtype)
                #expect(try (lowered.values.to(dtype: .float32) - rounded.to(dtype: .float32)).norm().item() == 0)
            }
            try fused.clearGradients()
        }
        #expect(try relativeError(fused.masters, flat.masters) < 1e-6)
        #expect(try relativeError(kernel.moments.first, adam.moments.first) < 1e-6)
        #expect(try relativeError(kernel.moments.second, adam.moments.second) < 1e-6)
        #expect(kernel.moments.updates == 6)
        #expect(try relativeError(found.exact, reference.exact) < 1e-6)
        #expect(found.first.dtype == dtype && found.exact.dtype == .float32)
    }

    /// A skipped update changes nothing but the gradients, whatever is in them.
    @Test func skips() throws {
        let (module, flat) = try parameters(.bfloat16)
        let adam = try withEmulatedDeviceKernels { try FusedAdam(flat, Self.options) }
        let before = try flat.masters.cloned()
        try addGradients(module, step: 0)
        try #require(try module.first.gradient()).fillInPlace(.infinity)
        try withEmulatedDeviceKernels {
            let scale = try Tensor.scalar(1, dtype: .float64)
            try adam.step(learningRate: 1e-2, gradientScale: scale, unless: Tensor.scalar(1))
        }
        adam.uncountLast()
        #expect(try flat.masters.elements(Float.self) == before.elements(Float.self))
        #expect(try adam.moments.second.norm().item() == 0)
        #expect(try flat.gradients.norm().item() == 0)
        #expect(try module.first.gradient()?.to(dtype: .float32).norm().item() == 0)
        #expect(adam.moments.updates == 0)
    }

    /// The parameters that change without the optimizer are rounded for the module, and later gradients are cleared.
    @Test func othersChangesArePublished() throws {
        let (module, flat) = try parameters(.bfloat16)
        let adam = try FusedAdam(flat, Self.options)
        try addGradients(module, step: 0)
        try withEmulatedDeviceKernels { try adam.step(learningRate: 1e-2) }
        try flat.publish()
        try flat.masters.fillInPlace(3)
        try flat.publish()
        #expect(try module.first.elements(Double.self).allSatisfy { $0 == 3 })
        #expect(try module.exact.elements(Double.self).allSatisfy { $0 == 3 })
        try flat.clearGradients()
        try addGradients(module, step: 1)
        try flat.clearGradients()
        #expect(try module.first.gradient()?.to(dtype: .float32).norm().item() == 0)
    }
}

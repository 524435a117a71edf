import TestSupport
import Testing
import W2VKernels
import W2VTorch

@Suite(.onTestThreads) struct MetaDeviceTests {
    @Test func tensorsHaveAShapeAndNoElements() throws {
        // A petabyte.
        let tensor = try Tensor.empty([1 << 24, 1 << 24], device: .meta)
        #expect(tensor.device == .meta && tensor.dtype == .float32 && tensor.count == 1 << 48)
        #expect("\(tensor)" == "float32[16777216, 16777216]@meta")
        let product = try tensor.narrowed(0, 0..<3).matmul(tensor)
        #expect(product.shape == [3, 1 << 24] && product.device == .meta)
        for read in [
            { _ = try tensor.elements(Float.self) }, { try tensor.withUnsafeMutableBytes { _ in } },
            { _ = try tensor.sum().item() },
        ] as [() throws -> Void] {
            let error = #expect(throws: TorchError.self) { try read() }
            #expect("\(try #require(error))".contains("a tensor on the meta device has no elements"))
        }
    }

    @Test func modulesHaveTheirShapes() throws {
        let layer = try Linear(1 << 20, 1 << 20, initializer: .shapes)
        #expect(layer.parameters().map(\.tensor.shape) == [[1 << 20, 1 << 20], [1 << 20]])
        #expect(layer.parameters().allSatisfy { $0.tensor.device == .meta })
        let convolution = try WeightNormConvolution(
            channels: 8, kernel: 4, groups: 2, deviation: 1, initializer: .shapes)
        let real = try WeightNormConvolution(channels: 8, kernel: 4, groups: 2, deviation: 1, initializer: .empty)
        #expect(convolution.state().mapValues(\.shape) == real.state().mapValues(\.shape))
        #expect(try Linear(2, 3, bias: false, initializer: .shapes).declaredKeys == ["weight", "bias"])
    }

    @Test func nothingRunsThere() throws {
        #expect(Device("meta") == nil)
        #expect(try Device.meta.peakMemory() == nil && Device.meta.generation() == nil)
        try Device.meta.synchronize()
    }
}

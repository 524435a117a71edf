import Foundation
import TestSupport
import Testing
import W2VTorch

@Suite(.onTestThreads) struct GeneratorTests {
    @Test func savesAndRestores() throws {
        let generator = try Generator(seed: 11)
        _ = try Tensor.normal([5], generator: generator)
        let state = try generator.state()
        let first = try Tensor.normal([100], generator: generator).elements(Float.self)
        try generator.restore(state)
        #expect(try Tensor.normal([100], generator: generator).elements(Float.self) == first)
        let other = try Generator(seed: 0)
        try other.restore(state)
        #expect(try Tensor.normal([100], generator: other).elements(Float.self) == first)
        try generator.seed(11)
        _ = try Tensor.normal([5], generator: generator)
        #expect(try Tensor.normal([100], generator: generator).elements(Float.self) == first)
    }

    @Test func refusesAForeignState() throws {
        #expect(throws: TorchError.self) { try Generator(seed: 1).restore(Tensor.zeros([3])) }
    }

    @Test func standardGenerator() throws {
        let state = try Generator.standard().state()
        #expect(state.dtype == .uint8 && state.count > 0)
    }
}

@Suite(.onTestThreads, .serialized) struct RuntimeTests {
    /// MKL must ask the program, not itself, whether to use its AVX-512 kernels; the linker could drop the answer unseen.
    @Test func theProgramAnswersForMKL() throws {
        let name = "mkl_serv_intel_cpu_true"
        let everyones = try #require(dlsym(nil, name))
        let library = try #require(dlopen("libtorch_cpu.so", RTLD_NOLOAD | RTLD_NOW))
        #expect(try #require(dlsym(library, name)) != everyones)
    }

    /// In a process of its own: sums of other tests depend on the number of threads.
    @Test func threads() async {
        await #expect(processExitsWith: .success) {
            for count in [1, 2] {
                LibTorch.threads = count
                #expect(LibTorch.threads == count)
            }
        }
    }

    /// TF32 concerns CUDA devices only: products on the CPU do not change.
    @Test func tf32LeavesTheCPUAlone() throws {
        let (left, right) = (try Tensor.normal([64, 512]), try Tensor.normal([512, 64]))
        func product() throws -> [Float] { try left.matmul(right).elements() }
        let exact = try product()
        LibTorch.allowTF32(true)
        defer { LibTorch.allowTF32(false) }
        #expect(try product() == exact)
    }

    @Test func facts() {
        #expect(LibTorch.version.hasPrefix("2."))
        #expect(LibTorch.configuration.contains("PyTorch"))
        #expect(!LibTorch.cpuCapability.isEmpty)
    }

    /// LibTorch's default rounds the sums of a product's parts to the factors' format.
    @Test func productsOnGPUsAddTheirPartsInFP32() {
        try? Device.cuda(0).load()
        #expect(!LibTorch.allowsReducedPrecisionSums)
        LibTorch.allowsReducedPrecisionSums = true
        defer { LibTorch.allowsReducedPrecisionSums = false }
        #expect(LibTorch.allowsReducedPrecisionSums)
        // A program's own choice stays.
        try? Device.cuda(0).load()
        #expect(LibTorch.allowsReducedPrecisionSums)
    }
}

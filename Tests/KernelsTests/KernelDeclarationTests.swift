import EmulatedKernels
import Foundation
import TestSupport
import Testing
import W2VTorch

@testable import W2VKernels

/// Swift's declarations of the GPU kernels match their source text.
@Suite(.onTestThreads) struct KernelDeclarationTests {
    private static let root = Repository.root

    private let text = KernelText(DeviceKernels.source)

    private static var names: [String] { DeviceKernels.all.map { $0.name } }

    private func kernel(_ name: String) throws -> any DeviceKernel.Type {
        try #require(DeviceKernels.all.first { $0.name == name })
    }

    @Test(arguments: names)
    func parametersAndThreads(_ name: String) throws {
        let kernel = try kernel(name)
        for variant in kernel.variants {
            let found = try #require(
                text.kernels[name + variant], "\(kernel.source.file) has no kernel \(name + variant)")
            #expect(found.parameters == kernel.signature, "parameters of \(name + variant) in \(kernel.source.file)")
            #expect(found.threads == kernel.threads, "launch bounds of \(name + variant) in \(kernel.source.file)")
        }
    }

    @Test(arguments: names)
    func constants(_ name: String) throws {
        let kernel = try kernel(name)
        for (constant, value) in kernel.constants {
            #expect(text.constants[constant] == value, "\(constant), which \(kernel) declares as \(value)")
        }
    }

    @Test func everyKernelIsDeclaredOnce() {
        let declared = DeviceKernels.all.flatMap { kernel in kernel.variants.map { kernel.name + $0 } }
        #expect(Set(declared).count == declared.count)
        let unpaired = Set(text.kernels.keys).symmetricDifference(declared).sorted()
        #expect(unpaired.isEmpty, "kernels without a declaration in DeviceKernels.all, or the other way round")
    }

    /// A kernel of another file would be in the compiled program only by chance.
    @Test(arguments: names)
    func sources(_ name: String) throws {
        let kernel = try kernel(name)
        let own = KernelText(kernel.source.text)
        for variant in kernel.variants { #expect(own.kernels[name + variant] != nil, "\(kernel.source.file)") }
    }

    @Test func everyFileIsCompiled() throws {
        let folder = Self.root.appending(path: "Sources/Engine/Kernels/CUDA")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.contains(".cu") }
        let declared = DeviceKernels.sources.map(\.file)
        #expect(
            Set(files) == Set(declared),
            "files in Sources/Engine/Kernels/CUDA, and those of kernels in DeviceKernels.all")
        let emulator = try String(
            contentsOf: Self.root.appending(path: "Tests/EmulatedKernels/Kernels.cpp"), encoding: .utf8)
        let included = emulator.matches(of: /#include "[^"]*\/CUDA\/([^"]*)"/).map { String($0.1) }
        #expect(included == declared, "files that Tests/EmulatedKernels includes, in the program's order")
    }

    @Test(arguments: names)
    func emulatorHasIt(_ name: String) throws {
        for compiled in try kernel(name).compiledNames { #expect(ek_has_kernel(compiled), "\(compiled)") }
    }

    // MARK: What the comparison notices

    @Test func readsSourceText() {
        let text = KernelText(
            """
            constexpr int WARPS = 4, STEPS = (WARPS + 2) * 8 / 3;  // not 5, 6
            #define BOUNDS 32 * WARPS, 4
            #define PARAMETERS(T) \\
                (const T *input, unsigned char * flags, \\
                 int64 rows)
            KERNEL_OF_EACH_FORMAT(one, BOUNDS, PARAMETERS, (input, flags, rows))
            KERNEL_OF_EACH_FORMAT(
                two, STEPS, PARAMETERS, (input, flags, rows))
            #undef PARAMETERS
            extern "C" __global__ void __launch_bounds__(256) three(
                const float *parts,
                double epsilon) {
            #define PARAMETERS(T) (T *input)
            KERNEL_OF_EACH_FORMAT(four, 7, PARAMETERS, (input))
            """)
        let shared = ["const T *input", "unsigned char *flags", "int64 rows"]
        #expect(text.constants["STEPS"] == 16)
        #expect(
            text.kernels == [
                "one": .init(parameters: shared, threads: 128), "two": .init(parameters: shared, threads: 16),
                "three": .init(parameters: ["const float *parts", "double epsilon"], threads: 256),
                "four": .init(parameters: ["T *input"], threads: 7),
            ])
    }

    // MARK: Launches

    /// A GPU that reads numbers of another format may be lost to the process.
    @Test func refusesOtherFormats() throws {
        let (parts, result) = (try Tensor.ones([3, 4]), try Tensor.zeros([4], dtype: .float64))
        try withEmulatedDeviceKernels {
            let half = try parts.to(dtype: .float16)
            #expect { try ColumnSumsKernel(parts: half, result: result).launch() } throws: {
                "\($0)".contains("parts of kernel column_sums") && "\($0)".contains("float16[3, 4]")
            }
            let (own, other) = (try Tensor.ones([2, 8]), try Tensor.ones([8], dtype: .bfloat16))
            let flags = try Tensor.zeros([2, 1], dtype: .bool)
            #expect(throws: TorchError.self) {
                try MaskRowsKernel(input: own, masked: flags, vector: other, output: own.emptyLike()).launch()
            }
        }
    }

    @Test func compilesForTheTensorsFormat() throws {
        let parts = try Tensor.ones([3, 4])
        for dtype in [DType.float32, .float16, .bfloat16] {
            var sums: [Float] = []
            let launched = try kernelsLaunched { sums = try parts.deviceColumnSums(as: dtype).elements() }
            #expect(launched == ["column_sums_\(dtype)"] && sums == [3, 3, 3, 3])
        }
    }
}

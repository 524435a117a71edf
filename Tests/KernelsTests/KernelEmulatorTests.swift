import Foundation
import KernelEmulator
import TestSupport
import Testing
import W2VTorch

@testable import W2VKernels

/// The emulator notices what a GPU would not forgive: the kernels of `Faults.cu` have one mistake each.
@Suite(.onTestThreads) struct KernelEmulatorTests {
    /// Runs a kernel on an input and an output of some numbers; returns what the emulator said, and the output.
    private func launch(
        _ name: String, blocks: Int = 2, threads: Int, shared: Int = 0, count: Int, results: Int, numbers: [Int32]
    ) -> (failure: String?, output: [Float]) {
        let input = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
        let output = UnsafeMutableBufferPointer<Float>.allocate(capacity: results)
        let words = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: 2 + numbers.count)
        let (inputName, outputName) = (strdup("input"), strdup("output"))
        defer {
            input.deallocate()
            output.deallocate()
            words.deallocate()
            free(inputName)
            free(outputName)
        }
        for index in 0..<count { input[index] = Float(index) }
        output.initialize(repeating: 0)
        words[0] = UInt64(UInt(bitPattern: input.baseAddress))
        words[1] = UInt64(UInt(bitPattern: output.baseAddress))
        for (index, number) in numbers.enumerated() { words[2 + index] = UInt64(UInt32(bitPattern: number)) }
        var arguments: [UnsafeMutableRawPointer?] = words.indices.map { index in
            words.baseAddress.map { UnsafeMutableRawPointer($0 + index) }
        }
        let tensors = [
            ke_memory(
                name: inputName, address: input.baseAddress, bytes: Int64(4 * count), unit: 4, is_written: false),
            ke_memory(
                name: outputName, address: output.baseAddress, bytes: Int64(4 * results), unit: 4, is_written: true),
        ]
        let text = ke_launch(name, Int64(blocks), 1, Int32(threads), Int32(shared), &arguments, tensors, 2)
        defer { free(text) }
        return (text.map { String(cString: $0) }, Array(output))
    }

    /// The mistakes of the kernel that reverses, and part of what is said about each.
    private static let missingBarriers: [(Int32, String)] = [
        (1, "of shared memory, which thread "), (2, "since the last barrier"),
        (3, "some threads wait at a barrier that others never reach"),
    ]

    @Test func rightKernelsPass() throws {
        let reversed = launch("reversing", threads: 64, count: 128, results: 128, numbers: [0])
        #expect(reversed.failure == nil)
        let mirrored = (0..<2).flatMap { block in (0..<64).reversed().map { Float(64 * block + $0) } }
        #expect(reversed.output == mirrored)
        let copied = launch("copying", blocks: 1, threads: 32, count: 160, results: 160, numbers: [160, 0])
        #expect(copied.failure == nil && copied.output == (0..<160).map(Float.init))
        let summed = launch("summing", threads: 32, shared: 8, count: 64, results: 2, numbers: [0])
        #expect(summed.failure == nil && summed.output == [496, 1520])
    }

    @Test(arguments: missingBarriers)
    func missingBarriersAreFound(_ fault: Int32, _ text: String) throws {
        let found = launch("reversing", threads: 64, count: 128, results: 128, numbers: [fault]).failure
        #expect(found?.contains(text) == true, "\(found ?? "nothing")")
    }

    /// The mistakes of the kernel that copies, and part of what is said about each.
    private static let accesses: [(Int32, String)] = [
        (1, "accesses a vector at an address that is not a multiple of 16 (it is 4 above one)"),
        (2, "bytes after the end of input"), (3, "bytes after the end of output"),
        (4, "of input, which is const"), (5, "writes 4 bytes 4 bytes before output"),
        (6, "writes 8 bytes at an address that is not a multiple of 8 (it is 4 above one)"),
    ]

    @Test(arguments: accesses)
    func accessesToOtherMemoryAreFound(_ fault: Int32, _ text: String) throws {
        let found = launch("copying", blocks: 1, threads: 32, count: 160, results: 160, numbers: [160, fault]).failure
        #expect(found?.contains(text) == true, "\(found ?? "nothing")")
    }

    /// The mistakes of the kernel that adds up, and part of what is said about each.
    private static let races: [(Int32, String)] = [
        (1, "of dynamic shared memory, which thread "),
        (2, "reads byte 0 of dynamic shared memory, which other threads wrote since the last barrier"),
        (3, "writes byte 4 of dynamic shared memory, which thread "),
        (4, "writes byte 0 of output, which an earlier block wrote"),
        (5, "of output, which an earlier block "),
    ]

    @Test(arguments: races)
    func racesAreFound(_ fault: Int32, _ text: String) throws {
        let found = launch("summing", threads: 32, shared: 8, count: 64, results: 2, numbers: [fault]).failure
        #expect(found?.contains(text) == true, "\(found ?? "nothing")")
    }

    /// One number less of shared memory than the kernel uses.
    @Test func sharedMemoryHasAnEnd() throws {
        let found = launch("summing", threads: 32, shared: 4, count: 64, results: 2, numbers: [3]).failure
        #expect(found?.contains("writes 4 bytes") == true, "\(found ?? "nothing")")
    }

    @Test func unknownKernelsAreNamed() throws {
        #expect(
            launch("absent", threads: 32, count: 1, results: 1, numbers: []).failure == "there is no kernel absent")
    }

    // MARK: Limits of a launch

    private struct Launch: DeviceKernel {
        let tensor: Tensor
        let shape: KernelShape

        static let name = "column_sums"
        static let source = KernelSource.columns
        static let threads = 256
        static let parameters: [KernelParameter<Self>] = [.writes("tensor", as: .float, \.tensor)]
    }

    /// GPUs refuse these with a word that does not say why.
    @Test func limitsOfALaunch() throws {
        let tensor = try Tensor.zeros([4])
        func refusal(_ x: Int = 1, _ y: Int = 1, threads: Int = 256, shared: Int = 0, of tensor: Tensor) -> String? {
            do {
                try withEmulatedDeviceKernels {
                    try Launch(
                        tensor: tensor, shape: KernelShape(grid: (x, y), threads: threads, sharedBytes: shared)
                    ).launch()
                }
                return nil
            } catch {
                return "\(error)"
            }
        }
        #expect(refusal(1 << 31, of: tensor)?.contains("at most 2147483647 × 65535 are allowed") == true)
        #expect(refusal(1, 65536, of: tensor)?.contains("1 × 65536 blocks") == true)
        #expect(refusal(threads: 128, of: tensor)?.contains("128 threads: it is compiled for 256") == true)
        #expect(refusal(shared: 48 << 10 | 4, of: tensor)?.contains("bytes of shared memory") == true)
        let spread = try Tensor.zeros([4, 2]).selected(1, 0)
        #expect(refusal(of: spread)?.contains("tensor of kernel column_sums") == true)
    }
}

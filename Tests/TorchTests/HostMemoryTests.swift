import Testing
import Torch

/// Memory shared between Swift and tensors.
@Suite struct HostMemoryTests {
    private final class Buffer {
        let memory = UnsafeMutablePointer<Float>.allocate(capacity: 6)
        let onRelease: () -> Void

        init(onRelease: @escaping () -> Void) {
            self.onRelease = onRelease
            for index in 0..<6 { memory[index] = Float(index) }
        }

        deinit {
            memory.deallocate()
            onRelease()
        }
    }

    @Test func sharesWithoutCopying() throws {
        let buffer = Buffer {}
        let tensor = try Tensor(sharing: buffer.memory, shape: [2, 3], dtype: .float32, owner: buffer)
        buffer.memory[4] = 40
        #expect(try tensor.elements(Float.self) == [0, 1, 2, 3, 40, 5])
        try tensor.withUnsafeMutableBytes { #expect($0.baseAddress == UnsafeMutableRawPointer(buffer.memory)) }
    }

    @Test func viewsKeepTheMemoryAlive() throws {
        var released = false
        var view: Tensor?
        do {
            let buffer = Buffer { released = true }
            let tensor = try Tensor(sharing: buffer.memory, shape: [2, 3], dtype: .float32, owner: buffer)
            view = try tensor.rows(1..<2)
        }
        #expect(!released)
        #expect(try view?.elements(Float.self) == [3, 4, 5])
        view = nil
        #expect(released)
    }

    @Test func aFailedTensorGivesTheOwnerBack() throws {
        var released = false
        do {
            let buffer = Buffer { released = true }
            #expect(throws: TorchError.self) {
                _ = try Tensor(sharing: buffer.memory, shape: [-2, 3], dtype: .float32, owner: buffer)
            }
        }
        #expect(released)
    }

    @Test func emptyTensors() throws {
        let empty = try Tensor([] as [Float], shape: [0, 3])
        #expect(empty.shape == [0, 3] && empty.count == 0)
        #expect(try empty.elements(Float.self).isEmpty)
    }

    @Test func elementTypes() throws {
        #expect(try Tensor([true, false]).elements(Bool.self) == [true, false])
        #expect(try Tensor([3, -1]).elements(Int32.self) == [3, -1])
        #expect(try Tensor([1.5]).dtype == .float64)
        #expect(try Tensor([UInt8(255)]).elements(Int.self) == [255])
        #expect(try Tensor([1, 2] as [Float]).to(dtype: .bfloat16).elements(Double.self) == [1, 2])
    }

    @Test func writesAreSeen() throws {
        let tensor = try Tensor.zeros([4])
        try tensor.withUnsafeMutableBytes { $0.bindMemory(to: Float.self)[2] = 9 }
        #expect(try tensor.elements(Float.self) == [0, 0, 9, 0])
    }
}

import TestSupport
import Testing
import W2VTorch

/// Memory shared between Swift and tensors.
@Suite(.onTestThreads) struct HostMemoryTests {
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

    /// In a separate process, so that its memory is not used by other tests.
    @Test func freedNeighborsBecomeOneBlock() async {
        await #expect(processExitsWith: .success) {
            LibTorch.reuseHostMemory()
            func address(_ tensor: Tensor) throws -> UInt {
                try tensor.withUnsafeMutableBytes { UInt(bitPattern: $0.baseAddress) }
            }
            let size = 1_000_000
            var (small, large): ([Tensor], [Tensor]) = ([], [])
            for _ in 0..<8 {
                large.append(try Tensor.empty([size]))
                small.append(try Tensor.empty([100]))
            }
            let places = try large.map(address)
            try #require(places.allSatisfy { $0 % 64 == 0 } && Set(places.map { $0 % 4096 }).count > 1)
            // Freed in a different order than allocated, with small blocks still in between.
            for index in [3, 1, 2, 5, 4] { large[index] = small[0] }
            let joined = try Tensor.empty([5 * size])
            try #require(try address(joined) == places[1])
            large = []
            try withExtendedLifetime(joined) {
                let last = try Tensor.empty([2 * size])
                try #require(try address(last) > places[5] && address(last) <= places[6])
            }
        }
    }

    @Test func reusedMemoryIsNobodyElses() async {
        await #expect(processExitsWith: .success) {
            LibTorch.reuseHostMemory()
            var state: UInt64 = 1
            func draw(_ bound: Int) -> Int {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Int(state >> 33) % bound
            }
            var alive: [(tensor: Tensor, value: Double)] = []
            for step in 0..<2000 {
                if alive.count > 30 || (!alive.isEmpty && draw(3) == 0) {
                    let (tensor, value) = alive.remove(at: draw(alive.count))
                    let numbers = try tensor.elements(Float.self)
                    try #require(numbers.allSatisfy { Double($0) == value }, "step \(step)")
                } else {
                    alive.append((try Tensor.full([1 + draw(100_000)], Double(step)), Double(step)))
                }
            }
        }
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

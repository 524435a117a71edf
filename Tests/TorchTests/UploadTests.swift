import TestSupport
import Testing

@testable import W2VTorch

/// Arrays that travel to a device in one piece.
@Suite(.onTestThreads) struct UploadTests {
    /// Adds an array of each type, and checks what arrives.
    private func addAndCheck(_ upload: Upload) throws {
        let floats = try upload.add((0..<1_000).map { Float($0) / 3 }, shape: [10, 100])
        let flags = try upload.add([true, false, true])
        let empty = try upload.add([Int](), shape: [0, 4])
        let scalar = try upload.add([Float(1.5)], shape: [])
        let indices = try upload.add([7, -1, 1 << 40])
        let small = try upload.add(Int32.self, shape: [2, 2]) { $0.update(repeating: 9) }
        try upload.send()
        try upload.publish()
        #expect(floats.shape == [10, 100] && flags.shape == [3] && empty.shape == [0, 4] && scalar.shape == [])
        #expect(empty.dtype == .int64 && flags.dtype == .bool && small.dtype == .int32)
        guard upload.device == .cpu else { return }
        #expect(try floats.elements(Float.self) == (0..<1_000).map { Float($0) / 3 })
        #expect(try flags.elements(Bool.self) == [true, false, true])
        #expect(try scalar.item() == 1.5)
        #expect(try indices.elements(Int.self) == [7, -1, 1 << 40])
        #expect(try small.elements(Int32.self) == [9, 9, 9, 9])
        for tensor in [floats, flags, indices, small] {
            #expect(UInt(bitPattern: try tensor.address()) % 16 == 0, "kernels read several numbers at once")
        }
    }

    @Test(arguments: [Device.cpu, .meta], [true, false])
    func oneCopyTakesEverything(_ device: Device, packs: Bool) throws {
        guard packs || device == .cpu else { return }
        let copies = try UploadLog.list { try addAndCheck(Upload(to: device, capacity: 8_192, packs: packs)) }
        #expect(copies.count == 1 && copies[0] >= 4_000 + 3 + 4 + 24 + 16 && copies[0] <= 8_192)
    }

    @Test(arguments: [Device.cpu, .meta]) func withoutACapacityEveryArrayIsACopy(_ device: Device) throws {
        let copies = try UploadLog.list { try addAndCheck(Upload(to: device)) }
        #expect(copies == [4_000, 3, 4, 24, 16])
    }

    @Test func aBlockThatIsTooSmallTellsTheSizeThatItNeeds() throws {
        func fill(_ upload: Upload) throws -> Tensor {
            _ = try upload.add([Float](repeating: 1, count: 100))
            return try upload.add([Float](repeating: 2, count: 100))
        }
        let tooSmall = try Upload(to: .cpu, capacity: 0, packs: true)
        #expect(tooSmall.fits)
        _ = try fill(tooSmall)
        #expect(!tooSmall.fits && tooSmall.bytes >= 800)
        #expect(try UploadLog.list { try tooSmall.send() }.isEmpty)
        let upload = try Upload(to: .cpu, capacity: tooSmall.bytes, packs: true)
        let tensor = try fill(upload)
        #expect(upload.fits && upload.bytes == tooSmall.bytes)
        try upload.send()
        #expect(try tensor.elements(Float.self) == [Float](repeating: 2, count: 100))
    }

    @Test func anArrayThatDoesNotFillItsShapeIsRefused() throws {
        #expect(throws: TorchError.self) { try Upload(to: .cpu).add([1, 2, 3], shape: [2, 2]) }
    }

    /// A batch brings the constants that its device lacks; the passes over it find them there.
    @Test func constantsComeWithABatch() throws {
        let constants = (0..<3).map { number in
            ShapeConstant("upload test", [number], as: number == 0 ? .int32 : .int64) { Array(0..<20_000) }
        }
        let upload = try Upload(to: .meta, capacity: 1 << 20)
        let copies = try UploadLog.list {
            try upload.add(constants)
            _ = try upload.add([Float(1)])
            try upload.send()
        }
        #expect(copies.count == 1 && copies[0] >= 20_000 * 20)
        try upload.publish()
        let later = try UploadLog.list {
            for constant in constants { #expect(try constant(on: .meta).shape == [20_000]) }
            let next = try Upload(to: .meta, capacity: 1 << 20)
            try next.add(constants)
            try next.send()
        }
        #expect(later.isEmpty, "what is there is not sent again")
        #expect(try constants[0](on: .meta).dtype == .int32 && constants[1](on: .meta).dtype == .int64)
    }

    /// The log is one of a thread: reading is no upload, and other threads do not count.
    @Test func theLogListsCopiesToADevice() throws {
        let tensor = try Tensor([Float(1), 2, 3])
        let copies = try UploadLog.list {
            _ = try tensor.to(device: .cpu)
            _ = try tensor.elements(Float.self)
            _ = try tensor.sum().item()
            _ = try tensor.to(dtype: .float64)
            try Tensor.empty([3], device: .meta).copy(from: tensor)
            let inner = try UploadLog.list { _ = try tensor.to(device: .meta) }
            #expect(inner == [12])
        }
        #expect(copies == [12, 12])
    }
}

import TestSupport
import Testing

@testable import W2VTorch

/// Serialized, because statistics cover all constants.
@Suite(.onTestThreads, .serialized) struct DeviceConstantsTests {
    private func key(_ shape: [Int], _ dtype: DType = .int64) -> DeviceConstants.Key {
        DeviceConstants.Key(purpose: "numbers", shape: shape, dtype: dtype, device: .cpu)
    }

    private func numbers(_ constants: DeviceConstants, _ shape: [Int], made: inout Int) throws -> Tensor {
        try constants.tensor(key(shape)) {
            made += 1
            return shape
        }
    }

    @Test func recentlyUsedConstantsAreKept() throws {
        let constants = DeviceConstants(capacity: 5)
        var made = 0
        let first = try numbers(constants, [1, 2], made: &made)
        #expect(try numbers(constants, [1, 2], made: &made).isIdentical(to: first) && made == 1)
        _ = try numbers(constants, [3, 4], made: &made)
        _ = try numbers(constants, [1, 2], made: &made)
        // Two of three fit: the one that was not requested again is dropped.
        _ = try numbers(constants, [5, 6], made: &made)
        #expect(made == 3)
        #expect(try numbers(constants, [1, 2], made: &made).isIdentical(to: first) && made == 3)
        _ = try numbers(constants, [3, 4], made: &made)
        #expect(made == 4)
    }

    @Test func typesAreToldApart() throws {
        let constants = DeviceConstants(capacity: 10)
        #expect(try constants.tensor(key([7], .int32)) { [7] }.dtype == .int32)
        #expect(try constants.tensor(key([7], .int64)) { [7] }.dtype == .int64)
    }

    /// Recorded work keeps reading constants that have been dropped here, and gets no new ones.
    @Test func recordedWorkKeepsWhatItUses() throws {
        let constants = DeviceConstants(capacity: 2)
        let uses = DeviceConstants.Uses()
        var made = 0
        func work(_ phase: RecordedWork.Phase, _ shape: [Int]) throws -> Tensor {
            let work = RecordedWork(phase, on: .cpu, constants: uses)
            return try work { try work.constant(key(shape)) { try numbers(constants, shape, made: &made) } }
        }
        let first = try work(.rehearsed, [1, 2])
        // Takes the other's place.
        _ = try numbers(constants, [3, 4], made: &made)
        #expect(try work(.recorded, [1, 2]).isIdentical(to: first))
        #expect(try !numbers(constants, [1, 2], made: &made).isIdentical(to: first))
        let error = #expect(throws: TorchError.self) { try work(.recorded, [5, 6]) }
        #expect(try "\(#require(error))".contains("the constant 'numbers' of [5, 6]") && made == 3)
    }
}

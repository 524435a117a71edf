import Foundation
import Synchronization
import TestSupport
import Testing

@testable import W2VTorch

/// Serialized, because statistics cover all constants.
@Suite(.onTestThreads, .serialized) struct DeviceConstantsTests {
    private func numbers(_ constants: DeviceConstants, _ shape: [Int], made: inout Int) throws -> Tensor {
        try constants.tensor("numbers", shape, .int64, on: .cpu) {
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
        #expect(try constants.tensor("a", [7], .int32, on: .cpu) { [7] }.dtype == .int32)
        #expect(try constants.tensor("a", [7], .int64, on: .cpu) { [7] }.dtype == .int64)
    }

    /// Recorded work keeps reading constants that have been dropped here.
    @Test func recordedWorkKeepsWhatItUses() throws {
        let constants = DeviceConstants(capacity: 2)
        let uses = DeviceConstants.Uses()
        var made = 0
        let first = try uses.noted { try numbers(constants, [1, 2], made: &made) }
        // Takes the other's place.
        _ = try numbers(constants, [3, 4], made: &made)
        // LibTorch's threads find it too, as long as the work runs.
        let again = Mutex<Tensor?>(nil)
        uses.noted {
            let isDone = DispatchSemaphore(value: 0)
            Thread.detachNewThread {
                again.withLock { $0 = try? constants.tensor("numbers", [1, 2], .int64, on: .cpu) { [0, 0] } }
                isDone.signal()
            }
            isDone.wait()
        }
        #expect(again.withLock { $0?.isIdentical(to: first) } == true)
        #expect(try !numbers(constants, [1, 2], made: &made).isIdentical(to: first))
    }
}

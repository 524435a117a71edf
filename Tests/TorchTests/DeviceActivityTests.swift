import TestSupport
import Testing
import W2VTorch

/// One recording at a time in a process.
@Suite(.onTestThreads, .serialized) struct DeviceActivityTests {
    @Test func eachOperatorIsCountedAndTimed() throws {
        let tensor = try Tensor.ones([300, 300])
        var product: Tensor?
        let activities = try DeviceActivity.record(on: .cpu) {
            for _ in 0..<3 { product = try tensor.matmul(tensor) }
            product = try product?.sum()
        }
        #expect(try product?.item() == 300 * 300 * 300)
        let counts = Dictionary(uniqueKeysWithValues: activities.map { ($0.name, $0.count) })
        #expect(counts["aten::matmul"] == 3 && counts["aten::mm"] == 3 && (counts["aten::sum"] ?? 0) > 0)
        #expect(activities.allSatisfy { $0.seconds >= 0 } && activities.contains { $0.seconds > 0 })
        #expect(activities.map(\.seconds) == activities.map(\.seconds).sorted(by: >))
    }

    @Test func aFailureEndsTheRecording() throws {
        struct Failure: Error {}
        #expect(throws: Failure.self) { try DeviceActivity.record(on: .cpu) { throw Failure() } }
        // The next recording starts empty.
        let activities = try DeviceActivity.record(on: .cpu) { _ = try Tensor.zeros([2]) }
        #expect(activities.contains { $0.name == "aten::zeros" })
    }
}

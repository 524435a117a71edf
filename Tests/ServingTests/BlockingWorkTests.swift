import Foundation
import Synchronization
import TestSupport
import Testing

@testable import W2VServing

@Suite(.onTestThreads) struct BlockingWorkTests {
    /// The names of work in the order in which it began.
    private final class Order: Sendable {
        private let names = Mutex<[String]>([])
        var all: [String] { names.withLock { $0 } }
        func add(_ name: String) { names.withLock { $0.append(name) } }
    }

    @Test func workOfAHigherPriorityBeginsFirst() async throws {
        let (work, order, gate) = (BlockingWork("test", threads: 1), Order(), DispatchSemaphore(value: 0))
        async let first: Void = work.run { _ in
            order.add("first")
            gate.wait()
        }
        try await eventually("the first work begins") { order.all == ["first"] }
        async let second: Void = work.run { _ in order.add("second") }
        async let urgent: Void = work.run(.high) { _ in order.add("urgent") }
        try await eventually("all work is queued") { work.count == 3 }
        gate.signal()
        _ = try await (first, second, urgent)
        #expect(order.all == ["first", "urgent", "second"])
    }
}

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

    @Test func aTaskThatIsCancelledDoesNotWait() async throws {
        let work = BlockingWork("test", threads: 1)
        let state = Mutex((hasSeen: false, mayEnd: false, hasEnded: false))
        let (begun, begin) = AsyncStream<Void>.makeStream()
        let task = Task {
            try await work.run { job in
                begin.finish()
                while !job.isCancelled { usleep(1_000) }
                state.withLock { $0.hasSeen = true }
                // Work that does not check whether it is wanted.
                while !state.withLock({ $0.mayEnd }) { usleep(1_000) }
                state.withLock { $0.hasEnded = true }
            }
        }
        for await _ in begun {}
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(state.withLock { !$0.hasEnded })
        try await eventually { state.withLock { $0.hasSeen } }
        state.withLock { $0.mayEnd = true }
        #expect(try await work.run { _ in 7 } == 7)
        #expect(state.withLock { $0.hasEnded })
    }

    @Test func workThatNobodyWaitsForIsNotBegun() async throws {
        let work = BlockingWork("test", threads: 1)
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await work.run { _ in _ = Issue.record("The work was begun.") }
        }
        await #expect(throws: CancellationError.self) { try await task.value }
        try await work.run { _ in }
    }
}

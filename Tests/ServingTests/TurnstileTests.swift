import Synchronization
import TestSupport
import Testing

@testable import W2VServing

/// Work that lasts until it is released.
private final class HeldWork: Sendable {
    private let events = Mutex<[Int]>([])
    private let isOpen = Mutex(false)

    /// The numbers of the work items that have begun.
    var begun: [Int] { events.withLock { $0 } }

    func open() { isOpen.withLock { $0 = true } }

    func run(_ number: Int) async throws -> Int {
        events.withLock { $0.append(number) }
        while !isOpen.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(2)) }
        return number
    }
}

@Suite(.onTestThreads) struct TurnstileTests {
    private let turnstile = Turnstile()
    private let held = HeldWork()

    /// Starts work items one after another, while the first of them is held.
    private func work(_ count: Int) async throws -> [Task<Int, any Error>] {
        var tasks: [Task<Int, any Error>] = []
        for number in 0..<count {
            tasks.append(Task { try await turnstile.take { [held] in try await held.run(number) } })
            while await turnstile.waiting.count < number || held.begun.isEmpty {
                try await Task.sleep(for: .milliseconds(2))
            }
        }
        return tasks
    }

    @Test func oneAfterAnotherInTheirOrder() async throws {
        let tasks = try await work(4)
        #expect(held.begun == [0])
        held.open()
        for (number, task) in tasks.enumerated() { #expect(try await task.value == number) }
        #expect(held.begun == [0, 1, 2, 3])
        #expect(try await turnstile.take { 5 } == 5)
    }

    @Test func whatIsGivenUpLetsTheNextIn() async throws {
        let tasks = try await work(4)
        tasks[1].cancel()
        await #expect(throws: CancellationError.self) { try await tasks[1].value }
        tasks[0].cancel()
        await #expect(throws: CancellationError.self) { try await tasks[0].value }
        held.open()
        #expect(try await [tasks[2].value, tasks[3].value] == [2, 3])
        #expect(held.begun == [0, 2, 3])
    }
}

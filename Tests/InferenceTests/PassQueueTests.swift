import Foundation
import Synchronization
import TestSupport
import Testing

@testable import W2VInference

/// A model that answers only when it is opened, so that the requests arriving in the meantime are known.
private final class HeldModel: Sendable {
    private let passes = Mutex<[[Int]]>([])
    private let starts = Mutex<[PassStart]>([])
    private let isOpen = Mutex(false)

    /// The lengths in samples of the windows of every pass so far.
    var begun: [[Int]] { passes.withLock { $0 } }

    /// The start of the pass of each request.
    var begins: [PassStart] { starts.withLock { $0 } }

    func begins(_ start: PassStart) { starts.withLock { $0.append(start) } }

    func open() { isOpen.withLock { $0 = true } }

    func outputs(of windows: [Window]) async throws -> [Int] {
        passes.withLock { $0.append(windows.map(\.samples.count)) }
        while !isOpen.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(2)) }
        return windows.map(\.samples.count)
    }
}

@Suite(.onTestThreads) struct PassQueueTests {
    private let model = HeldModel()
    private let queue: PassQueue<Int>

    init() {
        queue = PassQueue(budget: BatchBudget(seconds: 1)) { [model] in try await model.outputs(of: $0) }
    }

    private static func window(_ count: Int) -> Window {
        Window(samples: [Float](repeating: 0, count: count), kept: 0..<1)
    }

    /// Sends requests one after another while the model is busy with the first of them.
    private func requests(_ counts: [Int], as kind: PassKind) async throws -> [Task<[Int], any Error>] {
        let isBusy = !model.begun.isEmpty
        var tasks: [Task<[Int], any Error>] = []
        for (index, count) in counts.enumerated() {
            tasks.append(Task { [queue] in try await queue.outputs(of: [Self.window(count)], as: kind) })
            // The very first request is in the model at once.
            let expected = isBusy ? index + 1 : index
            while await queue.count(of: kind) < expected || model.begun.isEmpty {
                try await Task.sleep(for: .milliseconds(2))
            }
        }
        return tasks
    }

    @Test func whatComesMeanwhileGoesTogether() async throws {
        let counts = [4_000, 6_000, 6_000, 3_999, 5_000, 400, 17_000, 401]
        let tasks = try await requests(counts, as: .short)
        model.open()
        for (task, count) in zip(tasks, counts) { #expect(try await task.value == [count]) }
        // As many as fit into a second share a pass, in order of arrival; a request that is too long runs alone.
        #expect(model.begun == [[4_000], [6_000, 6_000, 3_999], [5_000, 400], [17_000], [401]])
    }

    /// A request waits for at most one pass of each other kind, however many of these there are.
    @Test func kindsTakeTurns() async throws {
        let long = try await requests([50_000, 60_000, 70_000], as: .long)
        let short = try await requests([9_000, 9_001], as: .short)
        let live = try await requests([700, 800], as: .live)
        model.open()
        for task in long + short + live { _ = try await task.value }
        #expect(model.begun == [[50_000], [700, 800], [9_000], [60_000], [9_001], [70_000]])
    }

    @Test func everyoneGetsTheirOwn() async throws {
        let first = try await requests([100], as: .short)
        var tasks: [Task<[Int], any Error>] = []
        for counts in [[1, 2], [3], [4, 5, 6]] {
            tasks.append(
                Task { [queue, model] in
                    try await queue.outputs(of: counts.map(Self.window), as: .short) { model.begins($0) }
                })
            while await queue.count(of: .short) < tasks.count { try await Task.sleep(for: .milliseconds(2)) }
        }
        model.open()
        _ = try await first[0].value
        for (task, counts) in zip(tasks, [[1, 2], [3], [4, 5, 6]]) { #expect(try await task.value == counts) }
        #expect(model.begins == (0..<3).map { PassStart(requests: 3, position: $0) })
    }

    @Test(arguments: PassKind.allCases)
    func whatIsGivenUpDoesNotGoThroughTheModel(kind: PassKind) async throws {
        let tasks = try await requests([16_000, 15_000, 14_000], as: kind)
        tasks[1].cancel()
        await #expect(throws: CancellationError.self) { try await tasks[1].value }
        model.open()
        #expect(try await [tasks[0].value, tasks[2].value] == [[16_000], [14_000]])
        #expect(model.begun == [[16_000], [14_000]])
    }

    @Test func nobodyWaitsForAPassThatIsGivenUp() async throws {
        let tasks = try await requests([16_000, 15_000], as: .long)
        tasks[0].cancel()
        await #expect(throws: CancellationError.self) { try await tasks[0].value }
        #expect(model.begun == [[16_000]])
        model.open()
        #expect(try await tasks[1].value == [15_000])
    }

    @Test func aPassThatFailsFailsAlone() async throws {
        struct Broken: Error {}
        let queue = PassQueue(budget: BatchBudget(seconds: 1)) { windows in
            if windows[0].samples.count == 1 { throw Broken() }
            return windows.map(\.samples.count)
        }
        for kind in PassKind.allCases {
            await #expect(throws: Broken.self) { try await queue.outputs(of: [Self.window(1)], as: kind) }
            #expect(try await queue.outputs(of: [Self.window(2)], as: kind) == [2])
        }
    }
}

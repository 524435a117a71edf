import Synchronization
import TestSupport
import Testing
import W2VBase

@Suite("Parallel maps", .onTestThreads)
struct ParallelMapTests {
    private struct Odd: Error {}

    @Test func resultsAreInOrder() async throws {
        let squares = ParallelMap.map(count: 1000, threads: 3) { $0 * $0 }
        #expect(squares.map { $0.get() } == (0..<1000).map { $0 * $0 })
        let doubles = try await ParallelMap.map(Array(0..<100), threads: 3) { $0 * 2 }
        #expect(doubles == (0..<100).map { $0 * 2 })
    }

    @Test func errorsStayWithTheirItems() async {
        let results = ParallelMap.map(count: 10, block: 1) { number throws(Odd) in
            guard number % 2 == 0 else { throw Odd() }
            return number
        }
        #expect(results.compactMap { try? $0.get() } == [0, 2, 4, 6, 8] && results.count == 10)
        await #expect(throws: Odd.self) {
            try await ParallelMap.map([0, 1, 2]) { if $0 == 1 { throw Odd() } }
        }
    }

    @Test func nothingIsBegunAfterAStop() {
        let done = Atomic<Int>(0)
        let results = ParallelMap.map(count: 100, threads: 1, block: 10, stop: { done.load(ordering: .relaxed) >= 20 })
        {
            done.add(1, ordering: .relaxed)
            return $0
        }
        #expect(results.map { $0.get() } == Array(0..<20))
    }
}

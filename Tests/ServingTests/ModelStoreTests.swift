import Foundation
import Synchronization
import TestSupport
import Testing
import W2VRecognition

@testable import W2VServing

/// Models are loaded at their first use and dropped when others need their memory.
@Suite struct ModelStoreTests {
    /// What happened to models, and a gate that holds loads back.
    private final class Record: Sendable {
        private let state = Mutex((events: [String](), failures: 0, isHeld: false))

        var events: [String] { state.withLock { $0.events } }
        func add(_ event: String) { state.withLock { $0.events.append(event) } }

        /// Lets the next loads fail.
        func fail(_ count: Int) { state.withLock { $0.failures = count } }
        func hold(_ isHeld: Bool) { state.withLock { $0.isHeld = isHeld } }

        func load() async throws {
            while state.withLock({ $0.isHeld }) { try await Task.sleep(for: .milliseconds(5)) }
            let fails = state.withLock { state in
                state.failures -= 1
                return state.failures >= 0
            }
            if fails { throw Broken() }
        }
    }

    private struct Broken: Error {}

    private static func store(
        _ names: [String], bytes: Int = 100, limit: Int? = nil, patience: Duration = .seconds(30), _ record: Record
    ) -> ModelStore {
        let models = names.map { name in
            ServedModel(
                name: name, facts: RunningServer.facts, bytes: bytes,
                recognizer: {
                    record.add("load \(name)")
                    try await record.load()
                    return try await Recognizer(
                        model: SmallModels.ctcModel(), symbols: SmallModels.symbols, normalizes: true)
                }, featurizer: { throw Broken() })
        }
        return ModelStore(models, limit: limit, patience: patience) { event in
            switch event {
            case .loaded(let name, _): record.add("loaded \(name)")
            case .dropped(let name): record.add("dropped \(name)")
            }
        }
    }

    /// Leases a model and gives it back.
    private func use(_ index: Int, of store: ModelStore) async throws {
        let users = await store.users(of: index)
        try await withExtendedLifetime(store.lease(index, for: .text)) {}
        try await until("the end of the lease") { await store.users(of: index) == users }
    }

    @Test func aModelIsLoadedOnceForAll() async throws {
        let record = Record()
        let store = Self.store(["a", "b"], record)
        #expect(await store.state(of: 0).0 == .idle)
        record.hold(true)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<20 { group.addTask { _ = try await store.lease(0, for: .text) } }
            try await until("the load") { await store.state(of: 0).0 == .loading }
            record.hold(false)
            try await group.waitForAll()
        }
        #expect(record.events == ["load a", "loaded a"])
        #expect(await store.state(of: 0).0 == .ready)
        #expect(await store.state(of: 1).0 == .idle)
    }

    @Test func othersAreServedWhileOneIsLoaded() async throws {
        let record = Record()
        let store = Self.store(["a", "b"], record)
        try await use(0, of: store)
        record.hold(true)
        async let slow = store.lease(1, for: .text)
        try await until("the load") { await store.state(of: 1).0 == .loading }
        try await use(0, of: store)
        #expect(await store.state(of: 1).0 == .loading)
        record.hold(false)
        _ = try await slow
        #expect(record.events == ["load a", "loaded a", "load b", "loaded b"])
    }

    @Test func theLeastRecentlyUsedIsDropped() async throws {
        let record = Record()
        let store = Self.store(["a", "b", "c"], limit: 250, record)
        for index in [0, 1, 0, 2] { try await use(index, of: store) }
        #expect(record.events == ["load a", "loaded a", "load b", "loaded b", "dropped b", "load c", "loaded c"])
        #expect(await store.bytes == 200)
        try await use(1, of: store)
        #expect(record.events.suffix(3) == ["dropped a", "load b", "loaded b"])
    }

    /// A canceled request stops waiting, and the load continues for others.
    @Test func aCanceledTaskStopsWaitingForALoad() async throws {
        let record = Record()
        let store = Self.store(["a"], record)
        record.hold(true)
        let waiters = (0..<2).map { _ in Task { _ = try await store.lease(0, for: .text) } }
        try await until("the requests") { await store.users(of: 0) == 2 }
        try await until("the load") { await store.state(of: 0).0 == .loading }
        for waiter in waiters { waiter.cancel() }
        try await until("the end of the waiting") { await store.users(of: 0) == 0 }
        #expect(await store.state(of: 0).0 == .loading)
        for waiter in waiters { await #expect(throws: CancellationError.self) { try await waiter.value } }
        record.hold(false)
        try await use(0, of: store)
        #expect(record.events == ["load a", "loaded a"])
    }

    @Test func aModelInUseStays() async throws {
        let record = Record()
        let store = Self.store(["a", "b"], limit: 150, record)
        var lease: ModelStore.Lease? = try await store.lease(0, for: .text)
        async let other = store.lease(1, for: .text)
        try await until("the request") { await store.users(of: 1) == 1 }
        try await Task.sleep(for: .milliseconds(50))
        #expect(record.events == ["load a", "loaded a"])
        #expect(lease != nil)
        lease = nil
        _ = try await other
        #expect(record.events == ["load a", "loaded a", "dropped a", "load b", "loaded b"])
    }

    @Test func waitingForMemoryEnds() async throws {
        let record = Record()
        let store = Self.store(["a", "b"], limit: 150, patience: .milliseconds(50), record)
        let lease = try await store.lease(0, for: .text)
        let error = await #expect(throws: ModelStore.Failure.self) { _ = try await store.lease(1, for: .text) }
        if case .noRoom("b") = error {} else { Issue.record("\(String(describing: error))") }
        withExtendedLifetime(lease) {}
        // A model that never fits is refused at once.
        let small = Self.store(["a"], limit: 99, record)
        await #expect(throws: ModelStore.Failure.self) { _ = try await small.lease(0, for: .text) }
    }

    @Test func aFailedLoadIsTriedAgain() async throws {
        let record = Record()
        let store = Self.store(["a", "b"], limit: 150, record)
        record.fail(1)
        await #expect(throws: ModelStore.Failure.self) { _ = try await store.lease(0, for: .text) }
        #expect(await store.state(of: 0).0 == .failed)
        #expect(await store.bytes == 0)
        // It keeps no memory from others.
        try await use(1, of: store)
        try await use(0, of: store)
        #expect(record.events == ["load a", "load b", "loaded b", "dropped b", "load a", "loaded a"])
        #expect(await store.state(of: 0).0 == .ready)
    }

    @Test func textAndFeaturesAreLoadedApart() async throws {
        let record = Record()
        let store = Self.store(["a"], record)
        try await use(0, of: store)
        await #expect(throws: ModelStore.Failure.self) { _ = try await store.lease(0, for: .features) }
        #expect(await store.state(of: 0).0 == .ready)
    }

    @Test func manyUsersOfFewPlaces() async throws {
        let record = Record()
        let store = Self.store(["a", "b", "c", "d"], limit: 200, record)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<200 {
                group.addTask {
                    let lease = try await store.lease(number * 7 % 4, for: .text)
                    try await Task.sleep(for: .milliseconds(number % 3))
                    #expect(await store.bytes <= 200)
                    withExtendedLifetime(lease) {}
                }
            }
            try await group.waitForAll()
        }
        #expect(record.events.contains { $0.hasPrefix("dropped") })
    }
}

/// Waits until a condition holds.
func until(_ what: String, _ isSo: () async throws -> Bool) async throws {
    let end = ContinuousClock.now + .seconds(60)
    while try await !isSo() {
        try #require(ContinuousClock.now < end, "waited 60 s for \(what)")
        try await Task.sleep(for: .milliseconds(5))
    }
}

import Foundation
import W2VBase

/// The models of a server: each is loaded at its first use, and the least recently used ones are dropped when the others
/// need their memory.
///
/// A model is loaded once however many requests wait for it, and others are used in the meantime. A model in use is never
/// dropped. A model that could not be loaded is tried again by the next request.
actor ModelStore {
    /// The state of a model in one role.
    enum State: String, Sendable, Encodable {
        /// It is loaded at its next use.
        case idle
        case loading, ready
        /// The last try to load it failed.
        case failed
    }

    /// The reason why a model is not available.
    enum Failure: Error {
        /// It could not be loaded.
        case unloadable(name: String, any Error)
        /// The models in use leave no memory for it.
        case noRoom(name: String)
    }

    /// A model in use; it may be dropped once nothing refers to the lease.
    final class Lease: Sendable {
        let model: LoadedModel
        private let end: @Sendable () -> Void

        fileprivate init(_ model: LoadedModel, _ end: @escaping @Sendable () -> Void) {
            self.model = model
            self.end = end
        }

        deinit { end() }
    }

    private struct Key: Hashable {
        var index: Int
        var role: ServedModel.Role
    }

    private struct Slot {
        var model: LoadedModel?
        var loading: Task<LoadedModel, any Error>?
        var hasFailed = false
        /// The bytes that the model takes, or will take when it is loaded.
        var bytes = 0
        /// The number of leases, and of requests that wait for one.
        var users = 0
        /// The number of the last use.
        var lastUse = 0
    }

    /// The models, in the order in which they are listed.
    nonisolated let models: [ServedModel]
    private let limit: Int?
    private let patience: Duration
    private let report: @Sendable (ModelEvent) -> Void
    private var slots: [Key: Slot] = [:]
    private var uses = 0
    /// The loads that wait for memory.
    private var waiting: [Int: CheckedContinuation<Bool, Never>] = [:]
    private var nextWaiting = 0

    /// Makes a store with nothing loaded.
    ///
    /// - Parameters:
    ///   - models: The models; names are distinct.
    ///   - limit: The most bytes of all models in memory; nil for no limit.
    ///   - patience: The time to wait for memory that other models use.
    ///   - report: Called with each event.
    init(
        _ models: [ServedModel], limit: Int? = nil, patience: Duration = .seconds(30),
        report: @escaping @Sendable (ModelEvent) -> Void = { _ in }
    ) {
        self.models = models
        self.limit = limit
        self.patience = patience
        self.report = report
    }

    /// Sets a model that is already in memory, and never dropped.
    func provide(_ model: LoadedModel, for index: Int) {
        let role: ServedModel.Role = if case .recognizer = model { .text } else { .features }
        slots[Key(index: index, role: role)] = Slot(model: model, users: 1)
    }

    /// Returns a model for use, loaded if necessary.
    ///
    /// - Parameters:
    ///   - index: The model's index.
    ///   - role: Its use.
    /// - Returns: The model; it stays in memory while there is the lease.
    /// - Throws: ``Failure``; `CancellationError` when the task is canceled.
    func lease(_ index: Int, for role: ServedModel.Role) async throws -> Lease {
        let key = Key(index: index, role: role)
        slots[key, default: Slot()].users += 1
        do {
            let model = try await loaded(key)
            try Task.checkCancellation()
            uses += 1
            slots[key]?.lastUse = uses
            return Lease(model) { [weak self] in Task { [weak self] in await self?.release(key) } }
        } catch {
            release(key)
            throw error
        }
    }

    /// The state of a model, the best of its roles, and the bytes that it takes.
    func state(of index: Int) -> (State, bytes: Int) {
        let slots = ServedModel.Role.allCases.compactMap { self.slots[Key(index: index, role: $0)] }
        let state: State =
            if slots.contains(where: { $0.model != nil }) {
                .ready
            } else if slots.contains(where: { $0.loading != nil }) {
                .loading
            } else {
                slots.contains(where: \.hasFailed) ? .failed : .idle
            }
        return (state, slots.reduce(0) { $0 + $1.bytes })
    }

    /// Whether a model's decoder prefers words that a request gives.
    func takesHotWords(_ index: Int) -> Bool {
        if case .recognizer(let recognizer) = present(index, for: .text) { return recognizer.takesHotWords }
        return models[index].takesHotWords
    }

    /// Returns a model if it is in memory.
    func present(_ index: Int, for role: ServedModel.Role) -> LoadedModel? {
        slots[Key(index: index, role: role)]?.model
    }

    /// The number of leases of a model, and of requests that wait for one.
    func users(of index: Int) -> Int {
        ServedModel.Role.allCases.reduce(0) { $0 + (slots[Key(index: index, role: $1)]?.users ?? 0) }
    }

    /// The bytes of all models in memory, and of those being loaded.
    var bytes: Int { slots.values.reduce(0) { $0 + $1.bytes } }

    private func release(_ key: Key) {
        slots[key]?.users -= 1
        wake()
    }

    private func loaded(_ key: Key) async throws -> LoadedModel {
        if let model = slots[key]?.model { return model }
        if let loading = slots[key]?.loading { return try await Self.result(of: loading) }
        let loading = Task { try await load(key) }
        slots[key]?.loading = loading
        return try await Self.result(of: loading)
    }

    /// Waits for a load; a canceled task stops waiting at once, and the load continues for others.
    private static func result(of loading: Task<LoadedModel, any Error>) async throws -> LoadedModel {
        let (results, result) = AsyncStream<Result<LoadedModel, any Error>>.makeStream()
        Task { result.yield(await loading.result) }
        for await result in results { return try result.get() }
        throw CancellationError()
    }

    private func load(_ key: Key) async throws -> LoadedModel {
        let model = models[key.index]
        defer { slots[key]?.loading = nil }
        try await makeRoom(for: key)
        let began = ContinuousClock.now
        do {
            let loaded: LoadedModel =
                switch key.role {
                case .text: .recognizer(try await model.recognizer())
                case .features: .featurizer(try await model.featurizer())
                }
            slots[key]?.model = loaded
            slots[key]?.hasFailed = false
            report(.loaded(name: model.name, seconds: (ContinuousClock.now - began) / .seconds(1)))
            return loaded
        } catch {
            slots[key]?.bytes = 0
            slots[key]?.hasFailed = true
            wake()
            throw Failure.unloadable(name: model.name, error)
        }
    }

    /// Drops models until there is memory for one more, and reserves it; waits while the others are in use.
    private func makeRoom(for key: Key) async throws {
        let needed = models[key.index].bytes
        guard let limit else {
            slots[key]?.bytes = needed
            return
        }
        let deadline = ContinuousClock.now + patience
        while bytes + needed > limit {
            let idle = slots.filter { $1.model != nil && $1.users == 0 }
            if let (key, _) = idle.min(by: { $0.value.lastUse < $1.value.lastUse }) {
                slots[key]?.model = nil
                slots[key]?.bytes = 0
                report(.dropped(name: models[key.index].name))
                continue
            }
            // Everything that could be dropped is gone, and nothing is in use.
            guard bytes > 0, .now < deadline, await released(before: deadline) else {
                throw Failure.noRoom(name: models[key.index].name)
            }
        }
        slots[key]?.bytes = needed
    }

    /// Waits until a model is no longer in use; returns false after the deadline.
    private func released(before deadline: ContinuousClock.Instant) async -> Bool {
        let number = nextWaiting
        nextWaiting += 1
        let timer = Task {
            try await Task.sleep(until: deadline)
            waiting.removeValue(forKey: number)?.resume(returning: false)
        }
        defer { timer.cancel() }
        return await withCheckedContinuation { waiting[number] = $0 }
    }

    private func wake() {
        for continuation in waiting.values { continuation.resume(returning: true) }
        waiting.removeAll()
    }
}

import DequeModule

/// Admits one task at a time, in order of arrival.
actor Turnstile {
    private var isTaken = false
    private(set) var waiting: Deque<(number: Int, continuation: CheckedContinuation<Void, any Error>)> = []
    private var next = 0

    /// Runs work when its turn comes.
    ///
    /// - Parameter body: The work.
    /// - Returns: The result of `body`.
    /// - Throws: The error of `body`; `CancellationError` when the task is canceled while it waits.
    nonisolated func take<Value: Sendable>(_ body: @Sendable () async throws -> Value) async throws -> Value {
        try await enter()
        do {
            let value = try await body()
            await leave()
            return value
        } catch {
            await leave()
            throw error
        }
    }

    private func enter() async throws {
        guard isTaken else {
            isTaken = true
            return
        }
        let number = next
        next += 1
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { waiting.append((number, $0)) }
        } onCancel: {
            Task { await self.cancel(number) }
        }
    }

    private func cancel(_ number: Int) {
        guard let index = waiting.firstIndex(where: { $0.number == number }) else { return }
        waiting.remove(at: index).continuation.resume(throwing: CancellationError())
    }

    private func leave() {
        // The next task takes over.
        if let next = waiting.popFirst() { next.continuation.resume() } else { isTaken = false }
    }
}

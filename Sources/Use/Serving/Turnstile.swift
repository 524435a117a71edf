/// Lets one at a time through, in the order in which they come.
actor Turnstile {
    private var isTaken = false
    private(set) var waiting: [(number: Int, continuation: CheckedContinuation<Void, any Error>)] = []
    private var next = 0

    /// Does work when its turn comes.
    ///
    /// - Parameter body: The work.
    /// - Returns: The result of `body`.
    /// - Throws: What `body` throws; `CancellationError` when the task is cancelled while it waits.
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
        // The next one takes over.
        if waiting.isEmpty { isTaken = false } else { waiting.removeFirst().continuation.resume() }
    }
}

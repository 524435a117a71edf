/// Whose windows wait for a model; each kind gets its turn.
public enum PassKind: Int, CaseIterable, Sendable {
    /// Audio that is being spoken.
    case live
    /// A recording of one window, for which somebody waits.
    case short
    /// Batches of windows, of long recordings or of many.
    case long
}

/// A pass of the model that begins.
public struct PassStart: Sendable, Equatable {
    /// How many requests share it.
    public var requests: Int
    /// The place of this request among them.
    public var position: Int
}

/// Decides which windows go through a model together.
///
/// Requests of one kind that have come while the model was busy go together, in the order in which they came and as many
/// as one pass may have; requests of ``PassKind/long`` are whole batches, and go alone. The kinds take turns, so that a
/// request waits for one pass of each other kind at most. Results do not depend on any of this.
public actor PassQueue<Output: Sendable> {
    private struct Request {
        var number: Int
        var windows: [Window]
        var begins: (@Sendable (PassStart) -> Void)?
    }

    private let budget: BatchBudget
    private let pass: @Sendable ([Window]) async throws -> [Output]
    /// The requests of each kind that wait.
    private var waiting: [[Request]] = PassKind.allCases.map { _ in [] }
    /// Who waits for a request that waits or is in the model.
    private var continuations: [Int: CheckedContinuation<[Output], any Error>] = [:]
    /// The kind that was served last.
    private var last = PassKind.long
    private var isRunning = false
    private var next = 0

    /// Makes a queue.
    ///
    /// - Parameters:
    ///   - budget: The audio of one pass.
    ///   - pass: Runs the model over windows at once, and gives an output for each.
    public init(budget: BatchBudget, pass: @escaping @Sendable ([Window]) async throws -> [Output]) {
        self.budget = budget
        self.pass = pass
    }

    /// How many requests of a kind wait.
    func count(of kind: PassKind) -> Int { waiting[kind.rawValue].count }

    /// Sends windows through the model when their turn comes.
    ///
    /// - Parameters:
    ///   - windows: The windows, which go through it together.
    ///   - kind: Whose they are.
    ///   - begins: Called when the model begins with them.
    /// - Returns: What the model makes of each.
    /// - Throws: What the model throws; `CancellationError` as soon as the task is cancelled.
    public func outputs(
        of windows: [Window], as kind: PassKind, begins: (@Sendable (PassStart) -> Void)? = nil
    ) async throws -> [Output] {
        let number = next
        next += 1
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                continuations[number] = continuation
                waiting[kind.rawValue].append(Request(number: number, windows: windows, begins: begins))
                guard !isRunning else { return }
                isRunning = true
                Task { await run() }
            }
        } onCancel: {
            Task { await self.cancel(number) }
        }
    }

    private func cancel(_ number: Int) {
        continuations.removeValue(forKey: number)?.resume(throwing: CancellationError())
        for kind in waiting.indices { waiting[kind].removeAll { $0.number == number } }
    }

    private func run() async {
        while let batch = nextBatch() {
            for (position, request) in batch.enumerated() {
                request.begins?(PassStart(requests: batch.count, position: position))
            }
            do {
                var outputs = try await pass(batch.flatMap(\.windows))[...]
                for request in batch {
                    answer(request, with: .success(Array(outputs.prefix(request.windows.count))))
                    outputs = outputs.dropFirst(request.windows.count)
                }
            } catch {
                for request in batch { answer(request, with: .failure(error)) }
            }
        }
        isRunning = false
    }

    private func answer(_ request: Request, with result: Result<[Output], any Error>) {
        continuations.removeValue(forKey: request.number)?.resume(with: result)
    }

    /// The requests of the kind whose turn it is that go together.
    private func nextBatch() -> [Request]? {
        let kinds = PassKind.allCases.count
        let order = (1...kinds).compactMap { PassKind(rawValue: (last.rawValue + $0) % kinds) }
        guard let kind = order.first(where: { !waiting[$0.rawValue].isEmpty }) else { return nil }
        last = kind
        var room = budget
        let fitting = waiting[kind.rawValue].prefix { room.take($0.windows.reduce(0) { $0 + $1.samples.count }) }
        let batch = kind == .long ? fitting.prefix(1) : fitting
        waiting[kind.rawValue].removeFirst(batch.count)
        return Array(batch)
    }
}

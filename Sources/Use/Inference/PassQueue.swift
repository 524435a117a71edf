import DequeModule

/// The kinds of requests for a model, which take turns.
public enum PassKind: Int, CaseIterable, Sendable {
    /// Live audio.
    case live
    /// A recording of one window, for which someone is waiting.
    case short
    /// Batches of windows: of a long recording, or of many recordings.
    case long
}

/// The start of one pass of the model.
public struct PassStart: Sendable, Equatable {
    /// The number of requests that share the pass.
    public var requests: Int
    /// The position of this request among them.
    public var position: Int
}

/// Decides which windows share a pass of the model.
///
/// Requests of one kind that arrived while the model was busy share a pass, in order of arrival, up to the pass's
/// budget; requests of ``PassKind/long`` are whole batches and run alone. The kinds take turns, so a request waits for
/// at most one pass of each other kind. Results do not depend on the grouping.
public actor PassQueue<Output: Sendable> {
    private struct Request {
        var number: Int
        var windows: [Window]
        var begins: (@Sendable (PassStart) -> Void)?
    }

    private let budget: BatchBudget
    private let pass: @Sendable ([Window]) async throws -> [Output]
    /// The waiting requests of each kind.
    private var waiting: [Deque<Request>] = PassKind.allCases.map { _ in [] }
    /// The tasks whose requests are waiting or in the model, by request.
    private var continuations: [Int: CheckedContinuation<[Output], any Error>] = [:]
    /// The kind that was served last.
    private var last = PassKind.long
    private var isRunning = false
    private var next = 0

    /// Makes a queue.
    ///
    /// - Parameters:
    ///   - budget: The audio of one pass.
    ///   - pass: Runs the model over several windows at once; returns one output per window.
    public init(budget: BatchBudget, pass: @escaping @Sendable ([Window]) async throws -> [Output]) {
        self.budget = budget
        self.pass = pass
    }

    /// The number of waiting requests of a kind.
    func count(of kind: PassKind) -> Int { waiting[kind.rawValue].count }

    /// Sends windows through the model when their turn comes.
    ///
    /// - Parameters:
    ///   - windows: The windows, which share a pass.
    ///   - kind: The kind of the request.
    ///   - begins: Called when the model starts on them.
    /// - Returns: The model's output for each window.
    /// - Throws: The model's errors; `CancellationError` as soon as the task is canceled.
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

    /// Removes and returns the requests that share the next pass, all of the kind whose turn it is.
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

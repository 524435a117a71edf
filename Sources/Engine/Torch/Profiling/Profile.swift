import CW2VLibTorch
import Synchronization

/// Where the time of some work went, by stage, forward and backward, and when each piece of it happened.
///
/// Stages are marked with ``profiled(_:_:)`` where a model runs forward. Every function of a backward pass belongs to the
/// stage that recorded its forward part, so that nothing has to be marked there. At any time just one stage is running, so
/// that all times, ``Stage/other`` among them, sum to the whole exactly.
public struct Profile: Sendable {
    /// The time of a stage, in seconds.
    public struct Times: Sendable, Equatable {
        /// Outside of backward passes.
        public var forward = 0.0
        /// In backward passes.
        public var backward = 0.0

        /// No time.
        public init() {}

        /// Both.
        public var total: Double { forward + backward }
    }

    /// Something with a beginning and an end.
    public struct Span: Sendable {
        /// What a span is.
        public enum Kind: String, Sendable {
            /// A stage that is marked in the code.
            case stage
            /// A function of a backward pass.
            case backward
            /// An operator of LibTorch.
            case `operator`
        }

        /// The stage's, function's or operator's name.
        public var name: String
        /// What it is.
        public var kind: Kind
        /// The stage that it counts for.
        public var stage: Stage
        /// The number of the thread on which it ran.
        public var thread: UInt64
        /// In seconds from the recording's beginning.
        public var start: Double
        /// In seconds from the recording's beginning.
        public var end: Double
    }

    /// What each stage took.
    public var times: [Stage: Times]
    /// The whole, in seconds.
    public var seconds: Double
    /// Stages, functions and operators in the order in which they ended; spans lie within each other or apart.
    public var spans: [Span]

    /// Records while `body` runs; at one time one recording in a process.
    ///
    /// On a device that works asynchronously the recording waits for it wherever a stage ends, which costs time that
    /// unobserved work does not take.
    ///
    /// - Parameters:
    ///   - device: Where the work is done.
    ///   - body: The work, of one thread and the backward passes that it starts.
    /// - Returns: The profile.
    /// - Throws: What `body` throws; `TorchError.runtime` when a recording is going on already.
    public static func record(on device: Device = .cpu, _ body: () throws -> Void) throws -> Profile {
        let start = ContinuousClock.now
        return try record(on: device, clock: { (ContinuousClock.now - start) / .seconds(1) }, body)
    }

    /// Records as ``record(on:_:)`` does, by a clock that counts seconds from 0.
    static func record(
        on device: Device = .cpu, clock: @escaping @Sendable () -> Double, _ body: () throws -> Void
    ) throws -> Profile {
        let began = current.withLock { recording in
            guard recording == nil else { return false }
            recording = Recording(device, clock)
            return true
        }
        guard began else { throw TorchError.runtime("a profile is being recorded already") }
        defer {
            recordingFlag.store(false, ordering: .releasing)
            current.withLock { $0 = nil }
        }
        try TorchError.check(ct_observe(observe))
        defer { ct_free(ct_observe(nil)) }
        recordingFlag.store(true, ordering: .releasing)
        try body()
        return current.withLock { recording in
            recording?.charge()
            return recording?.profile ?? Profile(times: [:], seconds: 0, spans: [])
        }
    }

    // MARK: Recording

    private static let recordingFlag = Atomic(false)
    private static let current = Mutex<Recording?>(nil)

    static var isRecording: Bool { recordingFlag.load(ordering: .acquiring) }

    static func enter(_ stage: Stage) { current.withLock { $0?.enter(stage) } }

    static func leave() { current.withLock { $0?.leave() } }

    /// Time between a backward pass's functions is its own.
    static func inBackwardPass<Result>(_ body: () throws -> Result) rethrows -> Result {
        guard isRecording else { return try body() }
        current.withLock { $0?.enterBackwardPass() }
        defer { leave() }
        return try body()
    }

    private static let observe: ct_observer = { observed, name, thread, sequence in
        guard isRecording, let name else { return }
        current.withLock { recording in
            switch observed {
            case CT_BACKWARD_BEGINS:
                recording?.enterFunction(String(cString: name), recordedOn: thread, sequence: sequence)
            case CT_BACKWARD_ENDS: recording?.leave(recordedOn: thread)
            case CT_OPERATOR_BEGINS: recording?.enterOperator(String(cString: name))
            default: recording?.leaveOperator()
            }
        }
    }
}

/// A profile in the making.
private struct Recording {
    private struct Open {
        var span: Profile.Span
        var isBackward: Bool
    }

    private(set) var profile = Profile(times: [:], seconds: 0, spans: [])
    private let device: Device
    private let clock: @Sendable () -> Double
    /// The thread that records, and those that run functions of its backward passes; others are none of our business.
    private var threads: Set<UInt64>
    /// Stages and functions that are running, each within the one before it.
    private var open: [Open] = []
    /// The operators that are running on each thread.
    private var operators: [UInt64: [Profile.Span]] = [:]
    /// For each thread from which sequence number on recorded functions belong to which stage; ascending.
    private var positions: [UInt64: [(sequence: Int64, stage: Stage)]] = [:]
    private var lastFunction = Stage.other

    init(_ device: Device, _ clock: @escaping @Sendable () -> Double) {
        self.device = device
        self.clock = clock
        threads = [Self.position.thread]
    }

    private var running: Stage { open.last?.span.stage ?? .other }

    /// Gives the time since the last call to what is running.
    @discardableResult
    mutating func charge() -> Double {
        // A device that failed says so to the work itself, and work that is only recorded is not done yet.
        if !DeviceGraph.isRecording { try? device.synchronize() }
        let now = clock()
        let elapsed = now - profile.seconds
        profile.seconds = now
        let direction = open.last?.isBackward ?? false ? \Profile.Times.backward : \Profile.Times.forward
        profile.times[running, default: .init()][keyPath: direction] += elapsed
        return now
    }

    // MARK: Stages and functions

    mutating func enter(_ stage: Stage) {
        let (thread, sequence) = Self.position
        guard threads.contains(thread) else { return }
        push(stage.name, .stage, stage, thread)
        positions[thread, default: []].append((sequence, stage))
    }

    mutating func enterBackwardPass() {
        let thread = Self.position.thread
        if threads.contains(thread) { push("backward pass", .backward, .other, thread) }
    }

    mutating func enterFunction(_ name: String, recordedOn recorder: UInt64, sequence: Int64) {
        let thread = Self.position.thread
        guard threads.contains(thread) || threads.contains(recorder) else { return }
        threads.insert(thread)
        // A leaf's gradient is added right after the function that made it.
        if sequence >= 0 { lastFunction = stage(recorder, sequence) }
        push(name, .backward, lastFunction, thread)
    }

    private mutating func push(_ name: String, _ kind: Profile.Span.Kind, _ stage: Stage, _ thread: UInt64) {
        let start = charge()
        open.append(
            Open(
                span: .init(name: name, kind: kind, stage: stage, thread: thread, start: start, end: start),
                isBackward: kind == .backward || open.last?.isBackward ?? false))
    }

    /// Ends what began last; what another thread does never began.
    mutating func leave(recordedOn recorder: UInt64? = nil) {
        let (thread, sequence) = Self.position
        guard threads.contains(thread) || recorder.map(threads.contains) ?? false else { return }
        let end = charge()
        guard var ended = open.popLast()?.span else { return }
        ended.end = end
        profile.spans.append(ended)
        if ended.kind == .stage { positions[thread, default: []].append((sequence, running)) }
    }

    // MARK: Operators

    mutating func enterOperator(_ name: String) {
        let thread = Self.position.thread
        guard threads.contains(thread) else { return }
        let now = clock()
        operators[thread, default: []].append(
            .init(name: name, kind: .operator, stage: running, thread: thread, start: now, end: now))
    }

    mutating func leaveOperator() {
        guard var ended = operators[Self.position.thread]?.popLast() else { return }
        ended.end = clock()
        profile.spans.append(ended)
    }

    // MARK: Which stage recorded what

    private static var position: (thread: UInt64, sequence: Int64) {
        var (thread, sequence): (UInt64, Int64) = (0, 0)
        ct_graph_position(&thread, &sequence)
        return (thread, sequence)
    }

    private func stage(_ thread: UInt64, _ sequence: Int64) -> Stage {
        guard let positions = positions[thread] else { return .other }
        var (low, high) = (0, positions.count)
        while low < high {
            let middle = (low + high) / 2
            if positions[middle].sequence <= sequence { low = middle + 1 } else { high = middle }
        }
        return low > 0 ? positions[low - 1].stage : .other
    }
}

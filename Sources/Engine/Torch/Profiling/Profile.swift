import CW2VLibTorch
import Synchronization

/// A profile of some work: the time of each stage, forward and backward, and a timeline of its pieces.
///
/// ``profiled(_:_:)`` marks stages where a model runs forward. Every function of a backward pass belongs to the stage
/// that recorded its forward part, so nothing has to be marked there. At any time exactly one stage is running, so that
/// all times, including ``Profile/Stage/other``, add up to the total.
public struct Profile: Sendable {
    /// The time of a stage, in seconds.
    public struct Times: Sendable, Equatable {
        /// Time outside of backward passes.
        public var forward = 0.0
        /// Time in backward passes.
        public var backward = 0.0

        /// Makes times of zero.
        public init() {}

        /// The sum of both.
        public var total: Double { forward + backward }
    }

    /// A named interval of time.
    public struct Span: Sendable {
        /// The kind of work in a span.
        public enum Kind: String, Sendable {
            /// A stage marked in the code.
            case stage
            /// A function of a backward pass.
            case backward
            /// A LibTorch operator.
            case `operator`
        }

        /// The name of the stage, function or operator.
        public var name: String
        /// The kind of work.
        public var kind: Kind
        /// The stage that its time counts for.
        public var stage: Stage
        /// The number of the thread on which it ran.
        public var thread: UInt64
        /// The start, in seconds from the recording's beginning.
        public var start: Double
        /// The end, in seconds from the recording's beginning.
        public var end: Double
    }

    /// The time of each stage.
    public var times: [Stage: Times]
    /// The total, in seconds.
    public var seconds: Double
    /// Stages, functions and operators in the order in which they ended; two spans are nested or disjoint.
    public var spans: [Span]

    /// Records a profile while `body` runs; a process can record one at a time.
    ///
    /// On an asynchronous device the recording synchronizes at the end of each stage, which slows the work down.
    ///
    /// - Parameter body: The work of one thread, with the backward passes that it starts.
    /// - Throws: `TorchError.runtime` when a recording is already in progress.
    public static func record(on device: Device = .cpu, _ body: () throws -> Void) throws -> Profile {
        let start = ContinuousClock.now
        return try record(on: device, clock: { (ContinuousClock.now - start) / .seconds(1) }, body)
    }

    /// Records as ``record(on:_:)`` does, by a clock that counts seconds from 0.
    ///
    /// - Parameter stagesOnly: Whether operators and backward passes are not observed, which costs least.
    package static func record(
        on device: Device = .cpu, clock: @escaping @Sendable () -> Double, stagesOnly: Bool = false,
        _ body: () throws -> Void
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
        if !stagesOnly { try TorchError.check(ct_observe(observe)) }
        defer { if !stagesOnly { ct_free(ct_observe(nil)) } }
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

    /// Counts the time between a backward pass's functions for the pass itself.
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

/// A profile in progress.
private struct Recording {
    private struct Open {
        var span: Profile.Span
        var isBackward: Bool
    }

    private(set) var profile = Profile(times: [:], seconds: 0, spans: [])
    private let device: Device
    private let clock: @Sendable () -> Double
    /// The thread that records, and those that run its backward functions; all others are ignored.
    private var threads: Set<UInt64>
    /// The stages and functions in progress, each nested in the one before it.
    private var open: [Open] = []
    /// The operators in progress, by thread.
    private var operators: [UInt64: [Profile.Span]] = [:]
    /// By thread: the stage of recorded functions, from a sequence number on; ascending.
    private var positions: [UInt64: [(sequence: Int64, stage: Profile.Stage)]] = [:]
    private var lastFunction = Profile.Stage.other

    init(_ device: Device, _ clock: @escaping @Sendable () -> Double) {
        self.device = device
        self.clock = clock
        threads = [Self.position.thread]
    }

    private var running: Profile.Stage { open.last?.span.stage ?? .other }

    /// Charges the time since the last call to the innermost open stage or function.
    @discardableResult
    mutating func charge() -> Double {
        // A failed device reports to the work itself, and recorded work has not run yet.
        if !DeviceGraph.isRecording { try? device.synchronize() }
        let now = clock()
        let elapsed = now - profile.seconds
        profile.seconds = now
        let direction = open.last?.isBackward ?? false ? \Profile.Times.backward : \Profile.Times.forward
        profile.times[running, default: .init()][keyPath: direction] += elapsed
        return now
    }

    // MARK: Stages and functions

    mutating func enter(_ stage: Profile.Stage) {
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
        // A leaf's gradient is accumulated right after the function that computed it.
        if sequence >= 0 { lastFunction = stage(recorder, sequence) }
        push(name, .backward, lastFunction, thread)
    }

    private mutating func push(_ name: String, _ kind: Profile.Span.Kind, _ stage: Profile.Stage, _ thread: UInt64) {
        let start = charge()
        open.append(
            Open(
                span: .init(name: name, kind: kind, stage: stage, thread: thread, start: start, end: start),
                isBackward: kind == .backward || open.last?.isBackward ?? false))
    }

    /// Ends the innermost open entry; entries of other threads were never opened.
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

    private func stage(_ thread: UInt64, _ sequence: Int64) -> Profile.Stage {
        guard let positions = positions[thread] else { return .other }
        var (low, high) = (0, positions.count)
        while low < high {
            let middle = (low + high) / 2
            if positions[middle].sequence <= sequence { low = middle + 1 } else { high = middle }
        }
        return low > 0 ? positions[low - 1].stage : .other
    }
}

import Foundation
import Logging
import W2VBase

/// The progress of fetching, checking or unpacking.
public struct FetchProgress: Equatable, Sendable, CustomStringConvertible {
    /// The kind of work.
    public enum Phase: String, Sendable {
        /// A file is being received.
        case fetching
        /// A checksum is being computed.
        case checking
        /// An archive is being unpacked.
        case unpacking
        /// Recordings are being listed; the count is of folders.
        case listing
    }

    /// The file's name.
    public var name: String
    /// The kind of work.
    public var phase: Phase
    /// Number of bytes done, including earlier attempts; number of folders, if recordings are listed.
    public var done: Int
    /// The file's size in bytes, or the number of folders; nil if the server does not report it.
    public var total: Int?
    /// Recent bytes per second; nil at the beginning.
    public var rate: Double?

    /// Makes a progress report.
    public init(name: String, phase: Phase, done: Int, total: Int?, rate: Double? = nil) {
        self.name = name
        self.phase = phase
        self.done = done
        self.total = total
        self.rate = rate
    }

    /// Estimated remaining seconds at this rate; nil if unknown.
    public var secondsLeft: Double? {
        guard let total, let rate, rate > 0, total >= done else { return nil }
        return Double(total - done) / rate
    }

    /// One line for people.
    public var description: String {
        var text = "\(phase.rawValue) \(name): "
        if phase == .listing { return text + "\(done) of \(total ?? done) folders" }
        if let total {
            let share = total > 0 ? Int(100 * Double(done) / Double(total)) : 100
            text += "\(ReadableText.size(done)) of \(ReadableText.size(total)) (\(share) %)"
        } else {
            text += ReadableText.size(done)
        }
        if let rate { text += ", \(ReadableText.size(Int(rate)))/s" }
        if let secondsLeft { text += ", \(ReadableText.duration(secondsLeft)) left" }
        return text
    }
}

/// Measures a rate over the last few seconds.
struct RateMeter {
    private var progress: FetchProgress
    private var mark = ContinuousClock.now
    private var bytesSinceMark = 0

    init(name: String, phase: FetchProgress.Phase, done: Int = 0, total: Int?) {
        progress = FetchProgress(name: name, phase: phase, done: done, total: total)
    }

    /// Counts bytes, and returns the progress.
    mutating func advance(by count: Int) -> FetchProgress {
        progress.done += count
        bytesSinceMark += count
        let elapsed = (ContinuousClock.now - mark) / .seconds(1)
        if elapsed >= 0.5 {
            let rate = Double(bytesSinceMark) / elapsed
            // An average over about the last ten seconds.
            let weight = min(1, elapsed / 10)
            progress.rate = progress.rate.map { $0 + (rate - $0) * weight } ?? rate
            mark = .now
            bytesSinceMark = 0
        }
        return progress
    }
}

/// A caller's view of and control over fetching.
///
/// All closures are called on the thread that fetches.
public struct FetchMonitor {
    /// Receives the progress, many times a second.
    public var report: (FetchProgress) -> Void
    /// Receives messages for people, for example about a broken connection or a failed mirror, and details at `debug`.
    public var logger: Logger
    /// Polled many times a second for the signal that asks the work to stop.
    public var stop: () -> Int32?

    /// Makes a monitor.
    ///
    /// - Parameters:
    ///   - report: Receives the progress.
    ///   - logger: Receives messages for people.
    ///   - stop: Polled for a received signal.
    public init(
        report: @escaping (FetchProgress) -> Void = { _ in },
        logger: Logger = Logger(label: "wav2vec2.fetching") { _ in SwiftLogNoOpLogHandler() },
        stop: @escaping () -> Int32? = { nil }
    ) {
        self.report = report
        self.logger = logger
        self.stop = stop
    }

    /// Throws an error if a signal was received.
    ///
    /// - Parameter file: The file in progress.
    /// - Throws: `FetchError.stopped`.
    public func stopIfAsked(at file: String) throws {
        if let signal = stop() { throw FetchError.stopped(signal: signal, file: file) }
    }
}

import Foundation
import Logging
import W2VBase

/// How far a fetching, checking or unpacking is.
public struct FetchProgress: Equatable, Sendable, CustomStringConvertible {
    /// What is being done.
    public enum Phase: String, Sendable {
        /// Bytes come in.
        case fetching
        /// A checksum is computed.
        case checking
        /// An archive is unpacked.
        case unpacking
        /// Recordings are listed; what is counted is folders.
        case listing
    }

    /// The file's name.
    public var name: String
    /// What is being done.
    public var phase: Phase
    /// How many of the file's bytes are done, those of earlier attempts included; of folders, if these are listed.
    public var done: Int
    /// The file's size in bytes, or the number of folders; nil where the server does not tell.
    public var total: Int?
    /// How many bytes a second go, of late; nil at the beginning.
    public var rate: Double?

    /// Describes how far something is.
    ///
    /// - Parameters:
    ///   - name: The file's name.
    ///   - phase: What is being done.
    ///   - done: How much is done.
    ///   - total: How much there is.
    ///   - rate: How many bytes a second go.
    public init(name: String, phase: Phase, done: Int, total: Int?, rate: Double? = nil) {
        self.name = name
        self.phase = phase
        self.done = done
        self.total = total
        self.rate = rate
    }

    /// How many seconds are left at this rate; nil where that cannot be told.
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

    /// Counts bytes and returns where that leaves the whole.
    mutating func advance(by count: Int) -> FetchProgress {
        progress.done += count
        bytesSinceMark += count
        let elapsed = (ContinuousClock.now - mark) / .seconds(1)
        if elapsed >= 0.5 {
            let rate = Double(bytesSinceMark) / elapsed
            // The last ten seconds or so count.
            let weight = min(1, elapsed / 10)
            progress.rate = progress.rate.map { $0 + (rate - $0) * weight } ?? rate
            mark = .now
            bytesSinceMark = 0
        }
        return progress
    }
}

/// What a fetching tells its caller, and asks it.
///
/// Everything is called on the thread that fetches.
public struct FetchMonitor {
    /// Is told how far it is, many times a second.
    public var report: (FetchProgress) -> Void
    /// Gets what people should know, as a connection that broke or a mirror that failed, and details at `debug`.
    public var logger: Logger
    /// Is asked many times a second whether a signal wants the work to stop.
    public var stop: () -> Int32?

    /// Makes a monitor.
    ///
    /// - Parameters:
    ///   - report: Is told how far it is.
    ///   - logger: Gets what people should know.
    ///   - stop: Is asked for a signal that came.
    public init(
        report: @escaping (FetchProgress) -> Void = { _ in },
        logger: Logger = Logger(label: "wav2vec2.fetching") { _ in SwiftLogNoOpLogHandler() },
        stop: @escaping () -> Int32? = { nil }
    ) {
        self.report = report
        self.logger = logger
        self.stop = stop
    }

    /// Ends the work if a signal came.
    ///
    /// - Parameter file: What is being worked on.
    /// - Throws: `FetchError.stopped`.
    public func stopIfAsked(at file: String) throws {
        if let signal = stop() { throw FetchError.stopped(signal: signal, file: file) }
    }
}

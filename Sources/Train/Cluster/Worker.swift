import Foundation
import Synchronization

/// One process of a launch, and its output.
final class Worker {
    let rank: Int
    private let process = Process()
    private let copies: [OutputCopy]

    var isRunning: Bool { process.isRunning }

    /// The exit code as a shell reports it: 128 plus the number for a signal.
    var exitCode: Int32 {
        process.terminationReason == .uncaughtSignal ? 128 + process.terminationStatus : process.terminationStatus
    }

    /// The way the process ended, for messages.
    var ending: String {
        process.terminationReason == .uncaughtSignal
            ? "signal \(process.terminationStatus)" + (process.terminationStatus == SIGKILL ? " (killed)" : "")
            : "exit code \(process.terminationStatus)"
    }

    /// The way the process ended, and where to find more about it.
    var reason: String {
        "rank \(rank) ended with \(ending)"
            + (process.terminationReason == .uncaughtSignal ? "" : "; its message is above")
    }

    /// The signal after which the process saved and exited, from its exit code.
    var stoppedBy: Int32? {
        guard !isRunning, process.terminationReason == .exit else { return nil }
        return [SIGINT, SIGTERM, SIGHUP].first { process.terminationStatus == 128 + $0 }
    }

    /// Whether the process has ended unexpectedly.
    ///
    /// - Parameter isStopping: Whether a signal has asked the processes to end; some commands do not handle it.
    func hasFailed(whileStopping isStopping: Bool) -> Bool {
        guard !isRunning, exitCode != 0, stoppedBy == nil else { return false }
        return !(isStopping && process.terminationReason == .uncaughtSignal && process.terminationStatus == SIGTERM)
    }

    init(_ plan: LaunchPlan, localRank: Int, port: Int, attempt: Int) throws {
        let rank = plan.nodeRank * plan.processes + localRank
        self.rank = rank
        let log = try plan.logFolder.map { folder in
            try LogFile(folder.appendingPathComponent("rank-\(rank).log"), appends: attempt > 0)
        }
        process.executableURL = plan.executable
        process.arguments = plan.arguments(attempt: attempt)
        process.environment = plan.environment(of: localRank, port: port, attempt: attempt)
        // The leader's lines look like a single process's; the others' lines name their rank.
        let keepsLines = rank > 0 || !plan.namesRanks
        let prefix = rank == 0 || !plan.namesRanks ? "" : "[rank \(rank)] "
        copies = [
            OutputCopy(to: .standardOutput, prefix: prefix, keepsLines: keepsLines, log: log),
            OutputCopy(to: .standardError, prefix: prefix, keepsLines: keepsLines, log: log),
        ]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = copies[0].pipe
        process.standardError = copies[1].pipe
        try process.run()
        for copy in copies { copy.start() }
    }

    func send(_ signal: Int32) {
        if process.isRunning { kill(process.processIdentifier, signal) }
    }

    /// Waits until everything that the process wrote has been copied.
    func closeOutput() {
        for copy in copies { copy.finish() }
    }
}

/// A log file that a process's two streams share.
private final class LogFile: Sendable {
    private let handle: Mutex<FileHandle>

    init(_ url: URL, appends: Bool) throws {
        if !appends || !FileManager.default.fileExists(atPath: url.path) {
            guard FileManager.default.createFile(atPath: url.path, contents: nil) else {
                throw ClusterError.unwritableLog(url.path)
            }
        }
        let handle = try FileHandle(forWritingTo: url)
        try handle.seekToEnd()
        self.handle = Mutex(handle)
    }

    func write(_ data: Data) { handle.withLock { try? $0.write(contentsOf: data) } }
}

/// Copies one stream of a process: in whole lines with a prefix, or as it arrives.
private final class OutputCopy: Sendable {
    let pipe = Pipe()
    private let target: FileHandle
    private let prefix: Data
    /// Whether the target gets whole lines only, as several processes write to it.
    private let keepsLines: Bool
    private let log: LogFile?
    private let done = DispatchSemaphore(value: 0)

    init(to target: FileHandle, prefix: String, keepsLines: Bool, log: LogFile?) {
        self.target = target
        self.keepsLines = keepsLines
        self.prefix = Data(prefix.utf8)
        self.log = log
    }

    func start() {
        // Only the process may hold the writing end, so that the stream ends with it.
        try? pipe.fileHandleForWriting.close()
        let thread = Thread { [self] in
            copy()
            done.signal()
        }
        thread.start()
    }

    func finish() {
        // A grandchild may hold the stream open; the launcher does not wait for it.
        _ = done.wait(timeout: .now() + 2)
    }

    private func copy() {
        var line = Data()
        while true {
            let data = pipe.fileHandleForReading.availableData
            if data.isEmpty { break }
            log?.write(data)
            guard keepsLines else {
                try? target.write(contentsOf: data)
                continue
            }
            line += data
            while let end = line.firstIndex(of: UInt8(ascii: "\n")) {
                try? target.write(contentsOf: prefix + line[...end])
                line = Data(line[line.index(after: end)...])
            }
        }
        if !line.isEmpty { try? target.write(contentsOf: prefix + line + Data("\n".utf8)) }
    }
}

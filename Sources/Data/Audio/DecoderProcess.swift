import CW2VSpawn
import Foundation

/// Another program that decodes one recording and never outlives the thread that waits for it.
struct DecoderProcess {
    /// The way in which the program ended.
    enum Ending: Equatable {
        case exited(Int32)
        case killed(signal: Int32)
        /// It was stopped, because it took too long or its result is no longer wanted.
        case tooSlow, cancelled
    }

    let ending: Ending
    /// The end of its standard error output.
    let messages: String

    /// Runs a program to its end.
    ///
    /// The calling thread waits: the program is killed when that thread ends, and so when this process does.
    ///
    /// - Parameters:
    ///   - arguments: Its arguments, without its name.
    ///   - input: The descriptor of its standard input.
    ///   - output: The descriptor of its standard output.
    /// - Throws: `POSIXError`, if it cannot be started.
    init(_ program: URL, _ arguments: [String], input: Int32, output: Int32, limits: DecodingLimits) throws {
        var ends: [Int32] = [-1, -1]
        let unopened = cspawn_pipe(&ends)
        guard unopened == 0 else { throw Self.failure(unopened) }
        let reading = ends[0]
        defer { close(reading) }
        var process: pid_t = 0
        let refused = Self.start(
            program, arguments, streams: (input, output, ends[1]), mostBytes: limits.temporaryBytes, &process)
        close(ends[1])
        guard refused == 0 else { throw Self.failure(refused) }

        let deadline = ContinuousClock.now + limits.time
        var tail: [UInt8] = []
        var stopped: Ending?
        repeat {
            if limits.isCancelled() { stopped = .cancelled }
            if ContinuousClock.now >= deadline { stopped = .tooSlow }
        } while try stopped == nil && Self.read(reading, into: &tail)
        if stopped != nil { kill(process, SIGKILL) }
        // Its standard error has ended, so it is about to exit, if it has not been killed.
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        messages = String(decoding: tail, as: UTF8.self)
        ending = stopped ?? (status & 0x7F == 0 ? .exited(status >> 8 & 0xFF) : .killed(signal: status & 0x7F))
    }

    /// Starts a program that ends with the calling thread.
    ///
    /// - Returns: 0, or an error number.
    static func start(
        _ program: URL, _ arguments: [String], streams: (input: Int32, output: Int32, messages: Int32), mostBytes: Int,
        _ process: inout pid_t
    ) -> Int32 {
        withCStrings([program.path] + arguments) { arguments in
            cspawn_bound(
                program.path, arguments, environ, streams.input, streams.output, streams.messages,
                UInt64(max(0, mostBytes)), &process)
        }
    }

    /// The bytes of messages that are kept: a damaged file can cause gigabytes of them.
    private static let keptBytes = 65_536

    /// Waits a moment for messages.
    ///
    /// - Returns: Whether more may come.
    private static func read(_ descriptor: Int32, into tail: inout [UInt8]) throws -> Bool {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, 50) > 0 else { return true }
        var buffer = [UInt8](repeating: 0, count: 16_384)
        let count = Foundation.read(descriptor, &buffer, buffer.count)
        if count < 0 { return errno == EINTR || errno == EAGAIN }
        tail.append(contentsOf: buffer.prefix(count))
        if tail.count > 2 * keptBytes { tail.removeFirst(tail.count - keptBytes) }
        return count > 0
    }

    private static func failure(_ number: Int32) -> POSIXError { POSIXError(POSIXErrorCode(rawValue: number) ?? .EIO) }

    private static func withCStrings<Result>(
        _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        let copies = strings.map { strdup($0) }
        defer { copies.forEach { free($0) } }
        return body(copies + [nil])
    }
}

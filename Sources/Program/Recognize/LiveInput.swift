import Foundation
import W2VRecognition

/// Raw audio from a pipe: signed 16-bit samples, the low byte first, one channel.
///
/// A separate thread reads, so that the writer of the pipe is not blocked while the model runs; when far more
/// waits than a model that keeps up would leave, it stops reading until some is taken.
///
/// `@unchecked Sendable` is safe: the mutable state is touched only while `condition` is locked.
final class LiveInput: @unchecked Sendable {
    private let condition = NSCondition()
    private var bytes: [UInt8] = []
    private var hasEnded = false
    /// Why reading failed.
    private var failure: String?
    private var audio = RawAudioInput()
    private let most: Int
    /// Whether the input ended in the middle of a sample, which is left out.
    private(set) var hasHalfSample = false

    /// Starts reading.
    ///
    /// - Parameters:
    ///   - descriptor: What is read from.
    ///   - most: How many bytes may wait.
    init(_ descriptor: Int32, most: Int) {
        self.most = most
        let thread = Thread { [self] in read(descriptor) }
        thread.name = "live input"
        thread.start()
    }

    /// Waits for samples.
    ///
    /// - Parameter isStopped: Whether the input is to end here.
    /// - Returns: All that have come since the last call, or nil at the end.
    /// - Throws: `CommandError` when what comes is a file with a header.
    func next(isStopped: () -> Bool) throws -> [Float]? {
        condition.lock()
        defer { condition.unlock() }
        while true {
            while bytes.isEmpty && !hasEnded && !isStopped() {
                // A signal does not wake this up.
                _ = condition.wait(until: Date() + 0.1)
            }
            if let failure {
                throw CommandError(
                    .input, "standard input: cannot be read (\(failure))",
                    "give it raw audio by a pipe")
            }
            guard !isStopped() else { return nil }
            let isLast = bytes.isEmpty
            let samples = try isLast ? finish() : take(bytes)
            bytes.removeAll(keepingCapacity: true)
            condition.broadcast()
            if !samples.isEmpty { return samples }
            if isLast { return nil }
        }
    }

    private func finish() throws -> [Float] {
        do {
            let (samples, hasHalfSample) = try audio.finish()
            self.hasHalfSample = hasHalfSample
            return samples
        } catch { throw problem(error) }
    }

    private func take(_ bytes: [UInt8]) throws -> [Float] {
        do { return try audio.append(bytes) } catch { throw problem(error) }
    }

    private func problem(_ error: RawAudioInput.NotRaw) -> CommandError {
        CommandError(error, at: "standard input: ")
    }

    private func read(_ descriptor: Int32) {
        var block = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Foundation.read(descriptor, &block, block.count)
            if count < 0 && errno == EINTR { continue }
            let reason = count < 0 ? String(cString: strerror(errno)) : nil
            condition.lock()
            if count > 0 { bytes.append(contentsOf: block[..<count]) } else { (hasEnded, failure) = (true, reason) }
            condition.broadcast()
            while bytes.count > most { condition.wait() }
            condition.unlock()
            if count <= 0 { return }
        }
    }
}

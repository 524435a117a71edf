import Foundation
import Recognition

/// Raw audio from a pipe: signed 16-bit samples, the low byte first, one channel.
///
/// A thread of its own reads, so that whoever writes into the pipe is not held up while the model runs; when far more
/// waits than a model that keeps up would leave, it stops reading until some is taken.
///
/// `@unchecked Sendable` is safe: the mutable state is touched only while `condition` is locked.
final class LiveInput: @unchecked Sendable {
    private let condition = NSCondition()
    private var bytes: [UInt8] = []
    private var hasEnded = false
    /// Why reading failed.
    private var failure: String?
    private var hasBegun = false
    private let most: Int

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
    /// - Throws: `InputError` when what comes is a file with a header.
    func next(isStopped: () -> Bool) throws -> [Float]? {
        condition.lock()
        defer { condition.unlock() }
        // The first bytes tell whether this is raw audio at all.
        while bytes.count < (hasBegun ? 2 : 8) && !hasEnded && !isStopped() {
            // A signal does not wake this up.
            _ = condition.wait(until: Date() + 0.1)
        }
        if let failure {
            throw InputError(description: "standard input: cannot be read (\(failure)); give it raw audio by a pipe.")
        }
        if !hasBegun, let container = Self.container(bytes) {
            throw InputError(
                description: "standard input: begins like a \(container) file, but --live reads raw 16-bit samples; "
                    + "leave --live out, or decode it first (ffmpeg -i FILE -ac 1 -ar 16000 -f s16le -).")
        }
        hasBegun = true
        // At the end a half sample may be left.
        guard bytes.count >= 2 && !isStopped() else { return nil }
        let samples = rawSamples(bytes)
        bytes.removeFirst(2 * samples.count)
        condition.broadcast()
        return samples
    }

    private static func container(_ bytes: [UInt8]) -> String? {
        let names = ["RIFF": "WAV", "fLaC": "FLAC", "OggS": "Ogg", "FORM": "AIFF", ".snd": "AU", "caff": "CAF"]
        if bytes.starts(with: "ID3".utf8) { return "MP3" }
        if bytes.dropFirst(4).starts(with: "ftyp".utf8) { return "MP4" }
        return names[String(decoding: bytes.prefix(4), as: UTF8.self)]
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

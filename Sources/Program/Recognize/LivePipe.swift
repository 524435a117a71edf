import Foundation
import W2VBase
import W2VInference
import W2VRecognition

/// A pipe of live audio: raw samples, or a WAV stream.
///
/// It is read on a thread of its own, so that the program at the other end is not blocked while the model runs. If far
/// more audio is waiting than a model that keeps up would leave, reading pauses until the model takes some.
actor LivePipe {
    private let executor = BlockingExecutor("live input")

    /// An executor of its own, since reading blocks while the pipe is empty.
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Reads to the end, and then ends the buffer.
    ///
    /// - Parameters:
    ///   - descriptor: The file descriptor of the pipe.
    ///   - rate: The samples per second; nil for those of a WAV header, or 16000.
    ///   - buffer: Receives the samples.
    /// - Returns: Whether the input ended in the middle of a sample, which is ignored.
    /// - Throws: `CommandError` when the input is another kind of file, or cannot be read.
    func read(_ descriptor: Int32, rate: Int?, into buffer: LiveBuffer) async throws -> Bool {
        do {
            let hasHalfSample = try await samples(descriptor, rate: rate, into: buffer)
            await buffer.end()
            return hasHalfSample
        } catch {
            // The samples before the error are still recognized.
            await buffer.end()
            throw error
        }
    }

    private func samples(_ descriptor: Int32, rate: Int?, into buffer: LiveBuffer) async throws -> Bool {
        var audio = LiveAudioInput(rate: rate)
        var block = [UInt8](repeating: 0, count: 65_536)
        do {
            while true {
                let count = Foundation.read(descriptor, &block, block.count)
                if count < 0 && errno == EINTR { continue }
                guard count >= 0 else {
                    throw CommandError(
                        .input, "standard input: cannot be read (\(SystemReason.of(code: errno)))",
                        "give it audio by a pipe")
                }
                guard count > 0 else { break }
                let samples = try audio.append(block[..<count])
                await buffer.add(samples, rate: audio.sampleRate)
            }
            let (samples, hasHalfSample) = try audio.finish()
            await buffer.add(samples, rate: audio.sampleRate)
            return hasHalfSample
        } catch let error as LiveInputError {
            throw CommandError(error, at: "standard input: ")
        }
    }
}

import Foundation
import W2VInference
import W2VRecognition

/// Raw audio from a pipe: signed 16-bit samples, the low byte first, one channel.
///
/// It is read on a thread of its own, so that the program at the pipe's other end is not held up while the model runs; when
/// far more waits than a model that keeps up would leave, reading stops until some is taken.
actor LivePipe {
    private let executor = BlockingExecutor("live input")

    /// Reading waits for the pipe.
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Reads to the end, and ends the buffer.
    ///
    /// - Parameters:
    ///   - descriptor: What is read from.
    ///   - buffer: Takes the samples.
    /// - Returns: Whether the input ended in the middle of a sample, which is left out.
    /// - Throws: `CommandError` when what comes is a file with a header, or cannot be read.
    func read(_ descriptor: Int32, into buffer: LiveBuffer) async throws -> Bool {
        do {
            let hasHalfSample = try await samples(descriptor, into: buffer)
            await buffer.end()
            return hasHalfSample
        } catch {
            // What came before is heard all the same.
            await buffer.end()
            throw error
        }
    }

    private func samples(_ descriptor: Int32, into buffer: LiveBuffer) async throws -> Bool {
        var audio = RawAudioInput()
        var block = [UInt8](repeating: 0, count: 65_536)
        do {
            while true {
                let count = Foundation.read(descriptor, &block, block.count)
                if count < 0 && errno == EINTR { continue }
                guard count >= 0 else {
                    throw CommandError(
                        .input, "standard input: cannot be read (\(String(cString: strerror(errno))))",
                        "give it raw audio by a pipe")
                }
                guard count > 0 else { break }
                await buffer.add(try audio.append(block[..<count]))
            }
            let (samples, hasHalfSample) = try audio.finish()
            await buffer.add(samples)
            return hasHalfSample
        } catch let error as RawAudioInput.NotRaw {
            throw CommandError(error, at: "standard input: ")
        }
    }
}

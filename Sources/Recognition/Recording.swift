import Audio
import Corpus
import Foundation

/// Something to recognise: a name, an expected length, and how to get its samples when their turn comes.
public struct Recording: Sendable {
    /// What errors call it.
    public let name: String
    /// The expected length in samples at 16 kHz, by which batches are made; what is decoded may differ.
    public let sampleCount: Int
    package let load: @Sendable () throws -> [Float]

    /// Makes a recording of any origin.
    ///
    /// - Parameters:
    ///   - name: What errors call it.
    ///   - sampleCount: The expected samples at 16 kHz.
    ///   - load: Gives the samples at 16 kHz, full scale at ±1; called on any thread, once.
    public init(name: String, sampleCount: Int, load: @escaping @Sendable () throws -> [Float]) {
        self.name = name
        self.sampleCount = sampleCount
        self.load = load
    }

    /// Makes a recording of samples in memory.
    ///
    /// - Parameters:
    ///   - samples: At 16 kHz, full scale at ±1.
    ///   - name: What errors call it.
    public init(samples: [Float], name: String = "samples") {
        self.init(name: name, sampleCount: samples.count) { samples }
    }

    /// Makes a recording of a file, whose header is read now and whose audio is decoded later.
    ///
    /// - Parameter url: Any format that `AudioFile` reads.
    /// - Throws: `AudioError`.
    public init(contentsOf url: URL) throws {
        let info = try AudioFile.info(url)
        self.init(name: url.path, sampleCount: info.sampleCount(at: AudioFile.modelSampleRate)) {
            try AudioFile.read(url)
        }
    }

    /// Makes a recording of a manifest's utterance; a length that is not the manifest's is an error.
    ///
    /// - Parameters:
    ///   - utterance: Which one.
    ///   - tolerance: How many samples it may be longer or shorter than the manifest says.
    public init(_ utterance: Utterance, tolerance: Int) {
        self.init(name: utterance.audio.path, sampleCount: utterance.sampleCount) {
            let range = utterance.offset.map { $0..<($0 + utterance.sampleCount) }
            let samples = try AudioFile.read(utterance.audio, frames: range)
            guard abs(samples.count - utterance.sampleCount) <= tolerance else {
                throw RecognitionError.lengthMismatch(
                    recording: "\(utterance.audio.path) (line \(utterance.line))", expected: utterance.sampleCount,
                    found: samples.count)
            }
            return samples
        }
    }
}

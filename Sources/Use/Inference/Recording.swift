import Foundation
import W2VAudio
import W2VCorpus

/// A recording for a model: a name, an expected length, and a way to read its samples when its turn comes.
public struct Recording: Sendable {
    /// The recording's name in error messages.
    public let name: String
    /// The expected length in samples at 16 kHz, for progress only; the decoded length may differ.
    public let sampleCount: Int
    /// Opens a reader of the samples; may be called repeatedly.
    let open: @Sendable () throws -> SampleReader

    /// Makes a recording that is read block by block.
    ///
    /// - Parameters:
    ///   - name: The recording's name in error messages.
    ///   - sampleCount: The expected number of samples at 16 kHz.
    ///   - open: Opens a reader of the samples; may be called repeatedly.
    public init(named name: String, sampleCount: Int, open: @escaping @Sendable () throws -> SampleReader) {
        self.name = name
        self.sampleCount = sampleCount
        self.open = open
    }

    /// Makes a recording from any source.
    ///
    /// - Parameters:
    ///   - name: The recording's name in error messages.
    ///   - sampleCount: The expected number of samples at 16 kHz.
    ///   - load: Returns the samples at 16 kHz, full scale at ±1. Called on any thread, and twice when the recording is
    ///     longer than a window and the model expects normalized audio.
    public init(name: String, sampleCount: Int, load: @escaping @Sendable () throws -> [Float]) {
        self.init(named: name, sampleCount: sampleCount) { Self.reader(of: try load()) }
    }

    /// Returns a reader of samples in memory.
    static func reader(of samples: [Float]) -> SampleReader {
        var rest = samples[...]
        return { count in
            let taken = rest.prefix(count)
            rest = rest.dropFirst(taken.count)
            return Array(taken)
        }
    }

    /// Makes a recording from samples in memory.
    ///
    /// - Parameters:
    ///   - samples: Samples at 16 kHz, full scale at ±1.
    ///   - name: The recording's name in error messages.
    public init(samples: [Float], name: String = "samples") {
        self.init(name: name, sampleCount: samples.count) { samples }
    }

    /// Makes a recording from a file, whose header is read now and whose audio is decoded later.
    ///
    /// - Parameter url: A file in any format that `AudioFile` reads.
    /// - Throws: `AudioError`.
    public init(contentsOf url: URL) throws {
        let info = try AudioFile.info(url)
        self.init(named: url.path, sampleCount: info.sampleCount(at: AudioFile.modelSampleRate)) {
            try AudioStream(url).read
        }
    }

    /// Makes a recording from the bytes of a whole file, such as standard input.
    ///
    /// - Parameters:
    ///   - data: Encoded audio in any format that `AudioFile` reads.
    ///   - name: The recording's name in error messages.
    /// - Throws: `AudioError`.
    public init(encoded data: Data, name: String) throws {
        let info = try AudioFile.info(data, name: name)
        self.init(named: name, sampleCount: info.sampleCount(at: AudioFile.modelSampleRate)) {
            try AudioStream(data, name: name).read
        }
    }

    /// Makes a recording from a manifest's utterance; a length other than the manifest's is an error.
    ///
    /// - Parameters:
    ///   - manifest: The manifest.
    ///   - index: The utterance's index in the manifest.
    public init(_ manifest: Manifest, _ index: Int) {
        let utterance = manifest[index]
        let (expected, tolerance) = (utterance.sampleCount, manifest.lengthTolerance(of: index))
        self.init(named: utterance.audio.path, sampleCount: expected) {
            let read: SampleReader
            if let offset = utterance.offset {
                read = Self.reader(of: try AudioFile.read(utterance.audio, frames: offset..<offset + expected))
            } else {
                read = try AudioStream(utterance.audio).read
            }
            var found = 0
            return { count in
                let samples = try read(count)
                found += samples.count
                guard samples.count == count || abs(found - expected) <= tolerance else {
                    throw manifest.lengthMismatch(of: index, found: found)
                }
                return samples
            }
        }
    }
}

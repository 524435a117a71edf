import Foundation
import W2VAudio
import W2VCorpus

/// What goes through a model: a name, an expected length, and how to get its samples when their turn comes.
public struct Recording: Sendable {
    /// What errors call it.
    public let name: String
    /// The expected length in samples at 16 kHz, by which progress is told; what is decoded may differ.
    public let sampleCount: Int
    /// Begins to read; may be called again.
    let open: @Sendable () throws -> SampleReader

    /// Makes a recording that is read piece by piece.
    ///
    /// - Parameters:
    ///   - name: What errors call it.
    ///   - sampleCount: The expected samples at 16 kHz.
    ///   - open: Begins to read; may be called again.
    public init(named name: String, sampleCount: Int, open: @escaping @Sendable () throws -> SampleReader) {
        self.name = name
        self.sampleCount = sampleCount
        self.open = open
    }

    /// Makes a recording of any origin.
    ///
    /// - Parameters:
    ///   - name: What errors call it.
    ///   - sampleCount: The expected samples at 16 kHz.
    ///   - load: Gives the samples at 16 kHz, full scale at ±1; called on any thread, and twice where the recording is
    ///     longer than a window and the model wants it normalized.
    public init(name: String, sampleCount: Int, load: @escaping @Sendable () throws -> [Float]) {
        self.init(named: name, sampleCount: sampleCount) { Self.reader(of: try load()) }
    }

    /// Reads samples in memory.
    static func reader(of samples: [Float]) -> SampleReader {
        var rest = samples[...]
        return { count in
            let taken = rest.prefix(count)
            rest = rest.dropFirst(taken.count)
            return Array(taken)
        }
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
        self.init(named: url.path, sampleCount: info.sampleCount(at: AudioFile.modelSampleRate)) {
            try AudioStream(url).read
        }
    }

    /// Makes a recording of a whole file's bytes, such as a program's standard input.
    ///
    /// - Parameters:
    ///   - data: Encoded audio in any format that `AudioFile` reads.
    ///   - name: What errors call it.
    /// - Throws: `AudioError`.
    public init(encoded data: Data, name: String) throws {
        let info = try AudioFile.info(data, name: name)
        self.init(named: name, sampleCount: info.sampleCount(at: AudioFile.modelSampleRate)) {
            try AudioStream(data, name: name).read
        }
    }

    /// Makes a recording of a manifest's utterance; a length that is not the manifest's is an error.
    ///
    /// - Parameters:
    ///   - manifest: The manifest.
    ///   - index: Which utterance.
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

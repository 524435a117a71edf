import Foundation

/// A recording that is decoded piece by piece, so that hours of it need no more memory than seconds.
///
/// Channels are averaged, and samples have one sampling rate; together they equal the result of `AudioFile.read`.
public final class AudioStream {
    private let reader: SoundFileReader
    private let resampler: Resampler?
    private var ready: ArraySlice<Float> = []
    private var hasEnded = false
    private var isEmpty = true

    /// Opens a file.
    ///
    /// - Parameters:
    ///   - url: Any format that `AudioFile` reads.
    ///   - sampleRate: Samples per second of the output.
    ///   - limits: The limits of decoding.
    public convenience init(
        _ url: URL, sampleRate: Int = AudioFile.modelSampleRate, limits: DecodingLimits = DecodingLimits()
    ) throws {
        try self.init(AudioFile.open(url, limits), sampleRate: sampleRate)
    }

    /// Opens encoded audio in memory.
    ///
    /// - Parameters:
    ///   - data: A whole file's bytes.
    ///   - sampleRate: Samples per second of the output.
    ///   - limits: The limits of decoding.
    public convenience init(
        _ data: Data, name: String = "audio in memory", sampleRate: Int = AudioFile.modelSampleRate,
        limits: DecodingLimits = DecodingLimits()
    ) throws {
        try self.init(AudioFile.open(data, name: name, limits), sampleRate: sampleRate)
    }

    private init(_ reader: SoundFileReader, sampleRate: Int) throws {
        self.reader = reader
        let rate = reader.info.sampleRate
        resampler = rate == sampleRate ? nil : try Resampler(from: rate, to: sampleRate, name: reader.name)
    }

    /// Returns the next samples.
    ///
    /// - Returns: `count` samples, full scale at ±1; fewer only at the recording's end, none after it.
    /// - Throws: `AudioError`, for example at the end of a recording without samples.
    public func read(_ count: Int) throws -> [Float] {
        var samples: [Float] = []
        while samples.count < count {
            if ready.isEmpty {
                if hasEnded { break }
                try fill()
            }
            let taken = ready.prefix(count - samples.count)
            samples.append(contentsOf: taken)
            ready = ready.dropFirst(taken.count)
        }
        if !samples.isEmpty { isEmpty = false }
        if isEmpty && hasEnded && count > 0 { throw AudioError.empty(file: reader.name) }
        return samples
    }

    private func fill() throws {
        let block = try reader.readMono(atMost: SoundFileReader.blockFrames)
        hasEnded = block.isEmpty
        guard let resampler else {
            ready = block[...]
            return
        }
        var samples: [Float] = []
        if hasEnded { try resampler.finish(into: &samples) } else { try resampler.process(block, into: &samples) }
        ready = samples[...]
    }
}

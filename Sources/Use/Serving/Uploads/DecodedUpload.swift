import Foundation
import W2VAudio
import W2VInference

/// A decoded upload; decoding it before it waits for the model finds errors early.
struct DecodedUpload: Sendable {
    /// The recording.
    var recording: Recording
    /// Whether it takes more than one pass of the model.
    var isLong: Bool
    /// The largest absolute value of its samples, of full scale.
    var peak: Float

    /// Makes a decoded upload of a recording.
    init(recording: Recording, isLong: Bool, peak: Float = 1) {
        self.recording = recording
        self.isLong = isLong
        self.peak = peak
    }

    /// Decodes an upload.
    ///
    /// A recording of up to one window is held in memory; a longer one is stored in a temporary file of 4 bytes per
    /// sample.
    ///
    /// - Parameters:
    ///   - upload: The upload.
    ///   - folder: The folder of temporary files.
    ///   - window: The length in samples below which a recording takes a single pass.
    ///   - maximumSeconds: The longest recording accepted, in seconds.
    ///   - isCancelled: Whether the recording is no longer wanted; checked regularly.
    /// - Throws: `RequestError` for audio that is too long or cannot be read; `CancellationError`.
    init(
        _ upload: Upload, in folder: UploadFolder, window: Int, maximumSeconds: Double,
        isCancelled: @escaping @Sendable () -> Bool
    ) throws {
        do {
            let stream = try AudioStream(
                upload.file.url, limits: Self.limits(seconds: maximumSeconds, isCancelled: isCancelled))
            let most = Int(min(maximumSeconds * Double(AudioFile.modelSampleRate), 1e15))
            var samples = try stream.read(window)
            peak = Self.peak(samples)
            guard samples.count <= most else { throw RequestError.audioTooLong(limit: maximumSeconds) }
            guard samples.count == window else {
                recording = Recording(samples: samples, name: upload.name)
                isLong = false
                return
            }
            let file = try TemporaryFile(in: folder)
            var count = 0
            while !samples.isEmpty {
                if isCancelled() { throw CancellationError() }
                count += samples.count
                guard count <= most else { throw RequestError.audioTooLong(limit: maximumSeconds) }
                peak = max(peak, Self.peak(samples))
                try samples.withUnsafeBytes { try file.write($0) }
                samples = try stream.read(window)
            }
            file.close()
            recording = Recording(named: upload.name, sampleCount: count) { try Self.reader(of: file) }
            isLong = true
        } catch {
            throw RequestError(error, file: upload.file.url.path, name: upload.name)
        }
    }

    /// The limits of decoding: memory for two channels at 48 kHz, and a twentieth of the longest recording's duration.
    private static func limits(seconds: Double, isCancelled: @escaping @Sendable () -> Bool) -> DecodingLimits {
        let usual = DecodingLimits()
        let bytes = min(seconds * 48_000 * 2 * Double(MemoryLayout<Float>.size), Double(usual.temporaryBytes))
        return DecodingLimits(
            seconds: seconds, temporaryBytes: max(64 << 20, Int(bytes)),
            time: .seconds(max(60, min(seconds / 20, 3600))),
            isCancelled: isCancelled)
    }

    private static func peak(_ samples: [Float]) -> Float { samples.reduce(0) { max($0, abs($1)) } }

    /// Returns a reader of a file of samples; it keeps the file.
    private static func reader(of file: TemporaryFile) throws -> SampleReader {
        let handle = try FileHandle(forReadingFrom: file.url)
        return { [file] count in
            let bytes = try handle.read(upToCount: count * MemoryLayout<Float>.size) ?? Data()
            return withExtendedLifetime(file) {
                [Float](unsafeUninitializedCapacity: bytes.count / MemoryLayout<Float>.size) { buffer, filled in
                    filled = bytes.copyBytes(to: buffer) / MemoryLayout<Float>.size
                }
            }
        }
    }
}

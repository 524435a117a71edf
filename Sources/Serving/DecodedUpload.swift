import Audio
import Foundation
import Recognition

/// An upload decoded: once, so that what is wrong with it is known before it waits for the model.
struct DecodedUpload: Sendable {
    /// What is recognised.
    var recording: Recording
    /// Whether it takes more than one pass of the model.
    var isLong: Bool

    /// Takes a recording as it is.
    init(recording: Recording, isLong: Bool) {
        self.recording = recording
        self.isLong = isLong
    }

    /// Decodes an upload.
    ///
    /// Up to one window it is held in memory; a longer one goes into a temporary file of 4 bytes a sample.
    ///
    /// - Parameters:
    ///   - upload: The upload.
    ///   - folder: Where temporary files are made.
    ///   - window: Recordings of fewer samples take one pass.
    ///   - maximumSeconds: The longest recording.
    /// - Throws: `RequestError` for audio that is too long or cannot be read.
    init(_ upload: Upload, in folder: URL, window: Int, maximumSeconds: Double) throws {
        do {
            let stream = try AudioStream(upload.file.url)
            let most = Int(min(maximumSeconds * Double(AudioFile.modelSampleRate), 1e15))
            var samples = try stream.read(window)
            guard samples.count <= most else { throw RequestError.audioTooLong(limit: maximumSeconds) }
            guard samples.count == window else {
                recording = Recording(samples: samples, name: upload.name)
                isLong = false
                return
            }
            let file = try TemporaryFile(in: folder)
            let writer = try file.writer()
            var count = 0
            while !samples.isEmpty {
                count += samples.count
                guard count <= most else { throw RequestError.audioTooLong(limit: maximumSeconds) }
                try writer.write(contentsOf: samples.withUnsafeBytes { Data($0) })
                samples = try stream.read(window)
            }
            try writer.close()
            recording = Recording(named: upload.name, sampleCount: count) { try Self.reader(of: file) }
            isLong = true
        } catch {
            throw RequestError(error, file: upload.file.url.path, name: upload.name)
        }
    }

    /// Reads a file of samples, which stays as long as the reader does.
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

import CW2VSoxr

/// Converts a mono stream from one sampling rate to another (the SoX resampler at high quality, 20 bits).
///
/// Samples are added block by block; the output does not depend on how the signal was cut into blocks.
public final class Resampler {
    private let handle: soxr_t
    private let ratio: Double
    private let name: String

    /// Makes the converter.
    ///
    /// - Parameters:
    ///   - input: Samples per second of the input.
    ///   - output: Samples per second of the output.
    /// - Throws: `AudioError.cannotResample`.
    public convenience init(from input: Int, to output: Int, name: String = "audio") throws {
        try self.init(ratioOf: Double(input), to: Double(output), name: name)
    }

    /// Returns the signal played faster or slower, which changes the pitch, as on tape and with SoX's `speed`.
    ///
    /// - Parameter factor: The speed: with 2 there are half as many samples.
    /// - Returns: The signal at the same sampling rate.
    /// - Throws: `AudioError.cannotResample`.
    public static func changingSpeed(_ samples: [Float], by factor: Double, name: String = "audio") throws -> [Float] {
        if factor == 1 { return samples }
        let resampler = try Resampler(ratioOf: factor, to: 1, name: name)
        var result: [Float] = []
        result.reserveCapacity(Int(Double(samples.count) / factor) + 1)
        try resampler.process(samples, into: &result)
        try resampler.finish(into: &result)
        return result
    }

    private init(ratioOf input: Double, to output: Double, name: String) throws {
        guard input > 0, output > 0, input.isFinite, output.isFinite else {
            throw AudioError.cannotResample(file: name, reason: "from \(input) to \(output) samples a second")
        }
        var failure: soxr_error_t?
        var quality = soxr_quality_spec(UInt(SOXR_20_BITQ), 0)
        guard let handle = soxr_create(input, output, 1, &failure, nil, &quality, nil) else {
            throw AudioError.cannotResample(file: name, reason: failure.map { String(cString: $0) } ?? "out of memory")
        }
        self.handle = handle
        self.name = name
        ratio = output / input
    }

    deinit { soxr_delete(handle) }

    /// Adds samples and appends available output to `output`: the filter's delay holds some back.
    ///
    /// - Parameters:
    ///   - samples: The next samples at the input rate.
    ///   - output: Receives the samples at the output rate.
    /// - Throws: `AudioError.cannotResample`.
    public func process(_ samples: [Float], into output: inout [Float]) throws {
        guard !samples.isEmpty else { return }
        var taken = 0
        try samples.withUnsafeBufferPointer { input in
            while taken < input.count {
                var used = 0
                let room = Int(Double(input.count - taken) * ratio) + 1024
                let start = input.baseAddress.map { UnsafeRawPointer($0 + taken) }
                let made = try append(room: room, to: &output) { target, done in
                    soxr_process(self.handle, start, input.count - taken, &used, target, room, &done)
                }
                taken += used
                if used == 0 && made == 0 {
                    throw AudioError.cannotResample(file: name, reason: "the resampler makes no progress")
                }
            }
        }
    }

    /// Ends the signal and appends the rest to `output`.
    ///
    /// - Parameter output: Receives the last samples at the output rate.
    /// - Throws: `AudioError.cannotResample`.
    public func finish(into output: inout [Float]) throws {
        let room = 8192
        var made = 0
        repeat {
            made = try append(room: room, to: &output) { target, done in
                soxr_process(self.handle, nil, 0, nil, target, room, &done)
            }
        } while made > 0
    }

    private func append(
        room: Int, to output: inout [Float],
        _ step: (UnsafeMutableRawPointer?, inout Int) -> soxr_error_t?
    ) throws -> Int {
        var failure: soxr_error_t?
        let block = [Float](unsafeUninitializedCapacity: room) { buffer, count in
            var done = 0
            failure = step(buffer.baseAddress.map { UnsafeMutableRawPointer($0) }, &done)
            count = failure == nil ? done : 0
        }
        if let failure { throw AudioError.cannotResample(file: name, reason: String(cString: failure)) }
        output.append(contentsOf: block)
        return block.count
    }
}

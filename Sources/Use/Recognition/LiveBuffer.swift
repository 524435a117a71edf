import W2VAudio

/// Audio that has arrived and that the model has not processed yet, up to a limit.
public actor LiveBuffer {
    /// Audio that arrived since the model last asked.
    public struct Chunk: Sendable {
        /// The samples.
        public var samples: [Float]
        /// The samples per second, the same for all chunks.
        public var rate: Int

        /// The length in seconds.
        public var seconds: Double { Double(samples.count) / Double(rate) }
    }

    private var chunk = Chunk(samples: [], rate: AudioFile.modelSampleRate)
    private var hasEnded = false
    private var reader: CheckedContinuation<Void, Never>?
    private var writer: CheckedContinuation<Void, Never>?
    private let seconds: Double
    /// The highest rate at which the length is measured, in samples per second.
    private static let highestRate = 48_000

    /// Makes a buffer.
    ///
    /// - Parameter seconds: The length of audio in the buffer above which the producer has to wait; at more than 48 kHz,
    ///   that of as many samples at 48 kHz, so that a high rate takes no more memory.
    public init(seconds: Double = 30) { self.seconds = seconds }

    /// Adds samples; returns when the buffer has room for more.
    ///
    /// - Parameters:
    ///   - more: The samples.
    ///   - rate: The samples per second.
    public func add(_ more: [Float], rate: Int) async {
        // Half a sample, or a first byte that may start a file, yields no samples yet: that is not the end.
        guard !more.isEmpty, !hasEnded else { return }
        chunk.samples += more
        chunk.rate = rate
        wakeReader()
        let measured = Double(chunk.samples.count) / Double(min(rate, Self.highestRate))
        guard measured > seconds else { return }
        await withCheckedContinuation { writer = $0 }
    }

    /// Ends the input.
    ///
    /// - Parameter dropsRest: Whether to drop the samples in the buffer.
    public func end(droppingRest dropsRest: Bool = false) {
        hasEnded = true
        if dropsRest { chunk.samples.removeAll() }
        wakeReader()
        wakeWriter()
    }

    /// Returns all audio in the buffer; waits while it is empty, and returns nil at the end.
    public func next() async -> Chunk? {
        while chunk.samples.isEmpty, !hasEnded { await withCheckedContinuation { reader = $0 } }
        defer {
            chunk.samples.removeAll()
            wakeWriter()
        }
        return chunk.samples.isEmpty ? nil : chunk
    }

    private func wakeReader() {
        reader?.resume()
        reader = nil
    }

    private func wakeWriter() {
        writer?.resume()
        writer = nil
    }
}

import W2VBase

/// Returns the samples of raw audio: signed 16-bit numbers, the low byte first, one channel.
///
/// - Parameter bytes: Two bytes per sample; an odd last byte is ignored.
/// - Returns: The samples, full scale at ±1.
func rawSamples(_ bytes: some RandomAccessCollection<UInt8>) -> [Float] {
    var samples: [Float] = []
    samples.reserveCapacity(bytes.count / 2)
    var rest = bytes.makeIterator()
    while let low = rest.next(), let high = rest.next() {
        samples.append(Float(Int16(bitPattern: UInt16(low) | UInt16(high) << 8)) / 32_768)
    }
    return samples
}

/// A stream of raw audio in chunks of any length: signed 16-bit samples, little-endian, one channel.
///
/// Half a sample waits for the next chunk, and the first bytes wait until it is clear that they are not an audio file's
/// header.
public struct RawAudioInput: Sendable {
    /// An error for an input that starts like an audio file, so that its bytes are not samples.
    public struct NotRaw: ExplainedError, Equatable {
        /// The kind of file that it resembles, such as "a WAV file".
        public let likeness: String

        /// An input error: a file in place of samples.
        public var kind: ErrorKind { .input }

        /// The kind of file that the input resembles, and the remedy.
        public var explanation: Explanation {
            Explanation(
                "the audio begins like \(likeness), but live input is raw 16-bit samples",
                "\(.transcribeFile), or decode it first (ffmpeg -i FILE -ac 1 -ar 16000 -f s16le -)")
        }
    }

    private var waiting: [UInt8] = []
    private var isKnownToBeRaw = false

    /// Starts an empty input.
    public init() {}

    /// Adds the next chunk.
    ///
    /// - Parameter bytes: Any number of bytes.
    /// - Returns: The complete samples; none while the first bytes may still turn out to be a file's header.
    /// - Throws: ``NotRaw``.
    public mutating func append(_ bytes: some Sequence<UInt8>) throws(NotRaw) -> [Float] {
        waiting.append(contentsOf: bytes)
        return try take(isWhole: false)
    }

    /// Ends the input.
    ///
    /// - Returns: The samples that were held back, and whether half a sample is left over.
    /// - Throws: ``NotRaw``.
    public mutating func finish() throws(NotRaw) -> (samples: [Float], hasHalfSample: Bool) {
        let samples = try take(isWhole: true)
        return (samples, !waiting.isEmpty)
    }

    private mutating func take(isWhole: Bool) throws(NotRaw) -> [Float] {
        if !isKnownToBeRaw {
            switch AudioFileMark.find(in: waiting, isWhole: isWhole) {
            case .file(let likeness): throw NotRaw(likeness: likeness)
            case .undecided: return []
            case .none: isKnownToBeRaw = true
            }
        }
        let samples = rawSamples(waiting)
        waiting.removeFirst(2 * samples.count)
        return samples
    }
}

extension Phrase {
    /// The way to transcribe a file instead of live input.
    public static let transcribeFile = Phrase("transcribe the file as it is", name: "transcribeFile")
}

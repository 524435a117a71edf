import W2VBase

/// Returns the samples of raw audio: signed 16-bit numbers, the low byte first, one channel.
///
/// - Parameter bytes: Two for each sample; a last byte alone is left out.
/// - Returns: Samples, full scale at ±1.
func rawSamples(_ bytes: some RandomAccessCollection<UInt8>) -> [Float] {
    var samples: [Float] = []
    samples.reserveCapacity(bytes.count / 2)
    var rest = bytes.makeIterator()
    while let low = rest.next(), let high = rest.next() {
        samples.append(Float(Int16(bitPattern: UInt16(low) | UInt16(high) << 8)) / 32_768)
    }
    return samples
}

/// One stream of raw audio that comes in pieces of any length: signed 16-bit samples, the low byte first, one channel.
///
/// Half a sample waits for the next piece, and the first bytes wait until they show that this is no audio file.
public struct RawAudioInput: Sendable {
    /// The input begins as an audio file does, so that its bytes are not samples.
    public struct NotRaw: ExplainedError, Equatable {
        /// What it begins like, such as "a WAV file".
        public let likeness: String

        /// Input: a file in place of samples.
        public var kind: ErrorKind { .input }

        /// What the input begins like, and what to do.
        public var explanation: Explanation {
            Explanation(
                "the audio begins like \(likeness), but live input is raw 16-bit samples",
                "\(.transcribeFile), or decode it first (ffmpeg -i FILE -ac 1 -ar 16000 -f s16le -)")
        }
    }

    private var waiting: [UInt8] = []
    private var isKnownToBeRaw = false

    /// Begins.
    public init() {}

    /// Takes the next piece.
    ///
    /// - Parameter bytes: Any number of bytes.
    /// - Returns: The samples that are complete; none while the first bytes may still turn out to be a file's header.
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
    /// How to transcribe a file in place of live input.
    public static let transcribeFile = Phrase("transcribe the file as it is", name: "transcribeFile")
}

import W2VAudio
import W2VBase

/// A stream of live audio in chunks of any length.
///
/// It is raw audio (signed 16-bit samples, little-endian, one channel), or a WAV stream (16-bit or floating-point
/// samples, channels are mixed), whose header tells the sampling rate. Half a sample waits for the next chunk, and the
/// first bytes wait until it is clear what they are.
public struct LiveAudioInput: Sendable {
    /// The sampling rates of live input.
    public static let rates = 1000...1_000_000

    private let rate: Int?
    private var waiting: [UInt8] = []
    /// What the samples are, once it is known.
    private var format: WaveHeader?

    /// Starts an empty input.
    ///
    /// - Parameter rate: The samples per second; nil for those of a WAV header, or 16000.
    public init(rate: Int? = nil) { self.rate = rate }

    /// The samples per second of the input; that of raw audio until a header says otherwise.
    public var sampleRate: Int { format?.rate ?? rate ?? AudioFile.modelSampleRate }

    /// Whether the input began with a WAV header.
    public private(set) var isWave = false

    /// Adds the next chunk.
    ///
    /// - Parameter bytes: Any number of bytes.
    /// - Returns: The complete samples at ``sampleRate``, full scale at ±1; none while the first bytes may still turn
    ///   out to be a header.
    /// - Throws: ``LiveInputError``.
    public mutating func append(_ bytes: some Sequence<UInt8>) throws(LiveInputError) -> [Float] {
        waiting.append(contentsOf: bytes)
        return try take(isWhole: false)
    }

    /// Ends the input.
    ///
    /// - Returns: The samples that were held back, and whether half a sample is left over.
    /// - Throws: ``LiveInputError``.
    public mutating func finish() throws(LiveInputError) -> (samples: [Float], hasHalfSample: Bool) {
        let samples = try take(isWhole: true)
        return (samples, !waiting.isEmpty)
    }

    private mutating func take(isWhole: Bool) throws(LiveInputError) -> [Float] {
        if format == nil { format = try begin(isWhole: isWhole) }
        guard var format else { return [] }
        // What follows the samples of a WAV stream, such as its title, is not audio.
        let most = format.dataBytes ?? .max
        let count = min(waiting.count, most) / format.frameSize * format.frameSize
        let samples = format.samples(waiting[..<count])
        format.dataBytes = format.dataBytes.map { $0 - count }
        waiting.removeFirst(count)
        if let left = format.dataBytes, left < format.frameSize { waiting.removeAll() }
        self.format = format
        return samples
    }

    /// Finds out what the input is; returns nil while that takes more bytes.
    private mutating func begin(isWhole: Bool) throws(LiveInputError) -> WaveHeader? {
        let found: WaveHeader
        switch AudioFileMark.find(in: waiting, isWhole: isWhole) {
        case .file where waiting.starts(with: "RIFF".utf8):
            switch WaveHeader.read(waiting) {
            case .undecided where isWhole: throw .badWave(reason: "it ends within its header")
            case .undecided: return nil
            case .unusable(let reason): throw .badWave(reason: reason)
            case .header(let header, let length):
                if let rate, rate != header.rate { throw .otherRate(header.rate, given: rate) }
                waiting.removeFirst(length)
                found = header
                isWave = true
            }
        case .file(let likeness): throw .file(likeness: likeness)
        case .undecided: return nil
        case .none:
            found = WaveHeader(
                encoding: .int16, channels: 1, rate: rate ?? AudioFile.modelSampleRate, dataBytes: nil)
        }
        return found
    }
}

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

/// An error of live input that is not a stream of samples.
public enum LiveInputError: ExplainedError, Equatable {
    /// The input starts like an audio file, such as "a FLAC file", so that its bytes are not samples.
    case file(likeness: String)
    /// The input starts like a WAV file, but it cannot be used as a stream.
    case badWave(reason: String)
    /// The header of a WAV stream names a sampling rate other than the given one.
    case otherRate(Int, given: Int)

    /// Always an input error.
    public var kind: ErrorKind { .input }

    /// What is wrong with the input, and the remedy.
    public var explanation: Explanation {
        let decode: Advice = "\(.transcribeFile), or decode it first (ffmpeg -i FILE -ac 1 -ar 16000 -f s16le -)"
        switch self {
        case .file(let likeness):
            return Explanation(
                "the audio begins like \(likeness), but live input is raw 16-bit samples, or a WAV stream", decode)
        case .badWave(let reason):
            return Explanation("the audio begins like a WAV file, but cannot be used live (\(reason))", decode)
        case .otherRate(let rate, let given):
            return Explanation(
                "the WAV header says \(rate) samples a second, but \(Phrase.liveRate) is \(given)",
                "leave it out; the header's rate is used")
        }
    }
}

extension Phrase {
    /// The way to transcribe a file instead of live input.
    public static let transcribeFile = Phrase("transcribe the file as it is", name: "transcribeFile")
    /// The sampling rate of live input.
    public static let liveRate = Phrase("the given rate", name: "liveRate")
}

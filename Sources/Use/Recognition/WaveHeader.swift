/// The start of a WAV stream: what its samples are.
///
/// Source: Microsoft and IBM, Multimedia Programming Interface and Data Specifications 1.0; the extensible format is
/// that of Microsoft's `WAVEFORMATEXTENSIBLE`.
struct WaveHeader: Equatable, Sendable {
    /// An encoding of samples, little-endian.
    enum Encoding: Sendable {
        case int16, float32

        /// The bytes of a sample.
        var size: Int { self == .int16 ? 2 : 4 }
    }

    /// The outcome of reading the bytes so far.
    enum Finding: Equatable {
        /// The header, and the number of bytes before the first sample.
        case header(WaveHeader, length: Int)
        /// More bytes are needed.
        case undecided
        /// The reason why this is not a stream of samples that can be used.
        case unusable(String)
    }

    var encoding: Encoding
    var channels: Int
    /// The samples per second of each channel.
    var rate: Int
    /// The bytes of samples that follow; nil for a stream whose program did not know.
    var dataBytes: Int?

    /// The bytes of one sample of all channels.
    var frameSize: Int { channels * encoding.size }

    /// The longest header that is searched for samples; pictures and other notes are longer in files only.
    private static let longest = 1 << 20

    /// Reads a header.
    ///
    /// - Parameter bytes: All bytes so far, which begin with `RIFF`.
    /// - Returns: The outcome.
    static func read(_ bytes: [UInt8]) -> Finding {
        func number(_ offset: Int, _ size: Int) -> Int {
            (0..<size).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
        }
        guard bytes.count >= 12 else { return .undecided }
        guard bytes[8..<12].elementsEqual("WAVE".utf8) else { return .unusable("its RIFF header is not WAVE") }
        var start = 12
        var format: WaveHeader?
        while bytes.count >= start + 8 {
            let (name, size) = (bytes[start..<start + 4], number(start + 4, 4))
            let content = start + 8
            if name.elementsEqual("data".utf8) {
                guard var header = format else { return .unusable("its samples come before their format") }
                // Programs that write to a pipe do not know the length: 0, or about the most that fits.
                header.dataBytes = size == 0 || size >= 0x7FFF_0000 ? nil : size
                return .header(header, length: content)
            }
            if name.elementsEqual("fmt ".utf8) {
                guard (16...1024).contains(size) else { return .unusable("its format has \(size) bytes") }
                guard bytes.count >= content + size else { return .undecided }
                var code = number(content, 2)
                if code == 0xFFFE, size >= 40 { code = number(content + 24, 2) }
                let (channels, rate, bits) = (number(content + 2, 2), number(content + 4, 4), number(content + 14, 2))
                let encoding: Encoding
                switch (code, bits) {
                case (1, 16): encoding = .int16
                case (3, 32): encoding = .float32
                default:
                    return .unusable(
                        "its samples are of format \(code) with \(bits) bits, not 16-bit PCM or 32-bit float")
                }
                guard (1...64).contains(channels) else { return .unusable("it has \(channels) channels") }
                guard LiveAudioInput.rates.contains(rate) else {
                    return .unusable("it has \(rate) samples a second, not \(LiveAudioInput.rates.phrase)")
                }
                format = WaveHeader(encoding: encoding, channels: channels, rate: rate, dataBytes: nil)
            }
            // Chunks have an even length.
            start = content + size + size % 2
            guard start <= longest else { return .unusable("its header is longer than 1 MB") }
        }
        return .undecided
    }

    /// Returns the mean of the channels.
    ///
    /// - Parameter bytes: Whole samples of all channels.
    /// - Returns: One sample for each, full scale at ±1.
    func samples(_ bytes: ArraySlice<UInt8>) -> [Float] {
        if channels == 1, encoding == .int16 { return rawSamples(bytes) }
        return bytes.withUnsafeBytes { raw in
            (0..<raw.count / frameSize).map { frame in
                let sum = (0..<channels).reduce(Float(0)) { sum, channel in
                    let offset = frame * frameSize + channel * encoding.size
                    switch encoding {
                    case .int16:
                        let value = Int16(littleEndian: raw.loadUnaligned(fromByteOffset: offset, as: Int16.self))
                        return sum + Float(value) / 32_768
                    case .float32:
                        let bits = UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
                        return sum + Float(bitPattern: bits)
                    }
                }
                return sum / Float(channels)
            }
        }
    }
}

extension ClosedRange<Int> {
    /// The range in a sentence: "from 1 to 5".
    fileprivate var phrase: String { "from \(lowerBound) to \(upperBound)" }
}

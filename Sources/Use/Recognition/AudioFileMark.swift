/// Tells audio and video files from raw samples by their first bytes.
enum AudioFileMark {
    /// The outcome of looking at the first bytes.
    enum Finding: Equatable {
        /// The input is a file, such as "a WAV file".
        case file(String)
        /// More bytes are needed.
        case undecided
        /// The input is not a known kind of file.
        case none
    }

    /// A byte sequence that only files of one format start with.
    private struct Mark {
        var bytes: [UInt8]
        var offset = 0
        var format: String

        init(_ text: String, at offset: Int = 0, _ format: String) {
            self.init(Array(text.utf8), at: offset, format)
        }

        init(_ bytes: [UInt8], at offset: Int = 0, _ format: String) {
            self.bytes = bytes
            self.offset = offset
            self.format = format
        }
    }

    private static let marks: [Mark] =
        [
            Mark("RIFF", "a WAV file"), Mark("RIFX", "a WAV file"), Mark("RF64", "a WAV file"),
            Mark("BW64", "a WAV file"),
            Mark("riff", "a W64 file"), Mark("fLaC", "a FLAC file"), Mark("OggS", "an Ogg file"),
            Mark("FORM", "an AIFF file"),
            Mark(".snd", "an AU file"), Mark("caff", "a CAF file"), Mark("ID3", "an MP3 file"),
            Mark("NIST_1A", "a SPHERE file"), Mark("#!AMR", "an AMR file"), Mark("#!SILK", "a SILK file"),
            Mark("wvpk", "a WavPack file"), Mark("TTA1", "a TTA file"), Mark("MAC ", "an APE file"),
            Mark("MPCK", "a Musepack file"), Mark("DSD ", "a DSF file"), Mark("FRM8", "a DSDIFF file"),
            Mark("OFR ", "an OptimFROG file"), Mark("tBaK", "a TAK file"), Mark("ajkg", "a Shorten file"),
            Mark(".SoX", "a SoX file"), Mark("XoS.", "a SoX file"), Mark("PVF1", "a PVF file"),
            Mark("#!iLBC", "an iLBC file"), Mark([0xC0, 0xDE, 0xC2], "a Codec 2 file"), Mark("MMMD", "an MMF file"),
            Mark("DTSHDHDR", "a DTS file"), Mark([0x7F, 0xFE, 0x80, 1], "a DTS file"),
            Mark("nut/multimedia container", "a NUT file"), Mark(".RMF", "a RealMedia file"),
            Mark([0x2E, 0x72, 0x61, 0xFD], "a RealAudio file"), Mark("FWS", "an SWF file"), Mark("CWS", "an SWF file"),
            Mark([6, 0x0E, 0x2B, 0x34, 2, 5, 1, 1], "an MXF file"),
            Mark([0xB7, 0xD8, 0, 0x20, 0x37, 0x49, 0xDA, 0x11], "a WTV file"),
            Mark([0x93] + Array("NUMPY".utf8), "a NumPy file"), Mark("BZh", "a bzip2 file"),
            Mark([0xFD] + Array("7zXZ".utf8), "an xz file"), Mark([0x28, 0xB5, 0x2F, 0xFD], "a Zstandard file"),
            Mark("FLV\u{1}", "an FLV file"), Mark("Creative Voice File", "a VOC file"),
            Mark([0x1A, 0x45, 0xDF, 0xA3], "a WebM or Matroska file"),
            Mark([0x30, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11], "a WMA file"),
            Mark([0, 0, 1, 0xBA], "an MPEG file"),
            Mark([0x64, 0xA3, 1, 0], "an IRCAM file"), Mark([0, 1, 0xA3, 0x64], "an IRCAM file"),
            Mark([0x1F, 0x8B, 8], "a gzip file"), Mark("PK\u{3}\u{4}", "a ZIP file"),
        ]
        + ["ftyp", "styp", "moov", "mdat", "moof", "wide"].map { Mark($0, at: 4, "an MP4 file") }

    /// Examines the first bytes of an input.
    ///
    /// The headers of MP3, AAC, AC-3 and MPEG transport streams are so short that speech may start like one: they count
    /// only where three of them follow each other at the distances that they state.
    ///
    /// - Parameters:
    ///   - bytes: All bytes received so far.
    ///   - isWhole: Whether no more will come.
    /// - Returns: The outcome; never `undecided` for a whole input.
    static func find(in bytes: [UInt8], isWhole: Bool) -> Finding {
        var needsMore = bytes.isEmpty
        for mark in marks {
            let found = bytes.dropFirst(mark.offset).prefix(mark.bytes.count)
            if found.elementsEqual(mark.bytes) { return .file(mark.format) }
            if found.count < mark.bytes.count, mark.bytes.starts(with: found) { needsMore = true }
        }
        for (format, distance) in [
            ("an MP3 file", mpegFrame), ("an AAC file", adtsFrame), ("an AAC file", latmFrame),
            ("an AC-3 file", ac3Frame), ("an MPEG file", packet),
        ] {
            switch repeats(distance, in: bytes) {
            case .file: return .file(format)
            case .undecided: needsMore = true
            case .none: break
            }
        }
        return needsMore && !isWhole ? .undecided : .none
    }

    private static let headerBytes = 6

    /// Whether the input starts with a header, and two more follow where the frames before them end.
    private static func repeats(_ frame: (ArraySlice<UInt8>) -> Int?, in bytes: [UInt8]) -> Finding {
        var start = 0
        for _ in 0..<3 {
            let header = bytes.dropFirst(start).prefix(headerBytes)
            guard header.count == headerBytes else {
                // The bytes so far may already rule the format out.
                return header.first.map { [0xFF, 0x47, 0x56, 0x0B].contains($0) } ?? true ? .undecided : .none
            }
            guard let length = frame(header) else { return .none }
            start += length
        }
        return .file("")
    }

    /// The length of the MPEG audio frame (MP1, MP2, MP3) that starts with these bytes.
    ///
    /// Source: ISO/IEC 11172-3, section 2.4.1.3, and ISO/IEC 13818-3.
    private static func mpegFrame(_ header: ArraySlice<UInt8>) -> Int? {
        let bytes = header.map(Int.init)
        let (version, layer) = (bytes[1] >> 3 & 3, 4 - (bytes[1] >> 1 & 3))
        let (rate, frequency, padding) = (bytes[2] >> 4, bytes[2] >> 2 & 3, bytes[2] >> 1 & 1)
        guard bytes[0] == 0xFF, bytes[1] >> 5 == 7, version != 1, layer != 4, (1...14).contains(rate), frequency != 3,
            bytes[3] & 3 != 2
        else { return nil }
        let isFirstVersion = version == 3
        let rates: [Int] =
            switch (isFirstVersion, layer) {
            case (true, 1): [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448]
            case (true, 2): [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384]
            case (true, _): [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320]
            case (false, 1): [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256]
            case (false, _): [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160]
            }
        let bitsPerSecond = rates[rate - 1] * 1000
        let samplesPerSecond = [44_100, 48_000, 32_000][frequency] >> (isFirstVersion ? 0 : version == 2 ? 1 : 2)
        switch layer {
        case 1: return (12 * bitsPerSecond / samplesPerSecond + padding) * 4
        case 3 where !isFirstVersion: return 72 * bitsPerSecond / samplesPerSecond + padding
        default: return 144 * bitsPerSecond / samplesPerSecond + padding
        }
    }

    /// The length of the AAC frame that starts with these bytes.
    ///
    /// Source: ISO/IEC 13818-7, section 6.2.
    private static func adtsFrame(_ header: ArraySlice<UInt8>) -> Int? {
        let bytes = header.map(Int.init)
        let length = (bytes[3] & 3) << 11 | bytes[4] << 3 | bytes[5] >> 5
        guard bytes[0] == 0xFF, bytes[1] & 0xF6 == 0xF0, bytes[2] >> 2 & 15 < 13, length > headerBytes else {
            return nil
        }
        return length
    }

    /// The length of the AAC frame in LOAS/LATM that starts with these bytes.
    ///
    /// Source: ISO/IEC 14496-3, section 1.7.2 (AudioSyncStream).
    private static func latmFrame(_ header: ArraySlice<UInt8>) -> Int? {
        let bytes = header.map(Int.init)
        guard bytes[0] == 0x56, bytes[1] & 0xE0 == 0xE0 else { return nil }
        let length = (bytes[1] & 0x1F) << 8 | bytes[2]
        return length > 0 ? length + 3 : nil
    }

    /// The length of the AC-3 or E-AC-3 frame that starts with these bytes.
    ///
    /// Source: ETSI TS 102 366, sections 4.4.1 and E.1.3.1.
    private static func ac3Frame(_ header: ArraySlice<UInt8>) -> Int? {
        let bytes = header.map(Int.init)
        guard bytes[0] == 0x0B, bytes[1] == 0x77 else { return nil }
        let version = bytes[5] >> 3
        if (11...16).contains(version) { return 2 * ((bytes[2] & 7) << 8 | bytes[3]) + 2 }
        let (rate, size) = (bytes[4] >> 6, bytes[4] & 0x3F)
        guard version <= 10, rate < 3, size < 38 else { return nil }
        let kilobits = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640][
            size / 2]
        switch rate {
        case 0: return 4 * kilobits
        case 1: return 2 * (320 * kilobits / 147 + size % 2)
        default: return 6 * kilobits
        }
    }

    /// The length of the packet of an MPEG transport stream that starts with these bytes.
    ///
    /// Source: ISO/IEC 13818-1, section 2.4.3.2.
    private static func packet(_ header: ArraySlice<UInt8>) -> Int? { header.first == 0x47 ? 188 : nil }
}

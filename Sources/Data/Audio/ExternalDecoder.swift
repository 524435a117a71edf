import Foundation
import W2VBase

/// Decodes formats that libsndfile does not support with the `ffmpeg` program, if it is installed.
enum ExternalDecoder {
    /// Raw codecs without a header, which only the file name identifies, and ffmpeg's names for them.
    ///
    /// Only those with a fixed rate: the playing speed of others is unknown.
    static let headerless = [
        "g722": "g722", "722": "g722", "g723_1": "g723_1", "g729": "g729", "gsm": "gsm", "msbc": "sbc", "sbc": "sbc",
        "sln": "sln",
    ]

    /// The formats that ffmpeg may detect: containers and raw codecs that contain the audio themselves.
    ///
    /// Formats that name other files are excluded (hls, dash, concat, imf, image sequences, subtitles with an index,
    /// mlv): they would let a sender listen to recordings of others, or keep ffmpeg waiting for parts that never
    /// arrive.
    private static let containers = [
        "mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "avi", "asf", "asf_o", "flv", "live_flv", "kux",
        "mpegts", "mpeg", "rm", "ivr", "nut", "nuv", "mxf", "gxf", "lxf", "wtv", "ty", "nsv", "ogg", "caf", "aiff",
        "wav",
        "w64", "au", "voc", "ircam", "nistsphere", "sox", "pvf", "paf", "epaf", "avr", "xwma", "iff", "sds", "sdx",
        "rso",
        "dv", "swf", "smjpeg", "aac", "loas", "ac3", "eac3", "dts", "dtshd", "spdif", "truehd", "mlp", "mp3", "amr",
        "amrnb", "amrwb", "gsm", "flac", "ape", "tta", "tak", "wv", "mpc", "mpc8", "ofr", "shn", "dsf", "wsd",
        "qcp", "ilbc", "oma", "aa", "aax", "codec2", "vqf", "act", "dss", "wve", "hcom", "mmf", "s337m", "osq", "wady",
        "ast", "adx", "kvag", "argo_asf", "argo_cvg", "apm",
    ]

    /// ffmpeg's formats that are lists of other files.
    private static let playlists: Set<String> = ["hls", "dash", "concat", "webm_dash_manifest", "imf", "sdp", "rtsp"]

    /// Returns the program's path, looked up in `PATH`.
    static func program() -> URL? {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        return folders.map { URL(fileURLWithPath: String($0)).appendingPathComponent("ffmpeg") }
            .first { FileManager.default.isExecutableFile(atPath: $0.path) }
    }

    /// Decodes a file's first audio stream, at its own rate, as floating-point AU.
    ///
    /// The program gets the open file as its standard input and opens it again there, because some containers keep
    /// their index at the end. It writes to a file, not a pipe, so that nothing can block, however many threads decode.
    /// That file is unlinked and mapped: hours of audio take space on the disk, not in memory, and nothing is left
    /// there when this program is killed.
    ///
    /// - Parameters:
    ///   - format: ffmpeg's name of the format, if the file's bytes do not show it.
    ///   - limits: The limits of decoding.
    static func decode(_ input: Int32, format: String?, name: String, limits: DecodingLimits) throws -> Data {
        guard let program = program() else {
            throw AudioError.unknownFormat(
                file: name, reason: "G.722, M4A, WebM and the like need the program ffmpeg, which is not installed")
        }
        let decoded = try UnlinkedTemporaryFile(for: name)
        let run: DecoderProcess
        do {
            run = try DecoderProcess(
                program, arguments(format: format, limits: limits), input: input,
                output: decoded.handle.fileDescriptor, limits: limits)
        } catch {
            throw AudioError.failed(file: name, reason: "ffmpeg cannot be started: \(SystemReason.of(error))")
        }
        if let error = failure(of: run, decoded: decoded, name: name, limits: limits) { throw error }
        guard let data = decoded.mapped() else { throw AudioError.empty(file: name) }
        return data
    }

    /// Its standard input, without `/dev/stdin`: that link to it is missing in some small containers.
    private static let source = "file:/proc/self/fd/0"

    private static func arguments(format: String?, limits: DecodingLimits) -> [String] {
        // One second more than allowed reveals that the recording is longer.
        let length = limits.seconds < 1e9 ? ["-t", "\(Int(limits.seconds.rounded(.up)) + 1)"] : []
        return ["-nostdin", "-v", "error", "-xerror", "-err_detect", "explode"]
            + [
                "-protocol_whitelist", "file", "-format_whitelist",
                (format.map { [$0] } ?? containers).joined(separator: ","),
            ]
            + (format.map { ["-f", $0] } ?? []) + ["-i", source]
            + ["-map", "0:a:0", "-map_metadata", "-1"] + length + ["-c:a", "pcm_f32be", "-f", "au", "pipe:1"]
    }

    private static func failure(
        of run: DecoderProcess, decoded: UnlinkedTemporaryFile, name: String, limits: DecodingLimits
    ) -> AudioError? {
        let text = run.messages
        // A line begins with the decoder's name and its address in memory.
        let last = (text.split(separator: "\n").last ?? "nothing").replacingOccurrences(of: source, with: "the file")
            .replacing(#/^\[[^\]]* @ 0x[0-9a-f]+\] /#, with: "")
            .printable
        switch run.ending {
        case .cancelled: return .cancelled(file: name)
        case .tooSlow: return .tooSlow(file: name, limit: limits.time)
        case .killed(let signal) where [SIGKILL, SIGTERM, SIGINT, SIGHUP].contains(signal):
            return .failed(file: name, reason: "ffmpeg was ended by signal \(signal), perhaps for want of memory")
        case .killed(let signal):
            return .damaged(file: name, reason: "ffmpeg crashed on it, by signal \(signal)")
        case .exited: break
        }
        if text.contains("No space left on device") || text.contains("Disk quota exceeded") {
            return decoded.failure(for: name)
        }
        if text.contains("File too large") {
            return decoded.size >= limits.temporaryBytes
                ? .tooLarge(file: name, limit: limits.temporaryBytes)
                : .failed(file: name, reason: "decoded it is larger than this process may write; see ulimit -f")
        }
        if let refusal = text.firstMatch(of: /\[([^ ]+) @ [^\]]*\] Format not on whitelist/) {
            return notRead(String(refusal.output.1), name: name)
        }
        // For some damaged containers, ffmpeg decodes what it can and exits with success; only its messages show the damage.
        let signs = ["prematurely", "truncated", "corrupt", "partial file", "moov atom not found"]
        if signs.contains(where: text.contains) {
            return .damaged(file: name, reason: "ffmpeg says: \(last)")
        }
        if run.ending != .exited(0) { return .unknownFormat(file: name, reason: "ffmpeg says: \(last)") }
        return nil
    }

    private static func notRead(_ format: String, name: String) -> AudioError {
        playlists.contains(format)
            ? .playlist(file: name)
            : .unknownFormat(file: name, reason: "ffmpeg takes it for \"\(format)\", which is not read")
    }
}

import Foundation
import Synchronization
import TestSupport
import Testing

@testable import W2VAudio

/// Files that ffmpeg decodes for us, and what it must not do.
@Suite("External decoder", .onTestThreads, .enabled(if: AudioFile.externalDecoder != nil))
struct ExternalDecoderTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Encodes a tone of two seconds with ffmpeg; nil if this ffmpeg lacks the encoder.
    private func encoded(_ name: String, _ options: [String] = [], seconds: Double = 2) throws -> URL? {
        let wave = folder.file("tone.wav")
        try AudioFile.write(fadingTone(count: Int(seconds * 16_000)), to: wave)
        let made = folder.file(name)
        let decoder = try #require(AudioFile.externalDecoder)
        let arguments = ["-nostdin", "-v", "quiet", "-y", "-i", wave.path] + options + [made.path]
        return try runTool(decoder, arguments) == 0 ? made : nil
    }

    @Test(
        arguments: [
            ("a.m4a", []), ("a.mp4", []), ("a.mov", []), ("a.3gp", ["-ar", "8000"]), ("a.aac", []), ("a.webm", []),
            ("a.mka", []),
            ("a.mkv", ["-c:a", "aac"]), ("a.wma", []), ("a.wv", []), ("a.avi", []), ("a.flv", ["-ar", "44100"]),
            ("a.ts", []),
            ("a.g722", []), ("a.mp2", []), ("a.mpg", ["-c:a", "mp2"]), ("a.ac3", []), ("a.tta", []),
            ("a.gsm", ["-ar", "8000"]),
            ("a.rm", ["-ar", "8000"]), ("a.swf", ["-ar", "44100"]), ("a.ast", []), ("a.spdif", ["-ar", "48000"]),
            ("a.g723_1", ["-ar", "8000", "-b:a", "6300"]), ("a.sbc", ["-ar", "16000"]), ("a.nut", []),
            ("a.dts", ["-ar", "48000", "-strict", "-2"]),
            ("a.caf", ["-c:a", "alac"]), ("adpcm.wav", ["-c:a", "adpcm_ima_qt"]),
            ("speex.ogg", ["-c:a", "libspeex"]), ("a.amr", ["-ar", "8000"]),
        ] as [(String, [String])])
    func containersAreDecoded(name: String, options: [String]) throws {
        guard let file = try encoded(name, options) else { return }
        let samples = try AudioFile.read(file)
        #expect(abs(samples.count - 32_000) < 3500, "\(name): \(samples.count)")
        let energy = samples.reduce(0.0) { $0 + Double($1) * Double($1) }
        #expect(abs(energy / 2000 - 1) < 0.25, "\(name): \(energy)")
        guard ExternalDecoder.headerless[file.pathExtension] == nil else { return }
        #expect(try AudioFile.read(Data(contentsOf: file), name: "upload") == samples)
    }

    /// Frames of the 12.2 kbit/s mode, 20 ms each.
    @Test func amrIsDecoded() throws {
        let frame = [0x3C] + [UInt8](repeating: 0, count: 31)
        let samples = try AudioFile.read(
            Data(Array("#!AMR\n".utf8) + [[UInt8]](repeating: frame, count: 50).joined()), name: "silence.amr")
        #expect(samples.count == 50 * 320)
    }

    @Test func moviesGiveTheirSound() throws {
        let movie = ["-f", "lavfi", "-i", "color=size=64x64:duration=2", "-map", "1:v", "-map", "0:a"]
        for name in ["film.mp4", "film.mkv"] {
            let file = try #require(try encoded(name, movie))
            #expect(abs(try AudioFile.read(file).count - 32_000) < 3000)
        }
    }

    private static func playlists(of file: String) -> [String] {
        [
            "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10.0,\nfile:\(file)\n#EXT-X-ENDLIST\n",
            // Without its end ffmpeg would wait for more of the list.
            "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10.0,\nfile:\(file)\n",
            "ffconcat version 1.0\nfile '\(file)'\n",
            """
            <?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT3S" \
            profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet mimeType="audio/mp4">\
            <Representation id="1" bandwidth="1000" codecs="mp4a.40.2"><BaseURL>\(file)</BaseURL></Representation>\
            </AdaptationSet></Period></MPD>
            """,
        ]
    }

    @Test func playlistsAreNotRead() throws {
        let recording = try #require(try encoded("a.m4a"))
        for playlist in Self.playlists(of: recording.path) {
            #expect(throws: AudioError.playlist(file: "upload")) {
                try AudioFile.read(Data(playlist.utf8), name: "upload")
            }
            for name in ["list.m3u8", "list.mp3", "list"] {
                let file = folder.file(name)
                try playlist.write(to: file, atomically: true, encoding: .utf8)
                #expect(throws: AudioError.playlist(file: file.path)) { try AudioFile.read(file) }
                #expect(throws: AudioError.playlist(file: file.path)) { try AudioFile.info(file) }
            }
        }
    }

    /// Different errors would reveal which files exist.
    @Test func errorsDoNotTellWhetherAnotherFileExists() throws {
        let recording = try #require(try encoded("a.m4a"))
        let others =
            ["sdp", "pls", "image"].map { kind in
                { (file: String) in
                    switch kind {
                    case "sdp":
                        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n"
                    case "pls": "[playlist]\nFile1=\(file)\nNumberOfEntries=1\n"
                    default: "; \(file)\n"
                    }
                }
            } + Self.playlists(of: "").indices.map { index in { Self.playlists(of: $0)[index] } }
        for text in others {
            let errors = try [recording.path, "/no/such/file.m4a"].map { path in
                "\(try #require(throws: AudioError.self) { try AudioFile.read(Data(text(path).utf8), name: "upload") })"
            }
            #expect(errors[0] == errors[1])
            #expect(!errors[0].contains("/"), "\(errors[0])")
        }
    }

    @Test func longRecordingsAreRefused() throws {
        let file = try #require(try encoded("a.m4a", seconds: 5))
        let limits = DecodingLimits(seconds: 3)
        #expect(throws: AudioError.tooLong(file: file.path, limit: 3)) { try AudioFile.read(file, limits: limits) }
        #expect(throws: AudioError.tooLong(file: file.path, limit: 3)) { try AudioStream(file, limits: limits) }
        #expect(try AudioFile.read(file, limits: DecodingLimits(seconds: 6)).count > 78_000)
        for format in [AudioFileFormat.flac, .mp3, .opus] {
            let file = folder.file("long.\(format.rawValue)")
            try AudioFile.write(fadingTone(count: 80_000), to: file, format: format)
            #expect(throws: AudioError.tooLong(file: file.path, limit: 3)) { try AudioFile.read(file, limits: limits) }
        }
    }

    /// A minute of silence takes a few kilobytes as FLAC in Matroska, and 90 MB decoded.
    @Test func largeRecordingsDoNotFillTheDisk() throws {
        let silence = ["-af", "volume=0,aresample=48000,pan=8c|c0=c0,apad=whole_dur=60", "-c:a", "flac"]
        let file = try #require(try encoded("bomb.mka", silence))
        #expect(try Data(contentsOf: file).count < 1_000_000)
        #expect(throws: AudioError.tooLarge(file: file.path, limit: 4 << 20)) {
            try AudioFile.read(file, limits: DecodingLimits(temporaryBytes: 4 << 20))
        }
    }

    @Test func decodingIsStopped() throws {
        let asked = Mutex(0)
        let cancelled = DecodingLimits {
            asked.withLock {
                $0 += 1
                return $0 > 3
            }
        }
        let sleep = URL(fileURLWithPath: "/bin/sleep")
        let null = Foundation.open("/dev/null", O_RDWR | O_CLOEXEC)
        defer { close(null) }
        func ending(_ limits: DecodingLimits) throws -> DecoderProcess.Ending {
            try within(seconds: 120) {
                try DecoderProcess(sleep, ["1000"], input: null, output: null, limits: limits).ending
            }
        }
        #expect(try ending(cancelled) == .cancelled)
        let brief = DecodingLimits(time: .milliseconds(200))
        #expect(try ending(brief) == .tooSlow)
        let file = try #require(try encoded("a.m4a"))
        #expect(throws: AudioError.tooSlow(file: file.path, limit: .zero)) {
            try AudioFile.read(file, limits: DecodingLimits(time: .zero))
        }
        #expect(throws: AudioError.cancelled(file: file.path)) {
            try AudioFile.read(file, limits: DecodingLimits(isCancelled: { true }))
        }
    }

    @Test func theProgramEndsWithItsThread() throws {
        let pidFile = folder.file("pid")
        let shell = URL(fileURLWithPath: "/bin/sh")
        let null = Foundation.open("/dev/null", O_RDWR | O_CLOEXEC)
        defer { close(null) }
        let script = "echo $$ > \(pidFile.path); exec sleep 60"
        // A separate thread, which ends while the program runs.
        let thread = Thread {
            var process: pid_t = 0
            _ = DecoderProcess.start(shell, ["-c", script], streams: (null, null, null), mostBytes: 1 << 20, &process)
            while (try? Data(contentsOf: pidFile))?.isEmpty ?? true { usleep(10_000) }
        }
        thread.start()
        while !thread.isFinished { usleep(10_000) }
        let text = try String(contentsOf: pidFile, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        let number = try #require(pid_t(text))
        var status: Int32 = 0
        #expect(waitpid(number, &status, 0) == number)
        #expect(status & 0x7F == SIGKILL)
    }

    @Test func theProgramGetsNothingButItsStreams() throws {
        let open = folder.file("open")
        try Data("secret".utf8).write(to: open)
        let inherited = Foundation.open(open.path, O_RDONLY)
        defer { close(inherited) }
        let null = Foundation.open("/dev/null", O_RDWR | O_CLOEXEC)
        defer { close(null) }
        let run = try DecoderProcess(
            URL(fileURLWithPath: "/bin/sh"), ["-c", "ls -l /proc/$$/fd >&2; exit 7"], input: null, output: null,
            limits: DecodingLimits())
        #expect(run.ending == .exited(7))
        #expect(!run.messages.contains(open.path) && run.messages.contains("/dev/null"))
    }

    @Test func aCrashAndAKillAreToldApart() throws {
        let null = Foundation.open("/dev/null", O_RDWR | O_CLOEXEC)
        defer { close(null) }
        for (name, signal) in [("SEGV", SIGSEGV), ("KILL", SIGKILL)] {
            let run = try DecoderProcess(
                URL(fileURLWithPath: "/bin/sh"), ["-c", "kill -\(name) $$"], input: null, output: null,
                limits: DecodingLimits())
            #expect(run.ending == .killed(signal: signal))
        }
        #expect(AudioError.failed(file: "a", reason: "").kind == .failure)
        #expect(AudioError.damaged(file: "a", reason: "").kind == .input)
        #expect(throws: POSIXError.self) {
            try DecoderProcess(folder.file("none"), [], input: null, output: null, limits: DecodingLimits())
        }
    }
}

import ArgumentParser
import Foundation
import W2VBase
import W2VCluster
import W2VInference
import W2VRecognition

/// `wav2vec2 transcribe`: recognizes recordings.
struct TranscribeCommand: AsyncParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "transcribe",
        abstract: "Transcribe recordings or live speech.",
        discussion: """
            For a single file, only the text is printed. For several files, a folder or a list, each line is the path, \
            a tab and the text. Folders are searched recursively; - reads a whole audio file from standard input.

            --format json prints one JSON object per line with words, their times in seconds, and confidences from 0 \
            to 1; verbose-json adds captions and single characters. srt and vtt are subtitles, ctm is NIST's format, \
            and textgrid is Praat's. Subtitles have two lines of 42 characters, or what --max-line-length, --max-lines \
            and --max-words say. --output writes a file if there is one recording and the name has the format's \
            extension (--output talk.srt), which also chooses the format; otherwise it is a folder, in which each \
            recording gets a result file of its own, in folders that mirror those of the recordings.

            Long recordings are split into overlapping windows at quiet places and read as needed, so memory does not \
            grow with their length. 'wav2vec2 launch' spreads the work over several processes.

            --live transcribes raw audio from standard input as it arrives and prints a line at every pause. A printed \
            line never changes. On a terminal, the words since the last pause are shown and updated; with --json they \
            are printed as events.

            Unreadable recordings are named on standard error and the others are still transcribed. The exit code is \
            then 65, or 1 if the cause is this machine and not the recording, such as a full disk.

            Examples:
              wav2vec2 transcribe --checkpoint best interview.mp3
              wav2vec2 transcribe --checkpoint best --format json recordings > words.jsonl
              wav2vec2 transcribe --checkpoint best --format srt \\
                --output subtitles films/*.m4a
              curl -s https://example.org/talk.ogg | \\
                wav2vec2 transcribe --checkpoint best -
              arecord -q -t raw -f S16_LE -r 16000 | \\
                wav2vec2 transcribe --checkpoint best --live
            """)

    @OptionGroup var model: CheckpointOptions

    @Option(
        name: [.customShort("f"), .long],
        help: "Output format: \(TranscriptFormat.allCases.map(\.rawValue).joined(separator: ", ")).")
    var format: TranscriptFormat?

    @Flag(help: "Same as --format json; with --live, prints one JSON event per line.")
    var json = false

    @Option(
        name: [.customShort("o"), .long],
        help: "File for the result of one recording, or folder for one result file per recording; created if missing.",
        completion: .file())
    var output: String?

    @Flag(help: "Replace existing files.")
    var force = false

    @Flag(help: "Continue an earlier run: skip recordings whose result is already in --output.")
    var resume = false

    @Option(
        help: "Text file that lists recordings or folders, one per line; - reads it from standard input.",
        completion: .file())
    var list: [String] = []

    @OptionGroup(title: "Text") var text: TextFormOptions

    @OptionGroup(title: "Subtitles") var captions: CaptionOptions

    @OptionGroup(title: "Live input") var liveInput: LiveInputOptions

    @OptionGroup(title: "Decoding") var decoding: DecodingOptions

    @OptionGroup var compute: ComputeOptions

    @Argument(
        help: "Recordings (WAV, FLAC, Ogg, Opus, MP3, others through ffmpeg), folders of them, or -.",
        completion: .file())
    var files: [String] = []

    @OptionGroup var logging: LogOptions

    /// The seconds of audio per process in a group of recordings.
    private static let groupSeconds = 600.0

    private static let launched = ValidationError(
        "Standard input goes to one process only; leave 'wav2vec2 launch' out.")

    private var chosenFormat: TranscriptFormat {
        format ?? (json ? .json : isSingleFile ? TranscriptFormat(fileNamed: output) : nil) ?? .text
    }

    /// Whether one recording is named, and no folder.
    private var isSingleRecording: Bool {
        guard list.isEmpty, files.count == 1, let file = files.first else { return false }
        return file == "-" || !TranscriptionInputs.isFolder(file)
    }

    /// Whether the output is a file rather than a folder.
    private var isSingleFile: Bool {
        guard let output, isSingleRecording, !TranscriptionInputs.isFolder(output), !output.hasSuffix("/") else {
            return false
        }
        return (format ?? (json ? .json : nil)).map { $0.isExtension(of: output) }
            ?? (TranscriptFormat(fileNamed: output) != nil)
    }

    func validate() throws {
        if force || resume, output == nil {
            throw ValidationError("--force and --resume are about files in an --output.")
        }
        if force, resume { throw ValidationError("--force replaces what --resume leaves out: choose one of them.") }
        if json, let format, format != .json {
            throw ValidationError("--json and --format \(format.rawValue) exclude each other.")
        }
        try captions.validate(
            for: chosenFormat.rawValue, hasCaptions: [.srt, .vtt, .verboseJSON].contains(chosenFormat))
        if liveInput.live {
            guard files.allSatisfy({ $0 == "-" }), list.isEmpty, output == nil else {
                throw ValidationError("--live reads standard input and writes standard output, and nothing else.")
            }
            guard [.text, .json].contains(chosenFormat) else {
                throw ValidationError("--live writes text or json, not \(chosenFormat.rawValue).")
            }
            return
        }
        if files.isEmpty && list.isEmpty {
            throw ValidationError("Name recordings, folders, - for standard input, or a --list.")
        }
        if (files + list).filter({ $0 == "-" }).count > 1 {
            throw ValidationError("Standard input can be read only once.")
        }
    }

    func run() async throws {
        let code = try await withCluster { try await run(among: $0) }
        if code != EXIT_SUCCESS { throw ExitCode(code) }
    }

    /// Returns the exit code; 0 in processes that leave the output to another one.
    private func run(among cluster: Cluster?) async throws -> Int32 {
        try compute.apply()
        if liveInput.live {
            guard cluster == nil else { throw Self.launched }
            try await liveInput.run(asJSON: chosenFormat == .json) {
                try await model.recognizer(device: compute.device, decoding: decoding).writing(in: text.form)
            }
            return EXIT_SUCCESS
        }
        let isLeader = cluster?.isLeader ?? true
        if cluster != nil && (files + list).contains("-") { throw Self.launched }
        let inputs = try TranscriptionInputs(files: files, lists: list)
        let writer = try TranscriptWriter(
            inputs, format: chosenFormat, captions: captions.layout, output: output.map(fileURL),
            isFile: isSingleFile, replaces: force || resume)
        let entries = inputs.entries.enumerated().filter { !resume || !writer.hasWritten($0.offset) }
        if entries.count < inputs.entries.count, isLeader {
            Console.log.info(
                "transcribe: \(inputs.entries.count - entries.count) of \(inputs.entries.count) files are already there"
            )
        }
        let recognizer = try await model.recognizer(
            device: compute.device(among: cluster), decoding: decoding
        ).writing(in: text.form)
        let run = SharedRecordings(
            recordings: Recordings(count: entries.count) { try entries[$0].element.recording() }, cluster: cluster,
            group: BatchBudget(seconds: Self.groupSeconds * Double(cluster?.size ?? 1), count: 256))
        let progress = TranscriptionProgress(total: entries.count)
        var failed = FailedRecordings()
        var audioSeconds = 0.0
        let detail = chosenFormat.detail
        for try await pass in run.results({ share, _ in recognizer.transcriptions(of: share, detail: detail) }) {
            guard isLeader else { continue }
            for finished in pass.finished {
                let (index, entry) = entries[finished.index]
                switch finished.result {
                case .success(let transcription):
                    audioSeconds += transcription.duration
                    try writer.write(transcription, index: index, path: entry.path)
                case .failure(let error): failed.add(error)
                }
            }
            progress.show(pass.progress)
        }
        guard isLeader else { return EXIT_SUCCESS }
        let seconds = progress.seconds
        Console.log.info(
            "transcribe: \(entries.count - failed.count) of \(entries.count) files, \(TimedWork(audioSeconds: audioSeconds, seconds: seconds))",
            metadata: [
                "files": .stringConvertible(entries.count), "failures": .stringConvertible(failed.count),
                "audio_seconds": .stringConvertible(audioSeconds), "seconds": .stringConvertible(seconds),
            ])
        return failed.code
    }
}

/// Reports the progress of a transcription.
private struct TranscriptionProgress {
    let total: Int
    private let began = ContinuousClock.now

    init(total: Int) { self.total = total }

    /// The elapsed time in seconds.
    var seconds: Double { (ContinuousClock.now - began) / .seconds(1) }

    func show(_ progress: InferenceProgress) {
        let elapsed = seconds
        // The lengths of later files are unknown until they are opened, so assume the average of the files so far.
        let left = elapsed * (Double(total) / max(progress.position, 1e-9) - 1)
        Console.progress(
            "transcribe: \(progress.recordings) of \(total) files · \(decimal(progress.seconds, 0)) s of audio · "
                + "\(decimal(progress.seconds / elapsed, 1)) s of audio/s · ETA \(ReadableText.duration(left))",
            share: progress.position / Double(max(1, total)))
    }
}

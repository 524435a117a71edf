import ArgumentParser
import Foundation
import W2VAudio
import W2VBase
import W2VDecoding
import W2VInference
import W2VRecognition

extension AlignmentFormat: ExpressibleByArgument {}

/// `wav2vec2 align`: finds the times of a transcript's words.
struct AlignCommand: AsyncParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "align",
        abstract: "Find when each word and letter of transcripts is spoken in recordings.",
        discussion: """
            Computes the model's most probable path through the transcript, exactly, even for recordings of several \
            hours. The text format has one line per word: start, end, confidence from 0 to 1, word. The transcript \
            must contain exactly what is said. Words are written as the transcript has them; for the model they are \
            spelled in the case of its letters and without punctuation.

            A corpus is a folder with a .txt beside each recording or with LibriSpeech's *.trans.txt, or a manifest with \
            labels. Each recording gets a file in the folder --output, in folders that mirror those of the recordings. \
            Recordings that cannot be aligned are named on standard error, and the exit code is then 65; --resume does \
            only what is not there yet.

            Examples:
              wav2vec2 align speech.flac speech.txt --checkpoint best
              wav2vec2 align talk.mp3 talk.txt --checkpoint best --output talk.srt
              wav2vec2 align speech.flac --text "A tidy house." --checkpoint best \\
                --format json
              wav2vec2 align corpus --checkpoint best --format textgrid \\
                --output aligned
            """)

    @Argument(help: "Recording to align, or a corpus: a folder, or a manifest with labels.", completion: .file())
    var audio: String?

    @Argument(help: "File with the transcript of a recording.", completion: .file())
    var transcript: String?

    @OptionGroup var model: CheckpointOptions

    @Option(help: "Manifest of a corpus to align, in any format, with labels.", completion: .file())
    var manifest: String?

    @Option(help: "Transcript itself, instead of a file.")
    var text: String?

    @Flag(help: .hidden)
    var uppercase = false

    @Option(
        name: [.customShort("f"), .long],
        help: """
            Output format: \(AlignmentFormat.allCases.map(\.rawValue).joined(separator: ", ")). (default: from the \
            extension of --output, else text)
            """)
    var format: AlignmentFormat?

    @OptionGroup(title: "Subtitles") var captions: CaptionOptions

    @Option(
        name: [.customShort("o"), .long],
        help: "File to write, instead of standard output; for a corpus, the folder of its files.", completion: .file())
    var output: String?

    @Flag(help: "Replace existing files of a corpus.")
    var force = false

    @Flag(help: "Continue with a corpus: skip recordings whose file is already there.")
    var resume = false

    @OptionGroup var compute: ComputeOptions

    @OptionGroup var logging: LogOptions

    private var chosenFormat: AlignmentFormat {
        let named = output.map { fileURL($0).pathExtension.lowercased() }
        let known = AlignmentFormat.allCases.first { $0 != .text && $0.fileExtension.lowercased() == named }
        return format ?? (corpus == nil ? known : nil) ?? .text
    }

    /// The corpus to align; nil for a single recording.
    private var corpus: String? {
        if let manifest { return manifest }
        guard let audio, transcript == nil, text == nil else { return nil }
        // A recording on its own lacks its transcript; any other name is that of a corpus.
        let isAudio = AudioFile.fileExtensions.contains(fileURL(audio).pathExtension.lowercased())
        return isAudio && !TranscriptionInputs.isFolder(audio) ? nil : audio
    }

    func validate() throws {
        if manifest != nil, audio != nil {
            throw ValidationError("Give either --manifest or a recording, not both.")
        }
        guard manifest != nil || audio != nil else {
            throw ValidationError("Name a recording and its transcript, a corpus, or a --manifest.")
        }
        if corpus != nil {
            guard transcript == nil, text == nil else {
                throw ValidationError("A corpus has its own transcripts; leave the transcript out.")
            }
            guard output != nil else { throw ValidationError("A corpus needs a folder for its files: --output.") }
            if force, resume { throw ValidationError("--force replaces what --resume leaves out: choose one of them.") }
        } else {
            guard (transcript == nil) != (text == nil) else {
                throw ValidationError("Give the transcript either as a file or by --text.")
            }
            if resume || force { throw ValidationError("--resume and --force are about a corpus.") }
            try refuseReplacing([audio, transcript].compactMap { $0 }.map(fileURL), by: output)
        }
        try captions.validate(for: chosenFormat.rawValue, hasCaptions: [.srt, .vtt].contains(chosenFormat))
    }

    func run() async throws {
        try compute.apply()
        guard let corpus else { return try await alignOne() }
        let list = try AlignmentCorpus(fileURL(corpus))
        let files = try AlignmentFiles(
            list, format: chosenFormat, folder: fileURL(output ?? ""), replaces: force, resumes: resume)
        let code = try await alignAll(list, files)
        if code != EXIT_SUCCESS { throw ExitCode(code) }
    }

    // MARK: - One recording

    private func alignOne() async throws {
        let audio = audio ?? ""
        let words = try readTranscript()
        let recognizer = try await model.recognizer(device: compute.device)
        let url = fileURL(audio)
        var aligned: TimedTranscript
        do {
            let recording = try Recording(contentsOf: url)
            let progress = CountProgress("align", "s of audio")
            let seconds = recording.sampleCount / AudioFile.modelSampleRate
            aligned = try await recognizer.align(recording, transcript: uppercase ? words.uppercased() : words) {
                progress.show(min(Int($0.rounded(.up)), seconds), of: seconds)
            }
        } catch let error as DecoderError {
            throw CommandError(.input, "\(transcript ?? audio): \(error.problem)", error.advice)
        }
        aligned.name = url.deletingPathExtension().lastPathComponent
        aligned.captionLayout = captions.layout
        if let warning = aligned.doubt { Console.log.warning("\(audio): \(warning)", metadata: ["file": "\(audio)"]) }
        try writeResult(to: output.map(fileURL)) { try chosenFormat.write(aligned, to: $0) }
    }

    private func readTranscript() throws -> String {
        if let text { return text }
        guard let transcript else { return "" }
        let data: Data
        do {
            data = try Data(contentsOf: fileURL(transcript))
        } catch {
            throw CommandError(
                .input, "\(transcript): the transcript cannot be read (\(SystemReason.of(error)))",
                "check the path, or give the text itself by --text")
        }
        do {
            return try UTF8Text.decode(data)
        } catch {
            throw CommandError(error, at: "\(transcript): ")
        }
    }

    // MARK: - A corpus

    /// Aligns what is not there yet, and returns the exit code.
    private func alignAll(_ corpus: AlignmentCorpus, _ files: AlignmentFiles) async throws -> Int32 {
        var failed = FailedRecordings()
        for failure in corpus.failures { failed.add(CommandError(.input, failure)) }
        let missing = corpus.transcripts.indices.filter { !(resume && files.isWritten($0)) }
        if missing.count < corpus.transcripts.count {
            Console.log.info(
                "align: \(corpus.transcripts.count - missing.count) of \(corpus.transcripts.count) files are already there"
            )
        }
        guard !missing.isEmpty else { return failed.code }
        let recognizer = try await model.recognizer(device: compute.device)
        let (manifest, transcripts) = (corpus.manifest, corpus.transcripts)
        let recordings = Recordings(count: missing.count) { Recording(manifest, missing[$0]) }
        let uppercase = uppercase
        let results = recognizer.alignments(of: recordings) { index in
            let text = transcripts[missing[index]]
            return uppercase ? text.uppercased() : text
        }
        let progress = CountProgress("align", "recordings")
        var seconds = 0.0
        let began = ContinuousClock.now
        for try await pass in results {
            for finished in pass.finished {
                let index = missing[finished.index]
                let name = manifest.identifier(index)
                switch finished.result {
                case .success(var aligned):
                    seconds += aligned.duration
                    aligned.name = files.name(index)
                    aligned.captionLayout = captions.layout
                    if let warning = aligned.doubt {
                        Console.log.warning("\(name): \(warning)", metadata: ["file": "\(name)"])
                    }
                    try writeResult(to: files.file(index)) { try chosenFormat.write(aligned, to: $0) }
                case .failure(let error as DecoderError): failed.add(error, at: "\(name): ")
                case .failure(let error): failed.add(error)
                }
            }
            progress.show(pass.progress.recordings, of: missing.count)
        }
        let took = (ContinuousClock.now - began) / .seconds(1)
        let all = corpus.transcripts.count + corpus.failures.count
        Console.log.info(
            "align: \(all - failed.count) of \(all) recordings in \(output ?? ""), \(TimedWork(audioSeconds: seconds, seconds: took))"
        )
        return failed.code
    }
}

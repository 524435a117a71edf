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
        abstract: "Find when each word and letter of a transcript is spoken in a recording.",
        discussion: """
            Computes the model's most probable path through the transcript, exactly, even for recordings of several \
            hours. The text format has one line per word: start, end, confidence from 0 to 1, word. The transcript \
            must be written in the letters of the model's dictionary and contain exactly what is said.

            Examples:
              wav2vec2 align speech.flac speech.txt --checkpoint best
              wav2vec2 align talk.mp3 talk.txt --checkpoint best \\
                --format srt --output talk.srt
              wav2vec2 align speech.flac --text "A TIDY HOUSE" --checkpoint best \\
                --format json
            """)

    @Argument(help: "Recording to align.", completion: .file())
    var audio: String

    @Argument(help: "File with the transcript.", completion: .file())
    var transcript: String?

    @OptionGroup var model: CheckpointOptions

    @Option(help: "Transcript itself, instead of a file.")
    var text: String?

    @Flag(help: "Convert the transcript to capital letters first.")
    var uppercase = false

    @Option(
        name: [.customShort("f"), .long],
        help: "Output format: \(AlignmentFormat.allCases.map(\.rawValue).joined(separator: ", ")).")
    var format = AlignmentFormat.text

    @Option(help: "File to write, instead of standard output.", completion: .file())
    var output: String?

    @OptionGroup var compute: ComputeOptions

    @OptionGroup var logging: LogOptions

    func validate() throws {
        guard (transcript == nil) != (text == nil) else {
            throw ValidationError("Give the transcript either as a file or by --text.")
        }
        try refuseReplacing([audio, transcript].compactMap { $0 }.map(fileURL), by: output)
    }

    func run() async throws {
        try compute.apply()
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
            let hasSmallLetters = error.missing?.reasons.contains(.smallLetters) == true
            throw CommandError(
                .input, "\(transcript ?? audio): \(error.problem)",
                hasSmallLetters ? error.advice.map { $0 + " (--uppercase)" } : error.advice)
        }
        aligned.name = url.deletingPathExtension().lastPathComponent
        if let warning = aligned.doubt { Console.log.warning("\(audio): \(warning)", metadata: ["file": "\(audio)"]) }
        try writeResult(to: output.map(fileURL)) { try format.write(aligned, to: $0) }
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
}

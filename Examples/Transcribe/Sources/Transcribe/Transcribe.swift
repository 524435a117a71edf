import Audio
import Foundation
import W2V

/// Prints the words of recordings with their times: `swift run Transcribe CHECKPOINT FILE…`.
@main enum Transcribe {
    static func main() async throws {
        guard !recordings.isEmpty else {
            print("usage: Transcribe CHECKPOINT FILE…")
            exit(64)
        }
        let recognizer = try await Recognizer(checkpoint: URL(filePath: CommandLine.arguments[1]))
        for recording in recordings {
            let transcription = try await recognizer.transcribe(recording)
            print("\(recording.lastPathComponent): \(transcription.text)")
            for word in transcription.words { print(word.start, word.end, word.text, word.confidence) }
        }
    }
}

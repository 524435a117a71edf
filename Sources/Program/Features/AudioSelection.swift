import ArgumentParser
import Foundation
import W2VAudio
import W2VCorpus
import W2VFeatures
import W2VInference

/// The recordings that a command processes: a manifest's utterances, or files and folders.
struct AudioSelection: ParsableArguments {
    @Option(
        name: [.customShort("m"), .long],
        help: "Manifest of the recordings: a fairseq .tsv, JSON lines, a Kaldi folder, or a folder.",
        completion: .file())
    var manifest: String?

    @Argument(
        help: """
            Recordings (WAV, FLAC, Ogg, Opus, MP3, others through ffmpeg), folders of them, or - for standard input, \
            instead of a manifest.
            """,
        completion: .file())
    var files: [String] = []

    func validate() throws {
        guard (manifest == nil) != files.isEmpty else {
            throw ValidationError("Name the recordings, either by --manifest or one by one.")
        }
    }

    /// Returns all recordings, in order.
    ///
    /// - Returns: At least one recording; an error of a file is found when its turn comes.
    /// - Throws: An error of the manifest.
    func recordings() throws -> [SelectedRecording] {
        guard let manifest else { return try named() }
        let list = try Manifest.read(fileURL(manifest))
        try list.validate()
        return (0..<list.count).map { index in
            let utterance = list[index]
            return SelectedRecording(
                source: FeatureSource(identifier: utterance.identifier, audio: utterance.audio.path),
                place: "\(list.source(of: index).name):\(utterance.line): ",
                recording: .success(Recording(list, index)))
        }
    }

    private func named() throws -> [SelectedRecording] {
        let inputs = try TranscriptionInputs(files: files, lists: [])
        return zip(inputs.entries, inputs.outputNames()).map { entry, name in
            SelectedRecording(
                source: FeatureSource(identifier: name, audio: entry.root == nil ? "-" : fileURL(entry.path).path),
                place: "", recording: Result { try entry.recording() })
        }
    }
}

/// A recording to process.
struct SelectedRecording {
    /// The recording's name and path.
    var source: FeatureSource
    /// The start of error messages: the line of the manifest.
    var place: String
    /// The recording, or an error if its header cannot be read.
    var recording: Result<Recording, any Error>

    /// The length in seconds; 0 if unknown.
    var seconds: Double {
        Double((try? recording.get())?.sampleCount ?? 0) / Double(AudioFile.modelSampleRate)
    }
}

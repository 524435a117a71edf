import ArgumentParser
import Corpus
import Features
import Foundation
import Recognition

/// The recordings that a command works on: a manifest's utterances, or files and folders.
struct AudioSelection: ParsableArguments {
    @Option(
        help: "The recordings: a fairseq .tsv, JSON lines, a Kaldi folder, or a folder.", completion: .file())
    var manifest: String?

    @Argument(
        help: "Recordings (WAV, FLAC, Ogg, Opus, MP3, others through ffmpeg) or folders of them, without --manifest.",
        completion: .file())
    var files: [String] = []

    func validate() throws {
        guard (manifest == nil) != files.isEmpty else {
            throw ValidationError("Name the recordings, either by --manifest or one by one.")
        }
    }

    /// All recordings, in order.
    ///
    /// - Returns: At least one; what is wrong with a file is found when its turn comes.
    /// - Throws: What is wrong with the manifest.
    func recordings() throws -> [SelectedRecording] {
        guard let manifest else { return try files.flatMap(recordings) }
        let list = try Manifest.read(fileURL(manifest))
        try list.validate()
        return (0..<list.count).map { index in
            let utterance = list[index]
            return SelectedRecording(
                source: FeatureSource(identifier: utterance.identifier, audio: utterance.audio.path),
                place: "\(list.source(of: index).name):\(utterance.line): ",
                recording: .success(Recording(utterance, tolerance: list.lengthTolerance(of: index))))
        }
    }

    private func recordings(_ path: String) throws -> [SelectedRecording] {
        var isFolder: ObjCBool = false
        let exists = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
        let paths = exists && isFolder.boolValue ? try audioFiles(in: path) : [path]
        return paths.map { file in
            let name = paths == [path] ? fileURL(file).lastPathComponent : String(file.dropFirst(path.count))
            let identifier = (name as NSString).deletingPathExtension.trimmingCharacters(in: ["/"])
            return SelectedRecording(
                source: FeatureSource(identifier: identifier, audio: fileURL(file).path), place: "",
                recording: Result { try Recording(contentsOf: fileURL(file)) })
        }
    }
}

/// A recording to work on.
struct SelectedRecording {
    /// What it is called.
    var source: FeatureSource
    /// What errors begin with: the line of the manifest.
    var place: String
    /// The recording, unless its header cannot be read.
    var recording: Result<Recording, any Error>
}

/// The audio files of a folder and its subfolders.
///
/// - Parameter folder: The folder.
/// - Returns: Their paths in alphabetical order, beginning with the folder's.
/// - Throws: `CorpusError.noAudio`.
func audioFiles(in folder: String) throws -> [String] {
    let wanted = Set(ManifestBuilder.defaultExtensions)
    let found = (FileManager.default.enumerator(atPath: folder)?.allObjects ?? []).compactMap { $0 as? String }
        .filter { path in
            let file = fileURL(path)
            return !file.lastPathComponent.hasPrefix(".") && wanted.contains(file.pathExtension.lowercased())
        }
    if found.isEmpty { throw CorpusError.noAudio(folder: folder, extensions: ManifestBuilder.defaultExtensions) }
    return found.sorted().map { (folder as NSString).appendingPathComponent($0) }
}

import Foundation
import W2VBackbone
import W2VTorch

extension Checkpoint {
    /// Writes the model in a format, in its place only when all of it is written.
    ///
    /// - Parameters:
    ///   - url: The file or folder; the folder above is made if it is missing.
    ///   - replaces: Whether a file or a converted checkpoint's folder that is there makes room.
    /// - Returns: What the original held and the new checkpoint does not, a phrase each, its key first.
    /// - Throws: ``CheckpointError`` for a model that the format cannot represent, for a recognizer without the
    ///   dictionary that the format needs, and for a place that is taken; `FileWriteError` when the disk is full.
    public func convert(to url: URL, format: CheckpointFormat, replacing replaces: Bool = false) throws -> [String] {
        // fairseq and NVIDIA keep dictionaries beside their data; a folder of ours or Hugging Face's is complete.
        if description.task.hasLabels, format.isFolder { _ = try requireLabels() }
        return try notCarriedOver
            + CheckpointPlacement.write(to: url, isFolder: format.isFolder, replaces: replaces) {
                try Checkpoint.write(description, state: state, to: $0, format: format, update: update ?? 0)
            }
    }
}

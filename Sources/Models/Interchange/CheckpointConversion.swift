import Foundation
import W2VBackbone
import W2VTorch

extension Checkpoint {
    /// Writes the model in a format; it appears at its destination only when it is complete.
    ///
    /// - Parameters:
    ///   - url: The file or folder; the enclosing folder is created if it is missing.
    ///   - replaces: Whether an existing file or folder of a converted checkpoint is replaced.
    /// - Returns: The content of the original that the new checkpoint lacks, one phrase each, starting with the key.
    /// - Throws: ``CheckpointError`` for a model that the format cannot represent, for a recognizer without the
    ///   dictionary that the format needs, and for a destination that is taken; `FileWriteError` when the disk is full.
    public func convert(to url: URL, format: CheckpointFormat, replacing replaces: Bool = false) throws -> [String] {
        // fairseq and NVIDIA keep dictionaries with their data; a folder of ours or Hugging Face's is self-contained.
        if description.task.hasLabels, format.isFolder { _ = try requireLabels() }
        return try notCarriedOver
            + CheckpointPlacement.write(to: url, isFolder: format.isFolder, replaces: replaces) {
                try Checkpoint.write(description, state: state, to: $0, format: format, update: update ?? 0)
            }
    }
}

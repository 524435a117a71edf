import Foundation

/// The layouts of checkpoints on disk.
public enum CheckpointFormat: String, Sendable, CaseIterable {
    /// This program's own: a folder with `model.safetensors` and `config.json`, names as in fairseq.
    case native
    /// fairseq's: a `.pt` file with `args` or `cfg`.
    case fairseq
    /// NVIDIA's DeepLearningExamples': a `.pt` file with `args` as a dictionary.
    case nvidia
    /// Hugging Face's: a folder that `from_pretrained` loads.
    case huggingFace = "huggingface"

    /// The name for people.
    public var name: String {
        switch self {
        case .native: "this program's"
        case .fairseq: "fairseq's"
        case .nvidia: "NVIDIA's"
        case .huggingFace: "Hugging Face's"
        }
    }

    /// Whether a checkpoint is a folder, not a single file.
    public var isFolder: Bool { self == .native || self == .huggingFace }
}

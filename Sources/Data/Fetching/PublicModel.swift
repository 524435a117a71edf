import Foundation

/// A well-known model that its publisher offers freely.
public struct PublicModel: Equatable, Sendable {
    /// The form in which it is published.
    public enum Form: String, Sendable {
        /// One `.pt` file, from fairseq's publisher.
        case fairseq
        /// A folder on the Hugging Face hub.
        case huggingFace = "huggingface"
    }

    /// The model's name: a file, or `organization/model` on the hub.
    public var name: String
    /// The form of its files.
    public var form: Form
    /// The model's description and training data.
    public var summary: String
    /// Whether it recognizes letters, so that it needs fairseq's dictionary beside it.
    public var isRecognizer: Bool

    /// The base address of fairseq's published models.
    public static let fairseqBase = "https://dl.fbaipublicfiles.com/fairseq/wav2vec"

    /// All models that have a short name.
    public static let all: [PublicModel] = fairseq + huggingFace

    private static let fairseq: [PublicModel] = [
        model("wav2vec_small.pt", "BASE, pre-trained on LibriSpeech 960 h"),
        model("wav2vec_small_10m.pt", "BASE, fine-tuned on 10 minutes", recognizes: true),
        model("wav2vec_small_100h.pt", "BASE, fine-tuned on 100 h", recognizes: true),
        model("wav2vec_small_960h.pt", "BASE, fine-tuned on 960 h", recognizes: true),
        model("libri960_big.pt", "LARGE, pre-trained on LibriSpeech 960 h"),
        model("wav2vec_big_10m.pt", "LARGE, fine-tuned on 10 minutes", recognizes: true),
        model("wav2vec_big_100h.pt", "LARGE, fine-tuned on 100 h", recognizes: true),
        model("wav2vec_big_960h.pt", "LARGE, fine-tuned on 960 h", recognizes: true),
        model("wav2vec_vox_new.pt", "LARGE, pre-trained on Libri-Light 60,000 h"),
        model("wav2vec_vox_10m_new.pt", "LARGE (Libri-Light), fine-tuned on 10 minutes", recognizes: true),
        model("wav2vec_vox_100h_new.pt", "LARGE (Libri-Light), fine-tuned on 100 h", recognizes: true),
        model("wav2vec2_vox_960h_new.pt", "LARGE (Libri-Light), fine-tuned on 960 h", recognizes: true),
        model("wav2vec_vox_10m_pl.pt", "LARGE (Libri-Light), self-training, 10 minutes", recognizes: true),
        model("wav2vec_vox_100h_pl.pt", "LARGE (Libri-Light), self-training, 100 h", recognizes: true),
        model("wav2vec_vox_960h_pl.pt", "LARGE (Libri-Light), self-training, 960 h", recognizes: true),
        model("xlsr_53_56k.pt", "XLSR-53: LARGE, pre-trained on 56,000 h in 53 languages"),
        model("xlsr2_300m.pt", "XLS-R 300M, pre-trained on 436,000 h in 128 languages"),
        model("xlsr2_960m_1000k.pt", "XLS-R 1B, likewise"),
        model("xlsr2_2B_1000k.pt", "XLS-R 2B, likewise"),
    ]

    private static let huggingFace: [PublicModel] = [
        folder("facebook/wav2vec2-base", "BASE, pre-trained on LibriSpeech 960 h"),
        folder("facebook/wav2vec2-base-100h", "BASE, fine-tuned on 100 h"),
        folder("facebook/wav2vec2-base-960h", "BASE, fine-tuned on 960 h"),
        folder("facebook/wav2vec2-large", "LARGE, pre-trained on LibriSpeech 960 h"),
        folder("facebook/wav2vec2-large-960h", "LARGE, fine-tuned on 960 h"),
        folder("facebook/wav2vec2-large-lv60", "LARGE, pre-trained on Libri-Light 60,000 h"),
        folder("facebook/wav2vec2-large-960h-lv60", "LARGE (Libri-Light), fine-tuned on 960 h"),
        folder("facebook/wav2vec2-large-960h-lv60-self", "LARGE (Libri-Light), self-training, 960 h"),
        folder("facebook/wav2vec2-large-xlsr-53", "XLSR-53: LARGE, pre-trained on 53 languages"),
        folder("facebook/wav2vec2-xls-r-300m", "XLS-R 300M, pre-trained on 128 languages"),
        folder("facebook/wav2vec2-xls-r-1b", "XLS-R 1B, likewise"),
        folder("facebook/wav2vec2-xls-r-2b", "XLS-R 2B, likewise"),
        folder("facebook/hubert-large-ls960-ft", "HuBERT LARGE, fine-tuned on 960 h"),
    ]

    private static func model(_ name: String, _ summary: String, recognizes: Bool = false) -> PublicModel {
        PublicModel(name: name, form: .fairseq, summary: summary, isRecognizer: recognizes)
    }

    private static func folder(_ name: String, _ summary: String) -> PublicModel {
        PublicModel(name: name, form: .huggingFace, summary: summary, isRecognizer: false)
    }

    /// Finds a model.
    ///
    /// - Parameter name: A name in the list, a `.pt` file's with or without its extension, or any `organization/model`
    ///   on the hub.
    /// - Returns: The model, or nil for an unknown name.
    public static func named(_ name: String) -> PublicModel? {
        if let known = all.first(where: { $0.name == name || $0.name == name + ".pt" }) { return known }
        let halves = name.split(separator: "/", omittingEmptySubsequences: false)
        let isPlain = halves.allSatisfy { half in
            !half.isEmpty && half != "." && half != ".."
                && half.utf8.allSatisfy { byte in
                    let scalar = Unicode.Scalar(byte)
                    return scalar.properties.isAlphabetic && scalar.isASCII || (48...57).contains(byte)
                        || "-_.".unicodeScalars.contains(scalar)
                }
        }
        return halves.count == 2 && isPlain ? folder(name, "a model of the hub") : nil
    }

    /// Returns the files of a model in fairseq's form.
    ///
    /// The publisher gives neither checksums nor sizes.
    ///
    /// - Parameters:
    ///   - folder: The destination folder.
    ///   - mirrors: The base addresses of servers, in the order of attempts.
    /// - Returns: The model, and for a recognizer the dictionary of its letters, which some files lack.
    public func fairseqFiles(in folder: URL, mirrors: [String] = [fairseqBase]) -> [Download] {
        ([name] + (isRecognizer ? ["dict.ltr.txt"] : [])).map { file in
            Download(
                addresses: mirrors.map { join($0, file) }, destination: folder.appendingPathComponent(file))
        }
    }

    /// Checks that a file is in fairseq's form: without a checksum, a proxy's error page would pass for a model.
    ///
    /// - Parameter file: The fetched file, which is set aside as `.damaged` if it is something else.
    /// - Throws: `FetchError.otherContent`.
    public func check(_ file: URL) throws {
        let handle = try FileHandle(forReadingFrom: file)
        let head = try handle.read(upToCount: 2) ?? Data()
        try handle.close()
        // A zip archive, or a pickle of older versions; a dictionary begins with its most frequent symbol.
        let beginnings = file.pathExtension == "pt" ? [Data("PK".utf8), Data([0x80, 0x02])] : [Data("| ".utf8)]
        guard !beginnings.contains(head) else { return }
        let aside = file.appendingPathExtension("damaged")
        rename(file.path, aside.path)
        throw FetchError.otherContent(
            file: file.path, expected: file.pathExtension == "pt" ? "a PyTorch file" : "fairseq's dictionary",
            kept: aside.path)
    }
}

/// Joins a base address and a path.
func join(_ base: String, _ path: String) -> String {
    (base.hasSuffix("/") ? String(base.dropLast()) : base) + "/" + path
}

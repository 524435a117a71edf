import Foundation
import W2VBase

/// A well-known model that its publisher offers freely.
public struct PublicModel: Equatable, Sendable {
    /// The form in which it is published.
    public enum Form: String, Sendable {
        /// One `.pt` file, from fairseq's publisher.
        case fairseq
        /// A folder on the Hugging Face hub.
        case huggingFace = "huggingface"
    }

    /// What a model is for.
    public enum Task: String, Sendable {
        /// It was trained without transcripts: a start for fine-tuning, and a source of features.
        case pretraining = "pre-training"
        /// It writes text.
        case recognition
    }

    /// The model's name: a file, or `organization/model` on the hub.
    public var name: String
    /// The form of its files.
    public var form: Form
    /// The model's size and training data.
    public var summary: String
    /// What it is for.
    public var task: Task
    /// The languages of its training data.
    public var languages: String
    /// The license by its SPDX name; nil if it is not known here.
    public var license: String?
    /// The number of parameters; nil if it is not known here.
    public var parameters: Int?

    /// Whether it recognizes letters.
    public var isRecognizer: Bool { task == .recognition }

    /// The size of its weights in bytes, in FP32; nil if it is not known here.
    ///
    /// A fairseq file of a pre-trained model holds the optimizer's state too, which makes it up to three times as large.
    public var weightBytes: Int? { parameters.map { $0 * 4 } }

    /// The base address of fairseq's published models.
    public static let fairseqBase = "https://dl.fbaipublicfiles.com/fairseq/wav2vec"

    /// All models that have a short name.
    public static let all: [PublicModel] = fairseq + huggingFace

    /// Parameters of the architectures; those of pre-training include the quantizer.
    private enum Size {
        static let base = 94_400_000
        static let pretrainedBase = 95_040_000
        static let large = 315_500_000
        static let pretrainedLarge = 317_400_000
        static let oneBillion = 962_500_000
        static let twoBillion = 2_159_000_000
    }

    private static let fairseq: [PublicModel] = [
        model("wav2vec_small.pt", "BASE, LibriSpeech 960 h", Size.pretrainedBase),
        model("wav2vec_small_10m.pt", "BASE, fine-tuned on 10 minutes", Size.base, .recognition),
        model("wav2vec_small_100h.pt", "BASE, fine-tuned on 100 h", Size.base, .recognition),
        model("wav2vec_small_960h.pt", "BASE, fine-tuned on 960 h", Size.base, .recognition),
        model("libri960_big.pt", "LARGE, LibriSpeech 960 h", Size.pretrainedLarge),
        model("wav2vec_big_10m.pt", "LARGE, fine-tuned on 10 minutes", Size.large, .recognition),
        model("wav2vec_big_100h.pt", "LARGE, fine-tuned on 100 h", Size.large, .recognition),
        model("wav2vec_big_960h.pt", "LARGE, fine-tuned on 960 h", Size.large, .recognition),
        model("wav2vec_vox_new.pt", "LARGE, Libri-Light 60,000 h", Size.pretrainedLarge),
        model("wav2vec_vox_10m_new.pt", "LARGE (Libri-Light), fine-tuned on 10 minutes", Size.large, .recognition),
        model("wav2vec_vox_100h_new.pt", "LARGE (Libri-Light), fine-tuned on 100 h", Size.large, .recognition),
        model("wav2vec2_vox_960h_new.pt", "LARGE (Libri-Light), fine-tuned on 960 h", Size.large, .recognition),
        model("wav2vec_vox_10m_pl.pt", "LARGE (Libri-Light), self-training, 10 minutes", Size.large, .recognition),
        model("wav2vec_vox_100h_pl.pt", "LARGE (Libri-Light), self-training, 100 h", Size.large, .recognition),
        model("wav2vec_vox_960h_pl.pt", "LARGE (Libri-Light), self-training, 960 h", Size.large, .recognition),
        model("xlsr_53_56k.pt", "XLSR-53, LARGE, 56,000 h", Size.pretrainedLarge, languages: "53 languages"),
        model("xlsr2_300m.pt", "XLS-R 300M, 436,000 h", Size.pretrainedLarge, languages: "128 languages"),
        model("xlsr2_960m_1000k.pt", "XLS-R 1B, 436,000 h", Size.oneBillion, languages: "128 languages"),
        model("xlsr2_2B_1000k.pt", "XLS-R 2B, 436,000 h", Size.twoBillion, languages: "128 languages"),
    ]

    private static let huggingFace: [PublicModel] = [
        model("facebook/wav2vec2-base", "BASE, LibriSpeech 960 h", Size.pretrainedBase),
        model("facebook/wav2vec2-base-100h", "BASE, fine-tuned on 100 h", Size.base, .recognition),
        model("facebook/wav2vec2-base-960h", "BASE, fine-tuned on 960 h", Size.base, .recognition),
        model("facebook/wav2vec2-large", "LARGE, LibriSpeech 960 h", Size.pretrainedLarge),
        model("facebook/wav2vec2-large-960h", "LARGE, fine-tuned on 960 h", Size.large, .recognition),
        model("facebook/wav2vec2-large-lv60", "LARGE, Libri-Light 60,000 h", Size.pretrainedLarge),
        model(
            "facebook/wav2vec2-large-960h-lv60", "LARGE (Libri-Light), fine-tuned on 960 h", Size.large, .recognition),
        model(
            "facebook/wav2vec2-large-960h-lv60-self", "LARGE (Libri-Light), self-training, 960 h", Size.large,
            .recognition),
        model(
            "facebook/wav2vec2-large-xlsr-53", "XLSR-53, LARGE, 56,000 h", Size.pretrainedLarge,
            languages: "53 languages"),
        model(
            "facebook/wav2vec2-xls-r-300m", "XLS-R 300M, 436,000 h", Size.pretrainedLarge, languages: "128 languages"),
        model("facebook/wav2vec2-xls-r-1b", "XLS-R 1B, 436,000 h", Size.oneBillion, languages: "128 languages"),
        model("facebook/wav2vec2-xls-r-2b", "XLS-R 2B, 436,000 h", Size.twoBillion, languages: "128 languages"),
        model("facebook/hubert-large-ls960-ft", "HuBERT LARGE, fine-tuned on 960 h", Size.large, .recognition),
    ]

    /// Makes an entry: a file of fairseq, under fairseq's license, or a model on the hub.
    private static func model(
        _ name: String, _ summary: String, _ parameters: Int, _ task: Task = .pretraining,
        languages: String = "English"
    ) -> PublicModel {
        let isFile = name.hasSuffix(".pt")
        return PublicModel(
            name: name, form: isFile ? .fairseq : .huggingFace, summary: summary, task: task, languages: languages,
            license: isFile ? "MIT" : "Apache-2.0", parameters: parameters)
    }

    /// Returns the well-known model that a mistyped name probably means; nil if none is similar.
    public static func nearest(to name: String) -> PublicModel? {
        let stem = { (name: String) in name.hasSuffix(".pt") ? String(name.dropLast(3)) : name }
        guard let found = all.map({ stem($0.name) }).nearest(to: stem(name)) else { return nil }
        return all.first { stem($0.name) == found }
    }

    /// Whether a name has the form `organization/model`, so that the hub may have it.
    static func isHubName(_ name: String) -> Bool {
        let halves = name.split(separator: "/", omittingEmptySubsequences: false)
        return halves.count == 2
            && halves.allSatisfy { half in
                !half.isEmpty && half != "." && half != ".."
                    && half.utf8.allSatisfy { byte in
                        let scalar = Unicode.Scalar(byte)
                        return scalar.properties.isAlphabetic && scalar.isASCII || (48...57).contains(byte)
                            || "-_.".unicodeScalars.contains(scalar)
                    }
            }
    }

    /// Finds a model.
    ///
    /// - Parameter name: A name in the list, a `.pt` file's with or without its extension, or any `organization/model`
    ///   on the hub.
    /// - Returns: The model, or nil for an unknown name.
    public static func named(_ name: String) -> PublicModel? {
        if let known = all.first(where: { $0.name == name || $0.name == name + ".pt" }) { return known }
        guard isHubName(name) else { return nil }
        return PublicModel(
            name: name, form: .huggingFace, summary: "a model on the hub", task: .recognition, languages: "unknown")
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

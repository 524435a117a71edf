import ArgumentParser
import Foundation
import W2VFeatures

/// `wav2vec2 units codes`: writes the quantizer's choices.
struct UnitsCodesCommand: AsyncParsableCommand, LoggingCommand {
    /// A form of writing the choices of several groups.
    enum Groups: String, CaseIterable, ExpressibleByArgument {
        case joined, separate
    }

    static let configuration = CommandConfiguration(
        commandName: "codes",
        abstract: "Write the code book entries that a pre-trained model's quantizer chooses for each frame.",
        discussion: """
            joined writes one number per frame: with two code books of V entries, G1 * V + G2. separate writes the \
            entry of each code book, such as 3-14. Entries are counted from 0. Fine-tuned models have no quantizer.

            Examples:
              wav2vec2 units codes --checkpoint pretrained/best speech.flac
              wav2vec2 units codes --checkpoint pretrained/best --manifest train.tsv \\
                --format km --output train.km --dictionary dict.km.txt
            """)

    @OptionGroup var audio: AudioSelection

    @OptionGroup var model: FeatureModelOptions

    @Option(help: "How to write the entries of several code books.")
    var groups = Groups.joined

    @OptionGroup var output: UnitOutput

    @OptionGroup var logging: LogOptions

    func run() async throws {
        let recordings = try audio.recordings()
        let featurizer = try await model.featurizer()
        let (count, entries) = try featurizer.requireQuantizer()
        let tally = RecordingTally("units codes", recordings)
        let results = try featurizer.codes(of: tally.recordings).mapValues { [groups] _, codes in
            groups == .joined
                ? codes.joined.map(String.init)
                : codes.entries.map { $0.map(String.init).joined(separator: "-") }
        }
        try await output.write(results, tally, symbols: symbols(groups: count, entries: entries))
    }

    /// Returns every possible symbol.
    private func symbols(groups count: Int, entries: Int) -> [String] {
        let all = (0..<count).reduce([[Int]()]) { prefixes, _ in
            prefixes.flatMap { prefix in (0..<entries).map { prefix + [$0] } }
        }
        return groups == .joined
            ? QuantizerCodes(entries: all, entriesPerGroup: entries).joined.map(String.init)
            : all.map { $0.map(String.init).joined(separator: "-") }
    }
}

import ArgumentParser
import Foundation
import W2VBase
import W2VCorpus
import W2VFeatures

/// `wav2vec2 units quality`: measures how well units match phones.
struct UnitsQualityCommand: ParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "quality",
        abstract: "Compare units with phones by HuBERT's three measures.",
        discussion: """
            Phone purity: the share of frames whose phone is the most frequent one of their unit. Cluster purity: the \
            share of frames whose unit is the most frequent one of their phone. PNMI: the share of a phone's \
            uncertainty that knowing the unit removes. Frames without a phone are left out.

            The phones are labels at 10 or 20 ms per label, one line per utterance; or times, as lines of utterance, \
            begin, end and phone, or as CTM. The units must not be collapsed.

            Example:
              wav2vec2 units quality dev.km --manifest dev.tsv --phones dev.ph
            """)

    @Argument(help: "Units: a file from 'units apply' or 'units codes'.", completion: .file())
    var units: String

    @Option(help: "Manifest of the recordings that the units were made from, in any format.", completion: .file())
    var manifest: String

    @Option(help: "Phones of the manifest's recordings.", completion: .file())
    var phones: String

    @Option(help: "Samples at 16 kHz from one unit to the next: 320 for the usual models.")
    var hop = 320

    @Option(help: "Samples at 16 kHz that the frame of a unit sees: 400 for the usual models.")
    var receptiveField = 400

    @Option(help: "Phone whose frames are left out, such as SIL; repeatable.")
    var ignore: [String] = []

    @Flag(help: "Print one JSON object; purities are fractions.")
    var json = false

    @OptionGroup var logging: LogOptions

    func validate() throws {
        guard hop > 0, receptiveField > 0 else {
            throw ValidationError("--hop and --receptive-field must be at least 1.")
        }
    }

    func run() throws {
        let list = try Manifest.read(fileURL(manifest))
        let alignment = try PhoneAlignment(contentsOf: fileURL(phones), manifest: list)
        let names = (0..<list.count).map(list.identifier)
        let sequences = try UnitSequence.read(fileURL(units), names: names, manifest: list.name)
        var quality = UnitQuality()
        var left = 0
        for (utterance, sequence) in sequences.enumerated() {
            // A recording that could not be read has an empty line.
            if sequence.symbols.isEmpty { continue }
            let samples = list.sampleCounts[utterance]
            let expected = max(0, (samples - receptiveField) / hop + 1)
            let tolerance = 1 + list.lengthTolerance(of: utterance) / hop
            guard abs(sequence.symbols.count - expected) <= tolerance else {
                throw FeatureError.badUnits(
                    file: units, line: utterance + 1,
                    expected: "\(expected) units of \(names[utterance]), one every \(hop) samples and not collapsed",
                    found: "\(sequence.symbols.count) units")
            }
            let spoken = alignment.phones(
                utterance, frames: sequence.symbols.count, receptiveField: receptiveField, hop: hop)
            for (phone, unit) in zip(spoken, sequence.symbols) {
                guard let phone, !ignore.contains(alignment.symbols[phone]) else {
                    left += 1
                    continue
                }
                quality.add(phone: alignment.symbols[phone], unit: unit)
            }
        }
        guard quality.frames > 0 else {
            throw FeatureError.damaged(file: phones, reason: "no frame of the units has a phone that counts")
        }
        if json { return try Console.output(try jsonLine(QualityReport(quality, leftOut: left))) }
        try Console.output(
            """
            phone purity    \(percentage(quality.phonePurity))
            cluster purity  \(percentage(quality.clusterPurity))
            PNMI            \(quality.phoneNormalizedMutualInformation.map { decimal($0, 4) } ?? "undefined")
            \(quality.frames) frames of \(quality.phones) phones (\(decimal(quality.phoneEntropy, 2)) bits) and \
            \(quality.units) units (\(decimal(quality.unitEntropy, 2)) bits); \(left) frames left out
            """)
    }
}

/// The object that `units quality --json` prints.
private struct QualityReport: Encodable {
    var phonePurity: Nullable<Double>
    var clusterPurity: Nullable<Double>
    var pnmi: Nullable<Double>
    var frames: Int
    var framesLeftOut: Int
    var phones: Int
    var units: Int
    var phoneEntropyBits: Double
    var unitEntropyBits: Double

    init(_ quality: UnitQuality, leftOut: Int) {
        phonePurity = Nullable(quality.phonePurity)
        clusterPurity = Nullable(quality.clusterPurity)
        pnmi = Nullable(quality.phoneNormalizedMutualInformation)
        frames = quality.frames
        framesLeftOut = leftOut
        phones = quality.phones
        units = quality.units
        phoneEntropyBits = quality.phoneEntropy
        unitEntropyBits = quality.unitEntropy
    }
}

import W2VBase
import W2VCorpus

/// Tells a list of utterances from others: sixteen digits that are the same on every machine and day.
///
/// What counts is what decides about batches and labels: paths as the lists have them, in order, beginnings within
/// recordings, lengths, weights, and label lines where there are any. Where the lists lie, what they are called, and where
/// the recordings lie does not count. It is no protection against forgery.
struct DataIdentity {
    /// A hexadecimal number.
    let text: String

    /// Identifies utterances.
    ///
    /// - Parameter manifest: The utterances.
    init(_ manifest: Manifest) {
        var hash = FNV1a()
        func mixText(_ text: String) {
            hash.add(text.utf8)
            // No text has this byte: two texts are not one.
            hash.add(0xFF as UInt8)
        }
        func mixNumber(_ number: UInt64) {
            for shift in stride(from: 0 as UInt64, to: 64, by: 8) {
                hash.add(UInt8(truncatingIfNeeded: number >> shift))
            }
        }
        for (number, source) in manifest.sources.enumerated() {
            mixNumber(source.weight.bitPattern)
            for index in manifest.range(ofSource: number) {
                let path = manifest.path(index)
                mixText(path)
                mixNumber(UInt64(manifest.sampleCounts[index]))
                // Only such lists have parts of recordings.
                guard manifest.hasLabels || manifest.identifier(index) != path else { continue }
                let utterance = manifest[index]
                mixNumber(UInt64(utterance.offset.map { $0 + 1 } ?? 0))
                if let labels = utterance.labels { mixText(labels) }
            }
        }
        text = hash.hexadecimal
    }
}

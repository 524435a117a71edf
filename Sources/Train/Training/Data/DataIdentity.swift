import W2VBase
import W2VCorpus

/// Identifies a list of utterances by sixteen digits that are the same on every machine and day.
///
/// It covers what determines batches and labels: paths as the lists have them, in order, start offsets within
/// recordings, lengths, weights, and label lines if any. The lists' places and names and the recordings' folder do not
/// count. It does not protect against forgery.
struct DataIdentity {
    /// A hexadecimal number.
    let text: String

    /// Identifies the utterances of a manifest.
    init(_ manifest: Manifest) {
        var hash = FNV1a()
        func mixText(_ text: String) {
            hash.add(text.utf8)
            // This byte does not occur in text: two texts differ from their concatenation.
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
                // Only such lists contain segments of recordings.
                guard manifest.hasLabels || manifest.identifier(index) != path else { continue }
                let utterance = manifest[index]
                mixNumber(UInt64(utterance.offset.map { $0 + 1 } ?? 0))
                if let labels = utterance.labels { mixText(labels) }
            }
        }
        text = hash.hexadecimal
    }
}

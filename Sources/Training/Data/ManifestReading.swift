import Corpus
import Foundation

extension Manifest {
    /// Reads manifests, and puts several one after the other.
    ///
    /// - Parameters:
    ///   - sources: The files; weights other than 1 are refused.
    ///   - labels: The extension of label files, if labels are wanted.
    /// - Returns: All utterances, in the order given.
    /// - Throws: `CorpusError`, or ``TrainingError`` for what cannot be joined.
    static func joined(_ sources: [WeightedManifest], labels: String?) throws -> Manifest {
        if let weighted = sources.first(where: { $0.weight != 1 }) {
            throw TrainingError.usage(
                "\(weighted.url.path): the weight \(weighted.weight) cannot be used yet; every manifest counts once")
        }
        let manifests = try sources.map { source in
            let manifest = try read(source.url, labels: labels)
            try manifest.validate()
            return manifest
        }
        guard manifests.count != 1 else { return manifests[0] }
        var paths: [String] = []
        var counts: [Int] = []
        var lines: [String] = []
        for manifest in manifests {
            for index in 0..<manifest.count {
                let utterance = manifest[index]
                guard utterance.offset == nil else {
                    throw TrainingError.usage(
                        "\(manifest.name):\(utterance.line): parts of recordings cannot be joined with other manifests yet"
                    )
                }
                paths.append(utterance.audio.path)
                counts.append(utterance.sampleCount)
                if let line = utterance.labels { lines.append(line) }
            }
        }
        return try Manifest(
            name: manifests.map(\.name).joined(separator: " + "), root: URL(fileURLWithPath: "/"), paths: paths,
            sampleCounts: counts, labels: labels == nil ? nil : lines)
    }
}

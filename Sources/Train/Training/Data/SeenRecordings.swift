import Foundation
import W2VCorpus

/// Recordings that a training run has seen before, so that an error rate on them says little about new ones.
///
/// A recording counts as the same if it is the same file, under any name or link, or a byte-for-byte copy of it.
/// Segments of one recording count as the same if they overlap.
public struct SeenRecordings: Sendable, Equatable {
    /// The recordings that the run was trained on, as the list in question names them.
    public var trained: [String]
    /// The recordings in the run's first held-out list, which selected its best checkpoint.
    public var held: [String]
}

extension SeenRecordings {
    /// Compares recordings with the lists of a run.
    ///
    /// - Parameters:
    ///   - manifest: The recordings.
    ///   - run: The run's folder.
    /// - Throws: ``TrainingError/unknownLists(run:)`` if the run's lists are not recorded; `CorpusError` if one of them
    ///   can no longer be read.
    public init(_ manifest: Manifest, in run: URL) throws {
        let folder = RunFolder(url: run)
        let state = try [folder.newestState, folder.best].lazy.compactMap { $0 }.compactMap { place in
            FileManager.default.fileExists(atPath: place.appendingPathComponent(TrainingState.name).path)
                ? try TrainingState.read(place) : nil
        }.first
        guard let train = state?.train, let first = state?.valid?.first else {
            throw TrainingError.unknownLists(run: run.path)
        }
        let recordings = Recordings(manifest)
        trained = try recordings.shared(with: train)
        held = try recordings.shared(with: [first])
    }
}

/// Recordings that are searched for in other lists.
private struct Recordings {
    private let manifest: Manifest
    /// The utterances of each file, by its path.
    private var byPath: [String: [Int]] = [:]
    /// The whole recordings of each length.
    private var byLength: [Int: [Int]] = [:]

    init(_ manifest: Manifest) {
        self.manifest = manifest
        for index in 0..<manifest.count {
            let utterance = manifest[index]
            byPath[utterance.audio.standardizedFileURL.path, default: []].append(index)
            if utterance.offset == nil { byLength[utterance.sampleCount, default: []].append(index) }
        }
    }

    /// Returns the recordings that other lists contain too, by their names here and in their order.
    func shared(with lists: [String]) throws -> [String] {
        var found = Set<Int>()
        for list in lists {
            let other = try Manifest.read(WeightedManifest(parsing: list).url)
            for index in 0..<other.count { look(for: other[index], &found) }
        }
        return found.sorted().map(manifest.identifier)
    }

    private func look(for other: Utterance, _ found: inout Set<Int>) {
        for index in byPath[other.audio.standardizedFileURL.path] ?? [] where !found.contains(index) {
            if overlap(manifest[index], other) { found.insert(index) }
        }
        // Only files of equal length are opened.
        guard other.offset == nil else { return }
        for index in byLength[other.sampleCount] ?? [] where !found.contains(index) {
            if isSameFile(manifest[index].audio.path, other.audio.path) { found.insert(index) }
        }
    }

    private func overlap(_ first: Utterance, _ second: Utterance) -> Bool {
        guard let start = first.offset, let other = second.offset else { return true }
        return start < other + second.sampleCount && other < start + first.sampleCount
    }

    private func isSameFile(_ first: String, _ second: String) -> Bool {
        guard let own = FileIdentity(first), let other = FileIdentity(second) else { return false }
        if own == other { return true }
        let manager = FileManager.default
        func size(_ path: String) -> Int? {
            ((try? manager.attributesOfItem(atPath: path))?[.size] as? NSNumber)?.intValue
        }
        return size(first) == size(second) && manager.contentsEqual(atPath: first, andPath: second)
    }
}

import Foundation
import W2VCluster
import W2VCorpus

/// What a process learns from and validates on, by content: manifests of one path may differ from machine to machine.
struct DataAgreement: Codable {
    /// A list of utterances, or a dictionary.
    struct Item: Codable, Equatable {
        /// What it is for: `--train`, `--valid` or the dictionary.
        var role: String
        /// Its name in this process.
        var name: String
        /// How much there is, in words.
        var size: String
        /// What tells it from others.
        var identity: String
    }

    /// The machine, for people.
    var machine = ProcessInfo.processInfo.hostName
    /// All that must be equal.
    var items: [Item]

    /// Describes this process's data.
    ///
    /// - Parameters:
    ///   - manifest: What is learned from.
    ///   - validation: What is held out.
    ///   - dictionary: The dictionary's file, where it decides; `nil` elsewhere.
    init(_ manifest: Manifest, validation: [Manifest], dictionary: LabelDictionary?) {
        items = [Item("--train", manifest)] + validation.map { Item("--valid", $0) }
        if let dictionary {
            items.append(
                Item(
                    role: "the dictionary", name: "", size: "\(dictionary.count) symbols",
                    identity: dictionary.symbols.joined(separator: "\n")))
        }
    }

    /// Compares the data of all processes.
    ///
    /// - Parameter cluster: The processes; each must call this at the same place.
    /// - Throws: ``TrainingError/badData(_:)``, the same in all, where one process has other data than rank 0;
    ///   `TorchError.communication`.
    func compare(among cluster: Cluster) throws {
        let all = try cluster.exchange(self)
        for (rank, other) in all.enumerated().dropFirst() {
            for (first, second) in zip(all[0].items, other.items) where first.identity != second.identity {
                let isLonger = first.size != second.size
                throw TrainingError.badData(
                    "\(first.role) \(first.name) of rank \(rank) (\(other.machine)) is not that of rank 0 (\(all[0].machine)): "
                        + (isLonger
                            ? "it has \(second.size) there and \(first.size) on rank 0"
                            : "both have \(first.size), but other ones, or in another order")
                        + "; give every machine the same files")
            }
        }
    }
}

extension DataAgreement.Item {
    fileprivate init(_ role: String, _ manifest: Manifest) {
        self.init(
            role: role, name: manifest.name, size: "\(manifest.count) utterances of \(manifest.totalSamples) samples",
            identity: DataIdentity(manifest).text)
    }
}

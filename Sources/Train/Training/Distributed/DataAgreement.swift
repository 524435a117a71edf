import Foundation
import W2VBase
import W2VCluster
import W2VCorpus

/// A process's training and validation data, by content: manifests with the same path may differ between machines.
struct DataAgreement: Codable {
    /// A list of utterances, or a dictionary.
    struct Item: Codable, Equatable {
        /// Its role in the run: a list or the dictionary.
        var role: String
        /// Its name in this process.
        var name: String
        /// Its size, in words.
        var size: String
        /// A hash of its content.
        var identity: String
    }

    /// The machine, for messages.
    var machine = ProcessInfo.processInfo.hostName
    /// The items that must be equal in all processes.
    var items: [Item]

    /// Describes this process's data.
    ///
    /// - Parameters:
    ///   - manifest: The training data.
    ///   - validation: The held-out sets.
    ///   - dictionary: The dictionary, if the run reads it from a file.
    init(_ manifest: Manifest, validation: [Manifest], dictionary: LabelDictionary?) {
        items = [Item(.trainingList, manifest)] + validation.map { Item(.validationList, $0) }
        if let dictionary {
            items.append(
                Item(
                    role: "the dictionary", name: "", size: "\(dictionary.count) symbols",
                    identity: dictionary.symbols.joined(separator: "\n")))
        }
    }

    /// Compares the data of all processes.
    ///
    /// - Parameter cluster: The processes; each must call this at the same point.
    /// - Throws: ``TrainingError``, the same in all, if a process has other data than rank 0;
    ///   `TorchError.communication`.
    func compare(among cluster: Cluster) throws {
        let all = try cluster.exchange(self)
        for (rank, other) in all.enumerated().dropFirst() {
            for (first, second) in zip(all[0].items, other.items) where first.identity != second.identity {
                let isLonger = first.size != second.size
                throw TrainingError.otherData(
                    role: first.role, name: first.name, rank: rank, machine: other.machine, leader: all[0].machine,
                    difference: isLonger
                        ? "it has \(second.size) there and \(first.size) on rank 0"
                        : "both have \(first.size), but other ones, or in another order")
            }
        }
    }
}

extension DataAgreement.Item {
    fileprivate init(_ role: Phrase, _ manifest: Manifest) {
        self.init(
            role: role.description, name: manifest.name,
            size: "\(manifest.count) utterances of \(manifest.totalSamples) samples",
            identity: DataIdentity(manifest).text)
    }
}

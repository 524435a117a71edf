import Foundation
import W2VBase

/// Metadata of utterances besides recordings, lengths and transcripts, kept so that it can be written again.
struct CarriedTags: Sendable {
    /// The keys that at least one utterance has.
    var names: Set<ExactText> = []
    /// Each utterance's JSON members, ready to follow others: empty, or with a comma before each.
    var members = PackedStrings()

    /// Makes the tags of an empty list.
    init() {}

    /// Makes empty tags for a number of utterances.
    init(none count: Int) { members = PackedStrings(repeatElement("", count: count)) }

    func selecting(_ indices: some Collection<Int>) -> CarriedTags {
        var result = CarriedTags()
        result.names = names
        result.members = members.selecting(indices)
        return result
    }

    /// Concatenates the tags of several lists; nil if no list has any.
    static func joined(_ parts: [Manifest]) -> CarriedTags? {
        guard parts.contains(where: { $0.tags != nil }) else { return nil }
        var result = CarriedTags()
        for part in parts {
            let tags = part.tags ?? CarriedTags(none: part.count)
            result.names.formUnion(tags.names)
            result.members.append(contentsOf: tags.members)
        }
        return result
    }
}

extension Manifest {
    /// The keys of metadata besides recordings, lengths and labels, ordered; JSON lines are written with them.
    public var tagNames: [String] { tags?.names.sorted().map(\.text) ?? [] }
}

import Foundation
import W2VBase

/// What a list says of its utterances besides recordings, lengths and transcripts, kept to be written again.
struct CarriedTags: Sendable {
    /// The keys that any utterance has.
    var names: Set<ExactText> = []
    /// For each utterance JSON's members as they are written behind others: empty, or with a comma before each.
    var members = PackedStrings()

    /// Those of no utterance.
    init() {}

    /// Those of utterances that have none.
    init(none count: Int) { members = PackedStrings(repeatElement("", count: count)) }

    func selecting(_ indices: some Collection<Int>) -> CarriedTags {
        var result = CarriedTags()
        result.names = names
        result.members = members.selecting(indices)
        return result
    }

    /// Those of several lists, one after the other; nil if none of them has any.
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
    /// The keys of what was read besides recordings, lengths and labels, ordered; JSON lines are written with them.
    public var tagNames: [String] { tags?.names.sorted().map(\.text) ?? [] }
}

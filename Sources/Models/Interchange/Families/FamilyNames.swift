import W2VBackbone

/// The mapping between our parameter names and a family's, for one kind of model.
struct FamilyNames: Sendable {
    private let family: ModelFamily
    private let task: ModelTask
    private let pairs: [ParameterName]
    private let prefix: String
    /// The first components of the backbone's names, and of parts that it lacks.
    private let parts: Set<Substring>

    /// Makes the mapping for one kind of model.
    init(_ family: ModelFamily, task: ModelTask, extractorMode: ModelConfiguration.ExtractorMode) {
        self.family = family
        self.task = task
        prefix = family.prefix.isEmpty ? "" : family.prefix + "."
        pairs = (family.names.filter { $0.head == nil } + family.headNames(of: task)).filter { pair in
            pair.extractorMode.map { $0 == extractorMode } ?? true
        }
        let backbone = family.names.filter { $0.head == nil && $0.foreign.contains(".") }.map(\.foreign)
        parts = Set((backbone + family.foreignParts.keys).map { $0.prefix { $0 != "." } })
    }

    /// Returns our name of one of their parameters; nil if this architecture does not have it.
    func ours(_ theirs: String) -> String? {
        let (name, isBelow) = withoutPrefix(theirs)
        let key = family.spellings[name] ?? family.earlierNames[name] ?? name
        for pair in pairs where pair.head == nil || !isBelow {
            guard let found = pair.native(of: key) else { continue }
            return pair.head == nil ? task.backbonePrefix + found : found
        }
        return nil
    }

    /// Returns their name of one of our parameters; nil if their architecture does not have it.
    func theirs(_ ours: String) -> String? {
        let isBackbone = ours.hasPrefix(task.backbonePrefix)
        let key = isBackbone ? String(ours.dropFirst(task.backbonePrefix.count)) : ours
        for pair in pairs where pair.head == nil ? isBackbone : !isBackbone || task.backbonePrefix.isEmpty {
            guard let found = pair.foreign(of: key) else { continue }
            return pair.head != nil || !task.hasHead ? found : prefix + found
        }
        return nil
    }

    /// Returns the name of their parameter in early files; nil if it is the same.
    func earlierName(_ theirs: String) -> String? {
        for (earlier, later) in family.earlierNames where theirs == later || theirs == prefix + later {
            return theirs.dropLast(later.count) + earlier
        }
        return nil
    }

    /// Returns whether their parameter belongs to the backbone, which would compute something else without it.
    func isPartOfModel(_ theirs: String) -> Bool {
        let name = withoutPrefix(theirs).name
        let part = name.prefix { $0 != "." }
        return part.endIndex < name.endIndex && parts.contains(part)
    }

    /// Returns the name of their parameter's part, if this architecture has no such part.
    func foreignPart(_ theirs: String) -> String? {
        family.foreignParts.first { theirs.contains($0.key) }?.value
    }

    /// Returns whether their tensors' names lack the head that the task needs.
    func lacksHead(_ theirs: some Collection<String>) -> Bool {
        pairs.contains { pair in pair.marksHead && !theirs.contains { pair.native(of: $0) != nil } }
    }

    private func withoutPrefix(_ theirs: String) -> (name: String, isBelow: Bool) {
        guard !prefix.isEmpty, theirs.hasPrefix(prefix) else { return (theirs, false) }
        return (String(theirs.dropFirst(prefix.count)), true)
    }
}

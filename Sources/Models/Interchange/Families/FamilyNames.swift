import W2VBackbone

/// What a family's files call the parameters of one kind of model, and back.
struct FamilyNames: Sendable {
    private let family: ModelFamily
    private let task: ModelTask
    private let pairs: [ParameterName]
    private let prefix: String
    /// The first components of the backbone's names, and of parts that it lacks.
    private let parts: Set<Substring>

    /// The names of one kind of model.
    ///
    /// - Parameter task: What the model was trained for.
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

    /// Our name of one of their parameters; nil for one that this architecture has not.
    func ours(_ theirs: String) -> String? {
        let (name, isBelow) = withoutPrefix(theirs)
        let key = family.spellings[name] ?? family.earlierNames[name] ?? name
        for pair in pairs where pair.head == nil || !isBelow {
            guard let found = pair.native(of: key) else { continue }
            return pair.head == nil ? task.backbonePrefix + found : found
        }
        return nil
    }

    /// Their name of one of our parameters; nil for one that their architecture has not.
    func theirs(_ ours: String) -> String? {
        let isBackbone = ours.hasPrefix(task.backbonePrefix)
        let key = isBackbone ? String(ours.dropFirst(task.backbonePrefix.count)) : ours
        for pair in pairs where pair.head == nil ? isBackbone : !isBackbone || task.backbonePrefix.isEmpty {
            guard let found = pair.foreign(of: key) else { continue }
            return pair.head != nil || !task.hasHead ? found : prefix + found
        }
        return nil
    }

    /// What early files called a parameter of theirs; nil where that is no other name.
    func earlierName(_ theirs: String) -> String? {
        for (earlier, later) in family.earlierNames where theirs == later || theirs == prefix + later {
            return theirs.dropLast(later.count) + earlier
        }
        return nil
    }

    /// Whether a parameter of theirs lies in the part that all tasks share: without it that part computes something else.
    func isPartOfModel(_ theirs: String) -> Bool {
        let name = withoutPrefix(theirs).name
        let part = name.prefix { $0 != "." }
        return part.endIndex < name.endIndex && parts.contains(part)
    }

    /// What the part that a parameter of theirs lies in is called, where this architecture has no such part.
    func foreignPart(_ theirs: String) -> String? {
        family.foreignParts.first { theirs.contains($0.key) }?.value
    }

    /// Whether their tensors' names lack the head that the task needs.
    func lacksHead(_ theirs: some Collection<String>) -> Bool {
        pairs.contains { pair in pair.marksHead && !theirs.contains { pair.native(of: $0) != nil } }
    }

    private func withoutPrefix(_ theirs: String) -> (name: String, isBelow: Bool) {
        guard !prefix.isEmpty, theirs.hasPrefix(prefix) else { return (theirs, false) }
        return (String(theirs.dropFirst(prefix.count)), true)
    }
}

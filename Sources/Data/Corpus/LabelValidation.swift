import W2VBase

extension Manifest {
    /// Number of utterances with an empty label line; 0 without labels.
    public var emptyLabelCount: Int {
        guard let labelLines else { return 0 }
        return (0..<count).count { labelLines.withBytes($0) { line in line.allSatisfy { $0 == 0x20 } } }
    }
}

extension LabelDictionary {
    /// Checks that the dictionary fits a manifest's labels.
    ///
    /// - Parameter manifest: Read with labels.
    /// - Throws: `CorpusError.labelsDoNotFit` with the most frequent unknown symbols, the first one's place and the
    ///   likely cause; `CorpusError.noWordBoundary` if the dictionary has a word boundary and no label does;
    ///   `CorpusError.emptyLabels` if all labels are empty; `CorpusError.noLabels`.
    public func validate(_ manifest: Manifest) throws {
        guard let lines = manifest.labelLines else { throw CorpusError.noLabels(manifest: manifest.name) }
        let boundary = index(of: Self.wordBoundary)
        var unknown: [ExactText: Int] = [:]
        var first: Int?
        var total = 0
        var hasBoundary = false
        for index in 0..<lines.count {
            let known = lines.withBytes(index) { line in
                encode(line) { symbol in
                    unknown[ExactText(symbol), default: 0] += 1
                    total += 1
                    first = first ?? index
                }
            }
            total += known.count
            if let boundary, !hasBoundary { hasBoundary = known.contains(boundary) }
        }
        if let first {
            let place = manifest.labelPlace(of: first)
            let sorted = unknown.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            let examples = sorted.prefix(12).map(\.key.text)
            throw CorpusError.labelsDoNotFit(
                examples: examples, others: sorted.count - examples.count, count: unknown.values.reduce(0, +),
                total: total,
                utterance: manifest.identifier(first), file: place.file, line: place.line, advice: advice(unknown))
        }
        if total == 0 { throw CorpusError.emptyLabels(file: manifest.labelPlace(of: 0).file, count: manifest.count) }
        if boundary != nil && !hasBoundary {
            throw CorpusError.noWordBoundary(file: manifest.labelPlace(of: 0).file)
        }
    }

    /// Suggests the most likely cause, given the unknown symbols and their counts.
    private func advice(_ unknown: [ExactText: Int]) -> Advice {
        let count = unknown.values.reduce(0, +)
        let share = { (isOne: (String) -> Bool) in
            Double(unknown.filter { isOne($0.key.text) }.values.reduce(0, +)) / Double(count)
        }
        let own = symbols.dropFirst(Self.specials.count)
        let spells = own.allSatisfy { $0.unicodeScalars.count == 1 }
        if spells && share({ $0.unicodeScalars.count > 1 }) > 0.5 {
            return
                "the labels hold whole words and the dictionary letters: \(.readSpelledLabels), or \(.spellTranscripts)"
        }
        if share({ self.index(of: $0.uppercased()) != nil }) > 0.5 {
            return "the labels are lower case and the dictionary has capitals: \(.capitalLabels), or \(.makeDictionary)"
        }
        if share({ self.index(of: $0.lowercased()) != nil }) > 0.5 {
            return """
                the labels are capitals and the dictionary has small letters: write the transcripts in small letters, or \
                \(.makeDictionary)
                """
        }
        if unknown.keys.contains(ExactText(Self.wordBoundary)) {
            return "it has no word boundary |, so it was not made of spelled transcripts: \(.makeDictionary)"
        }
        let reasons = unknown.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(1000).flatMap {
            MissingLetters(in: $0.key.text, symbols: symbols.dropFirst(Self.specials.count)).reasons
        }
        if let reason = reasons.first(where: { [.decomposed, .composed].contains($0) }) ?? reasons.first {
            return "\(reason.advice), or \(.makeDictionary)"
        }
        return "clean the transcripts, or \(.makeDictionary)"
    }
}

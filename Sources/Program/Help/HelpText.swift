/// The order of a help's sections: the command's own options before groups of options with a title, such as decoding.
enum HelpText {
    /// Moves titled groups behind the options.
    ///
    /// - Parameter text: A help in the parser's order, which has titled groups first; other texts stay as they are.
    static func arranged(_ text: String) -> String {
        guard text.hasPrefix("USAGE: ") || text.contains("\nUSAGE: ") else { return text }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        var sections: [(title: Substring, lines: [Substring])] = [("", [])]
        for line in lines {
            if line.hasSuffix(":"), line.first?.isUppercase == true,
                line.dropLast().allSatisfy({ $0.isUppercase || " ,-".contains($0) })
            {
                sections.append((line, [line]))
            } else {
                sections[sections.count - 1].lines.append(line)
            }
        }
        guard let options = sections.firstIndex(where: { $0.title == "OPTIONS:" }) else { return text }
        let titled = sections.indices.filter { $0 > 0 && $0 < options && sections[$0].title != "ARGUMENTS:" }
        guard !titled.isEmpty else { return text }
        let moved = titled.map { sections[$0] }
        var arranged = sections.indices.filter { !titled.contains($0) }.map { sections[$0] }
        let place = arranged.firstIndex { $0.title == "OPTIONS:" }.map { $0 + 1 } ?? arranged.count
        arranged.insert(contentsOf: moved, at: place)
        // Sections are separated by an empty line, also after the one that was last.
        let blocks = arranged.map { section in
            var lines = section.lines
            while lines.last == "" { lines.removeLast() }
            return lines.joined(separator: "\n")
        }
        let end = text.hasSuffix("\n") ? "\n" : ""
        return blocks.joined(separator: "\n\n") + end
    }
}

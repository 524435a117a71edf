/// One column of a reference aligned with a hypothesis.
public struct AlignedToken: Sendable, Equatable {
    /// The spoken word; nil for an insertion.
    public var reference: String?
    /// The recognized word; nil for a deletion.
    public var hypothesis: String?

    /// Makes a column.
    public init(reference: String?, hypothesis: String?) {
        self.reference = reference
        self.hypothesis = hypothesis
    }
}

/// Recognized utterances under their references, with every difference marked by color and by form.
public struct TranscriptTable: Sendable {
    /// One utterance.
    public struct Row: Sendable {
        /// The utterance's name.
        public var name: String
        /// The alignment.
        public var tokens: [AlignedToken]

        /// Makes a row.
        public init(name: String, tokens: [AlignedToken]) {
            self.name = name
            self.tokens = tokens
        }
    }

    /// The utterances.
    public var rows: [Row]
    /// Whether the marks are explained above the table, as needed once on a page.
    public var showsKey: Bool

    /// Makes a table.
    public init(rows: [Row], showsKey: Bool = true) {
        self.rows = rows
        self.showsKey = showsKey
    }

    /// Returns the table as HTML.
    public func html() -> String {
        let body = rows.map { row in
            let columns = row.tokens.map(Self.column).joined(separator: "\n")
            let errors = row.tokens.count { $0.reference != $0.hypothesis }
            let length = row.tokens.count { $0.reference != nil }
            let content = row.tokens.isEmpty ? "<span class=\"faint\">nothing said, nothing recognized</span>" : columns
            return """
                <tr><th scope="row">\(Markup.escaped(row.name))<small>\(errors) of \(length)</small></th>
                <td>\(content)</td></tr>
                """
        }
        let key = """
            <p class="key">Reference above, recognized below:
            <span class="pair sub"><span>said</span><span>sad</span></span> replaced
            <span class="pair del"><span>lost</span><span>–</span></span> missing
            <span class="pair ins"><span>–</span><span>extra</span></span> added.
            Beside each name: errors of words.</p>

            """
        return """
            \(showsKey ? key : "")<table class="transcripts"><tbody>
            \(body.joined(separator: "\n"))
            </tbody></table>
            """
    }

    private static func column(_ token: AlignedToken) -> String {
        let kind =
            switch (token.reference, token.hypothesis) {
            case (nil, nil): "same"
            case (nil, _): "ins"
            case (_, nil): "del"
            case (let said, let recognized): said == recognized ? "same" : "sub"
            }
        return "<span class=\"pair \(kind)\"><span>\(Markup.escaped(token.reference ?? "–"))</span>"
            + "<span>\(Markup.escaped(token.hypothesis ?? "–"))</span></span>"
    }
}

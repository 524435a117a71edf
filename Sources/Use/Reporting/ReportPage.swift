/// The colors of curves and bars, by index, so that they follow the reader's light or dark setting.
enum Palette {
    static let count = 4
}

/// One of a page's most important figures.
public struct KeyFigure: Sendable {
    /// The figure's name.
    public var label: String
    /// The figure in its displayed form.
    public var value: String
    /// A few words under it, such as a value to compare with; may be empty.
    public var note: String

    /// Makes a figure.
    public init(label: String, value: String, note: String = "") {
        self.label = label
        self.value = value
        self.note = note
    }
}

/// One part of a page.
public enum ReportBlock: Sendable {
    /// A heading that opens a section.
    case heading(String)
    /// A paragraph of plain text.
    case paragraph(String)
    /// Key figures side by side.
    case figures([KeyFigure])
    /// Curves and bars, two in a row if the window is wide enough.
    case charts([any ReportChart])
    /// A recording with its words.
    case waveform(WaveformPicture)
    /// Utterances beside their references.
    case transcripts(TranscriptTable)
    /// Figures in rows and columns.
    case table(ReportTable)
    /// Facts as names and values.
    case facts([(name: String, value: String)])

    var html: String {
        switch self {
        case .heading(let text):
            "<h2>\(Markup.escaped(text))</h2>"
        case .paragraph(let text):
            "<p>\(Markup.escaped(text))</p>"
        case .figures(let figures):
            "<div class=\"tiles\">\(figures.map(Self.tile).joined())</div>"
        case .charts(let charts):
            "<div class=\"charts\">\n\(charts.map { $0.html() }.joined(separator: "\n"))\n</div>"
        case .waveform(let picture):
            picture.html()
        case .transcripts(let table):
            table.html()
        case .table(let table):
            table.html()
        case .facts(let facts):
            "<dl class=\"facts\">"
                + facts.map { "<dt>\(Markup.escaped($0.name))</dt><dd>\(Markup.escaped($0.value))</dd>" }.joined()
                + "</dl>"
        }
    }

    private static func tile(_ figure: KeyFigure) -> String {
        let note = figure.note.isEmpty ? "" : "<small>\(Markup.escaped(figure.note))</small>"
        return "<div class=\"tile\"><span>\(Markup.escaped(figure.label))</span>"
            + "<strong>\(Markup.escaped(figure.value))</strong>\(note)</div>"
    }
}

/// A part of a page that is shown as a figure.
public protocol ReportChart: Sendable {
    /// Returns the figure's markup, which needs nothing from outside the page.
    func html() -> String
}

extension LineChart: ReportChart {}
extension BarChart: ReportChart {}

/// A page in one file: without scripts and external resources, readable in light and dark, and printable.
public struct ReportPage: Sendable {
    /// The title, also the window's.
    public var title: String
    /// The parts from top to bottom.
    public var blocks: [ReportBlock]

    /// Makes a page.
    public init(title: String, blocks: [ReportBlock]) {
        self.title = title
        self.blocks = blocks
    }

    /// Returns the whole page.
    public func html() -> String {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>\(Markup.escaped(title))</title>
        <style>
        \(Self.style)
        </style>
        </head>
        <body>
        <main>
        <h1>\(Markup.escaped(title))</h1>
        \(blocks.map(\.html).joined(separator: "\n"))
        </main>
        </body>
        </html>

        """
    }
}

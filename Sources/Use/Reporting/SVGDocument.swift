/// A standalone picture in the report's style.
enum SVGDocument {
    /// Wraps a drawing.
    ///
    /// - Returns: A self-contained SVG document, which follows the reader's light or dark setting.
    static func text(width: Int, height: Int, _ content: String) -> String {
        """
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(width) \(height)" width="\(width)" height="\(height)">
        <style>
        \(ReportPage.style)
        svg { font-family: system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
        .sheet { fill: var(--surface); }
        svg .title { font-size: 16px; font-weight: 600; fill: var(--ink); }
        .key.c0 { fill: var(--c0); } .key.c1 { fill: var(--c1); } .key.c2 { fill: var(--c2); }
        .key.c3 { fill: var(--c3); }
        </style>
        <rect class="sheet" width="\(width)" height="\(height)"/>
        \(content)
        </svg>

        """
    }
}

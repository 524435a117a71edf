/// The formats that say when words are said, as other programs read them.
package enum TimedFormat: String, CaseIterable {
    case srt, vtt, ctm, textgrid

    /// How their files' names end; Praat looks for its own spelling.
    package var fileExtension: String { self == .textgrid ? "TextGrid" : rawValue }

    /// What writes the format.
    package var writer: any TimedTextFormat.Type {
        switch self {
        case .srt: SubRip.self
        case .vtt: WebVTT.self
        case .ctm: CTM.self
        case .textgrid: TextGrid.self
        }
    }
}

/// The output formats with word times, for other programs.
package enum TimedFormat: String, CaseIterable {
    case srt, vtt, ctm, textgrid

    /// The file name extension; Praat requires its own spelling.
    package var fileExtension: String { self == .textgrid ? "TextGrid" : rawValue }

    /// The writer of the format.
    package var writer: any TimedTextFormat.Type {
        switch self {
        case .srt: SubRip.self
        case .vtt: WebVTT.self
        case .ctm: CTM.self
        case .textgrid: TextGrid.self
        }
    }
}

import Decoding

/// The formats that say when words are said, as other programs read them.
enum TimedFormat: String, CaseIterable {
    case srt, vtt, ctm, textgrid

    /// How their files' names end; Praat looks for its own spelling.
    var fileExtension: String { self == .textgrid ? "TextGrid" : rawValue }

    /// A transcript in the format.
    func text(_ transcript: TimedTranscript) -> String {
        switch self {
        case .srt: SubRip.text(transcript)
        case .vtt: WebVTT.text(transcript)
        case .ctm: CTM.text(transcript)
        case .textgrid: TextGrid.text(transcript)
        }
    }
}

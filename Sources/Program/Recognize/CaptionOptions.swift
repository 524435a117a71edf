import ArgumentParser
import W2VDecoding

/// Options for the size of subtitles.
struct CaptionOptions: ParsableArguments {
    @Option(help: "Most characters in a line of a subtitle.")
    var maxLineLength = CaptionLayout().lineLength

    @Option(help: "Most lines of a subtitle.")
    var maxLines = CaptionLayout().lines

    @Option(help: "Most words of a subtitle; 1 for word by word. (default: no limit)")
    var maxWords: Int?

    func validate() throws {
        for (name, value) in [
            ("max-line-length", maxLineLength), ("max-lines", maxLines), ("max-words", maxWords ?? 1),
        ]
        where !(1...10_000).contains(value) {
            throw ValidationError("--\(name) is \(value); it must be from 1 to 10000.")
        }
    }

    /// The layout.
    var layout: CaptionLayout { CaptionLayout(lineLength: maxLineLength, lines: maxLines, words: maxWords) }

    /// Refuses options that a format without subtitles would ignore.
    func validate(for format: String, hasCaptions: Bool) throws {
        if !hasCaptions, layout != CaptionLayout() {
            throw ValidationError(
                "--max-line-length, --max-lines and --max-words are about subtitles (srt, vtt), not \(format).")
        }
    }
}

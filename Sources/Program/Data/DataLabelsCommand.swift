import ArgumentParser
import Foundation
import W2VBase
import W2VCorpus

/// `wav2vec2 data labels`: transcripts as letters and words.
struct LabelsCommand: ParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "labels",
        abstract: "Write .ltr and .wrd label files beside manifests from transcripts.",
        discussion: """
            A transcript file has a key and a transcript on each line, in any order, as LibriSpeech's *.trans.txt and \
            Kaldi's text; or one transcript per line in the manifest's order. A key is a recording's path, its file \
            name, or its file name without the extension, and ends at a tab or a space. A table such as Common Voice's \
            is read by its columns. Two recordings are printed with their transcripts for you to check.

            Without --transcripts, the transcript of a recording is read from the .txt beside it, or from its line in \
            a *.trans.txt in its folder.

            Examples:
              wav2vec2 data labels --manifest data/train.tsv --transcripts texts.tsv
              wav2vec2 data labels --manifest data/train.tsv data/valid.tsv \\
                --transcripts texts.tsv
              wav2vec2 data labels --manifest LibriSpeech/train.tsv
            """)

    @Option(
        parsing: .upToNextOption, help: "Manifests that the transcripts belong to.",
        completion: .file(extensions: ["tsv"]))
    var manifest: [String]

    @Option(
        parsing: .upToNextOption,
        help: "Transcript files; with several, every line needs a key. (default: the files beside the recordings)",
        completion: .file())
    var transcripts: [String] = []

    @Option(
        help: ArgumentHelp(
            "Columns of paths and transcripts in tables, by name, or by number where the first line does not name them.",
            valueName: "path,text"))
    var columns: TranscriptTable.Columns?

    @OptionGroup var text: TextFormOptions

    @Flag(help: "Replace .ltr and .wrd files with other content.")
    var force = false

    @OptionGroup var logging: LogOptions

    func validate() throws {
        if columns != nil, transcripts.isEmpty { throw ValidationError("--columns is about tables of --transcripts.") }
    }

    func run() throws {
        // Nothing is written before all transcripts are found.
        let lists = try manifest.map { name in
            let url = fileURL(name)
            let list = try Manifest.read(url)
            try refuseListsWithTheirOwnTranscripts(list, name)
            var texts =
                transcripts.isEmpty
                ? try list.transcriptsBeside()
                : try Transcript.read(transcripts.map(fileURL), for: list, columns: columns)
            let form = text.form
            if !form.isUnchanging { texts = texts.map { form($0) } }
            return (url: url, list: list, texts: texts)
        }
        let files = StagedFiles()
        for list in lists { try Transcript.writeLabels(list.texts, beside: list.url, in: files) }
        if !force { try files.refuseReplacing() }
        try files.commit()
        for list in lists { summarize(list.list, list.texts, beside: list.url) }
        for sentence in LabelDoubts(texts: lists.lazy.flatMap(\.texts)).sentences { Console.log.warning("\(sentence)") }
    }

    private func summarize(_ list: Manifest, _ texts: [String], beside url: URL) {
        let base = url.deletingPathExtension()
        let empty = texts.count { Transcript.words($0).isEmpty }
        Console.log.info(
            """
            \(base.relativePath).ltr and \(base.lastPathComponent).wrd: \(texts.count) transcripts\
            \(empty > 0 ? ", \(empty) of them empty" : "")
            """)
        for index in Set([0, list.count - 1]).sorted() {
            Console.log.info("  \(list.path(index).excerpt(200)) ⇒ \(Transcript.words(texts[index]).excerpt(80))")
        }
    }

    /// Refuses lists other than `.tsv`, which contain their labels: commands would not read label files beside them.
    private func refuseListsWithTheirOwnTranscripts(_ list: Manifest, _ name: String) throws {
        let place: String
        switch list.sources[0].format {
        case .fairseq: return
        case .jsonLines, .jsonList: place = "in its objects, under \"text\""
        case .kaldi: place = "in the folder's file text"
        case .folder: place = "in a .txt beside each recording"
        case .table: place = "in a column"
        }
        throw CorpusError.badOption(
            name: name,
            reason: "expected a .tsv, which has its labels in files beside it, found a list that has its transcripts "
                + "\(place): write them there, or make a .tsv of it first with wav2vec2 data manifest")
    }
}

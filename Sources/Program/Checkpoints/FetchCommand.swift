import ArgumentParser
import Foundation
import W2VBase
import W2VFetching

/// `wav2vec2 checkpoint fetch`: public models from their publishers.
struct FetchCommand: ParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "fetch",
        abstract: "Download a public model from its publisher.",
        discussion: """
            NAME is one of fairseq's models, such as wav2vec_small_960h, or any organization/model on the Hugging Face \
            hub, with @revision if you like; --list shows well-known ones. A .pt file is written into the folder \
            OUTPUT, together with the dictionary if the model recognizes letters; for a model from the hub, OUTPUT \
            becomes the model's folder. Without --output, the model goes to the user's cache, where other commands \
            find models on the hub by their names. The path to pass to other commands is printed.

            Every file from the hub is checked against its published checksum. fairseq publishes no checksums, so the \
            SHA-256 of the downloaded file is printed instead. An interrupted download continues where it stopped.

            The environment variables HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE work as they do for the hub's own \
            tools. The cache is wav2vec2 in XDG_CACHE_HOME, by default in ~/.cache.

            Examples:
              wav2vec2 checkpoint fetch --list
              wav2vec2 checkpoint fetch facebook/wav2vec2-base-960h
              wav2vec2 checkpoint fetch wav2vec_small --output models
            """)

    @Argument(help: "Name of the model.", completion: .list(PublicModel.all.map(\.name)))
    var name: String?

    @Option(
        name: [.customShort("o"), .long], help: "Folder to write the model to. (default: the user's cache)",
        completion: .directory)
    var output: String?

    @Flag(help: "List the well-known models with their tasks, languages, sizes and licenses.")
    var list = false

    @Option(help: "Branch, tag or commit of a model on the hub. (default: main)")
    var revision: String?

    @Option(
        help: ArgumentHelp(
            "Address of the hub or of a mirror. (default: HF_ENDPOINT or \(HubRepository.publicEndpoint))",
            valueName: "url"))
    var endpoint: String?

    @Option(
        name: .customLong("mirror"),
        help: ArgumentHelp(
            "Mirror of fairseq's files to use instead of the publisher; repeatable.",
            valueName: "url"))
    var mirrors: [String] = []

    @Flag(help: "Print one JSON object; with --list, one per line.")
    var json = false

    @OptionGroup var fetching: FetchingOptions

    @OptionGroup var logging: LogOptions

    func validate() throws {
        guard !list else { return }
        guard let name else { throw ValidationError("Name a model; --list shows the well-known ones.") }
        let reference = HubReference(name)
        // A file's name is none on the hub, even if it has the form of one.
        if reference == nil, PublicModel.named(name)?.form != .fairseq {
            let nearest = PublicModel.nearest(to: name).map { "; did you mean \($0.name)?" }
            throw ValidationError("\(name) is not a public model\(nearest ?? "; --list shows the well-known ones.")")
        }
        if let revision {
            guard let reference else {
                throw ValidationError("--revision is for models on the hub; \(name) has no revisions.")
            }
            guard reference.name == name else {
                throw ValidationError("\(name) names a revision already: leave --revision out.")
            }
            guard HubReference("\(name)@\(revision)") != nil else {
                throw ValidationError("--revision \(revision) is not the name of a branch, a tag or a commit.")
            }
        }
        try FetchingOptions.validate(mirrors, option: "--mirror")
        try FetchingOptions.validate(endpoint.map { [$0] } ?? [], option: "--endpoint")
    }

    func run() throws {
        if list { return try printList() }
        guard let name else { return }
        let monitor = FetchingOptions.monitor(StopSignal())
        let summary: Summary
        if let reference = HubReference(revision.map { "\(name)@\($0)" } ?? name) {
            summary = try fetchFolder(reference, into: output.map(fileURL), monitor)
        } else if let model = PublicModel.named(name), model.form == .fairseq {
            let place = output.map(fileURL) ?? PublicModelFetcher().cache.fairseqFolder
            summary = try fetchFile(model, into: place, monitor)
        } else {
            return
        }
        for file in summary.files {
            let proof =
                file.verified
                ? "as its publisher describes it"
                : "no checksum is published, its SHA-256 is \(file.sha256.value ?? "")"
            Console.log.info(
                "\(file.path): \(ReadableText.size(file.bytes)), \(proof)",
                metadata: ["file": "\(file.path)", "bytes": .stringConvertible(file.bytes)])
        }
        try Console.output(json ? try jsonLine(summary) : summary.path)
    }

    // MARK: - fairseq's models

    private func fetchFile(_ model: PublicModel, into folder: URL, _ monitor: FetchMonitor) throws -> Summary {
        let downloads =
            mirrors.isEmpty ? model.fairseqFiles(in: folder) : model.fairseqFiles(in: folder, mirrors: mirrors)
        let files = try downloads.map { download in
            let fetched = try fetching.downloader().fetch(download, monitor: monitor)
            try model.check(fetched.url)
            let digest = try Checksum.compute(.sha256, of: fetched.url, monitor: monitor).digest
            return Summary.File(
                path: fetched.url.relativePath, bytes: fetched.bytes, receivedBytes: fetched.received,
                sha256: Nullable(digest), verified: false)
        }
        return Summary(
            name: model.name, form: model.form.rawValue, path: downloads[0].destination.relativePath,
            revision: Nullable(nil), files: files)
    }

    // MARK: - The hub's models

    private func fetchFolder(
        _ reference: HubReference, into output: URL?, _ monitor: FetchMonitor
    ) throws -> Summary {
        let fetcher = PublicModelFetcher()
        let repository = fetcher.repository(reference, endpoint: endpoint)
        if fetcher.isOffline, output == nil, let found = fetcher.cache.find(reference) {
            return summary(reference, found.lastPathComponent, in: found, [])
        }
        try fetcher.requireOnline(repository)
        let downloader = fetching.downloader()
        guard let output else {
            let model = try fetcher.cache.fetch(repository, renews: true, with: downloader, monitor: monitor) {
                content, folder, missing in announce(reference.name, content, folder, missing)
            }
            return summary(reference, model.commit, in: model.folder, model.files)
        }
        let content = try repository.list(into: output, with: downloader, monitor: monitor)
        let missing = content.files.filter { !FileManager.default.fileExists(atPath: $0.destination.path) }
        let bytes = missing.reduce(0) { $0 + ($1.size ?? 0) }
        announce(reference.name, content, output, bytes)
        try DiskSpace.require(bytes, in: output)
        return summary(
            reference, content.commit, in: output,
            try content.files.map { try downloader.fetch($0, monitor: monitor) })
    }

    private func announce(_ name: String, _ content: HubRepository.Listing, _ folder: URL, _ missing: Int) {
        PublicModelFetcher.announce(name, content, folder, missing)
        if !content.leftOut.isEmpty {
            Console.log.info("\(name): left out: \(content.leftOut.joined(separator: ", "))")
        }
    }

    private func summary(
        _ reference: HubReference, _ commit: String, in folder: URL, _ files: [FetchedFile]
    ) -> Summary {
        Summary(
            name: reference.name, form: PublicModel.Form.huggingFace.rawValue, path: folder.relativePath,
            revision: Nullable(commit),
            files: files.map { file in
                Summary.File(
                    path: file.url.relativePath, bytes: file.bytes, receivedBytes: file.received,
                    sha256: Nullable(file.sha256), verified: file.isVerified)
            })
    }

    // MARK: - Output

    private struct Summary: Encodable {
        struct File: Encodable {
            var path: String
            var bytes: Int
            var receivedBytes: Int
            var sha256: Nullable<String>
            var verified: Bool
        }

        var name: String
        var form: String
        var path: String
        var revision: Nullable<String>
        var files: [File]
    }

    private func printList() throws {
        struct Entry: Encodable {
            var name: String
            var form: String
            var task: String
            var languages: String
            var license: Nullable<String>
            var parameters: Nullable<Int>
            /// Bytes of the weights in FP32.
            var weightBytes: Nullable<Int>
            var summary: String
        }
        let models = PublicModel.all
        if json {
            for model in models {
                let entry = Entry(
                    name: model.name, form: model.form.rawValue, task: model.task.rawValue, languages: model.languages,
                    license: Nullable(model.license), parameters: Nullable(model.parameters),
                    weightBytes: Nullable(model.weightBytes), summary: model.summary)
                try Console.output(try jsonLine(entry))
            }
            return
        }
        let table = TextTable(
            header: ["model", "task", "languages", "size", "license", "trained on"],
            rows: models.map { model in
                [
                    model.name, model.task.rawValue, model.languages, model.weightBytes.map(ReadableText.size) ?? "",
                    model.license ?? "", model.summary,
                ]
            }, rightAligned: [3])
        try Console.output(table.text)
        Console.log.info(
            "sizes are those of the weights; fairseq's files of pre-trained models are larger by the optimizer's state")
    }
}

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
            hub; --list shows well-known ones. A .pt file is written into the folder OUTPUT, together with the \
            dictionary if the model recognizes letters; for a model from the hub, OUTPUT becomes the model's folder. \
            The path to pass to other commands is printed.

            Every file from the hub is checked against its published checksum. fairseq publishes no checksums, so the \
            SHA-256 of the downloaded file is printed instead. An interrupted download continues where it stopped.

            The environment variables HF_ENDPOINT and HF_TOKEN work as they do for the hub's own tools.

            Examples:
              wav2vec2 checkpoint fetch --list
              wav2vec2 checkpoint fetch wav2vec_small --output models
              wav2vec2 checkpoint fetch facebook/wav2vec2-base --output models/base
            """)

    @Argument(help: "Name of the model.")
    var name: String?

    @Option(help: "Folder to write the model to.", completion: .directory)
    var output: String?

    @Flag(help: "List the well-known models.")
    var list = false

    @Option(help: "Branch, tag or commit of a model on the hub.")
    var revision = "main"

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
        guard PublicModel.named(name) != nil else {
            throw ValidationError("\(name) is no public model; --list shows the well-known ones.")
        }
        guard output != nil else { throw ValidationError("--output is missing: the folder that the model goes to.") }
        try FetchingOptions.validate(mirrors, option: "--mirror")
        try FetchingOptions.validate(endpoint.map { [$0] } ?? [], option: "--endpoint")
    }

    func run() throws {
        if list { return try printList() }
        guard let model = name.flatMap(PublicModel.named), let output = output.map(fileURL) else { return }
        let monitor = FetchingOptions.monitor(StopSignal())
        let summary =
            model.form == .fairseq
            ? try fetchFile(model, into: output, monitor) : try fetchFolder(model, into: output, monitor)
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

    private func fetchFolder(_ model: PublicModel, into folder: URL, _ monitor: FetchMonitor) throws -> Summary {
        let environment = ProcessInfo.processInfo.environment
        let repository = HubRepository(
            model.name, revision: revision,
            endpoint: endpoint ?? environment["HF_ENDPOINT"] ?? HubRepository.publicEndpoint,
            token: environment["HF_TOKEN"])
        let downloader = fetching.downloader()
        let listing = try repository.list(into: folder, with: downloader, monitor: monitor)
        Console.log.info(
            """
            \(model.name) at \(listing.commit.prefix(12)): \(listing.files.count) files\
            \(listing.leftOut.isEmpty ? "" : "; left out: \(listing.leftOut.joined(separator: ", "))")
            """)
        let missing = listing.files.filter { !FileManager.default.fileExists(atPath: $0.destination.path) }
        try DiskSpace.require(missing.reduce(0) { $0 + ($1.size ?? 0) }, in: folder)
        let files = try listing.files.map { download in
            let fetched = try downloader.fetch(download, monitor: monitor)
            return Summary.File(
                path: fetched.url.relativePath, bytes: fetched.bytes, receivedBytes: fetched.received,
                sha256: Nullable(download.checksum.flatMap { $0.kind == .sha256 ? $0.digest : nil }),
                verified: fetched.isVerified)
        }
        return Summary(
            name: model.name, form: model.form.rawValue, path: folder.relativePath, revision: Nullable(listing.commit),
            files: files)
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
            var summary: String
        }
        let width = PublicModel.all.map(\.name.count).max() ?? 0
        for model in PublicModel.all {
            try Console.output(
                json
                    ? try jsonLine(Entry(name: model.name, form: model.form.rawValue, summary: model.summary))
                    : model.name.padding(toLength: width + 2, withPad: " ", startingAt: 0) + model.summary)
        }
    }
}

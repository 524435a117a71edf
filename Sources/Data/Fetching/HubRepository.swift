import Foundation
import W2VBase

/// A model's repository on the Hugging Face hub, or on a mirror of it.
public struct HubRepository: Equatable, Sendable {
    /// The hub itself.
    public static let publicEndpoint = "https://huggingface.co"

    /// The server.
    public var endpoint: String
    /// `organization/model`.
    public var name: String
    /// A branch, a tag or a commit.
    public var revision: String
    /// The access token for repositories that are not public.
    public var token: String?

    /// Makes a repository.
    ///
    /// - Parameters:
    ///   - name: `organization/model`.
    ///   - revision: A branch, a tag or a commit.
    ///   - token: The access token for repositories that are not public.
    public init(
        _ name: String, revision: String = "main", endpoint: String = publicEndpoint, token: String? = nil
    ) {
        self.name = name
        self.revision = revision
        self.endpoint = endpoint
        self.token = token
    }

    /// The content of a repository at one commit.
    public struct Listing: Equatable, Sendable {
        /// The commit.
        public var commit: String
        /// The files of a model, with sizes and checksums from the hub.
        public var files: [Download]
        /// The names of files that are not fetched: other frameworks' weights and the like.
        public var leftOut: [String]
        /// The license as its publisher names it, such as `apache-2.0`; nil if it is not stated.
        public var license: String?
        /// The sum of the files' sizes in bytes.
        public var bytes: Int { files.reduce(0) { $0 + ($1.size ?? 0) } }
    }

    /// Lists the files that are needed to use the model.
    ///
    /// Of several forms of the weights the first existing one is used: `model.safetensors`, the same in parts,
    /// `pytorch_model.bin`, the same in parts.
    ///
    /// - Parameters:
    ///   - folder: The destination of the files.
    ///   - downloader: Sends the requests to the hub.
    ///   - monitor: Can stop the requests.
    /// - Returns: The files, each with its size and checksum.
    /// - Throws: `FetchError`; ``FetchError/unknownModel(name:endpoint:reason:nearest:)`` if the hub answers that it does
    ///   not have the model, and ``FetchError/hubUnreachable(name:endpoint:reason:)`` if it does not answer.
    public func list(
        into folder: URL, with downloader: Downloader, monitor: FetchMonitor = FetchMonitor()
    ) throws -> Listing {
        let header = token.map { "Authorization: Bearer \($0)" }
        let revisionAddress = join(endpoint, "api/models/\(name)/revision/\(escaped(revision))")
        var asking = monitor
        // The error below reports what went wrong, so the attempts need no warnings of their own.
        asking.logger.logLevel = .error
        let about: Revision
        do {
            about = try read(Revision.self, revisionAddress, downloader, header, asking)
        } catch FetchError.unreachable(_, let attempts, let isRefused) {
            let reason = attempts.joined(separator: "; ")
            throw isRefused
                ? FetchError.unknownModel(
                    name: revision == "main" ? name : "\(name)@\(revision)", endpoint: endpoint, reason: reason,
                    nearest: PublicModel.nearest(to: name)?.name)
                : FetchError.hubUnreachable(name: name, endpoint: endpoint, reason: reason)
        }
        let commit = about.sha
        guard commit.utf8.count >= 7, commit.allSatisfy({ $0.isASCII && $0.isHexDigit }) else {
            throw FetchError.badAnswer(address: revisionAddress, reason: "\"\(commit)\" is no commit")
        }
        let treeAddress = join(endpoint, "api/models/\(name)/tree/\(commit)")
        let entries = try read([Entry].self, treeAddress, downloader, header, monitor).filter { $0.type == "file" }
        let wanted = Self.wanted(entries.map(\.path))
        guard wanted.contains("config.json"), wanted.count > 1 else {
            throw FetchError.badAnswer(
                address: treeAddress, reason: "the repository holds no config.json with weights beside it")
        }
        let files = try entries.filter { wanted.contains($0.path) }.map { entry in
            guard let checksum = entry.checksum, let size = entry.lfs?.size ?? entry.size, size >= 0 else {
                throw FetchError.badAnswer(
                    address: treeAddress, reason: "\(entry.path) has no checksum and size that can be understood")
            }
            return Download(
                name: entry.path, addresses: [join(endpoint, "\(name)/resolve/\(commit)/\(escaped(entry.path))")],
                destination: folder.appendingPathComponent(entry.path), checksum: checksum, size: size, header: header)
        }
        return Listing(
            commit: commit, files: files, leftOut: entries.map(\.path).filter { !wanted.contains($0) }.sorted(),
            license: about.license)
    }

    /// The hub's answer about a revision.
    private struct Revision: Decodable {
        /// The part of a model's card that the hub understands; publishers write it in more than one form.
        private struct Card: Decodable {
            var license: String?

            private enum CodingKeys: String, CodingKey { case license }

            init(from decoder: any Decoder) throws {
                let container = try decoder.container(keyedBy: CodingKeys.self)
                license =
                    (try? container.decode(String.self, forKey: .license))
                    ?? (try? container.decode([String].self, forKey: .license))?.joined(separator: ", ")
            }
        }

        var sha: String
        private var cardData: Card?
        private var tags: [String]?

        private enum CodingKeys: String, CodingKey { case sha, cardData, tags }

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            sha = try container.decode(String.self, forKey: .sha)
            cardData = try? container.decode(Card.self, forKey: .cardData)
            tags = try? container.decode([String].self, forKey: .tags)
        }

        var license: String? {
            let tag = tags?.first { $0.hasPrefix("license:") }.map { String($0.dropFirst("license:".count)) }
            return (cardData?.license ?? tag).map(\.printable)
        }
    }

    /// A file in the hub's listing.
    ///
    /// Large files are in LFS, which names them by their SHA-256; git names the others.
    private struct Entry: Decodable {
        struct LargeFile: Decodable {
            var oid: String
            var size: Int
        }

        var type: String
        var path: String
        var size: Int?
        var oid: String?
        var lfs: LargeFile?

        var checksum: Checksum? {
            if let lfs { return Checksum(.sha256, lfs.oid.replacing("sha256:", with: "")) }
            return oid.flatMap { Checksum(.gitBlob, $0) }
        }
    }

    /// Selects the files of a repository that make up the model.
    ///
    /// Only plain names: paths cannot lead out of the folder.
    static func wanted(_ names: [String]) -> Set<String> {
        let plain = names.filter { !$0.contains("/") && !$0.hasPrefix(".") && $0.utf8.count < 200 }
        var wanted = Set(
            plain.filter {
                [
                    "config.json", "preprocessor_config.json", "processor_config.json", "vocab.json",
                    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "README.md", "LICENSE",
                ].contains($0)
            })
        func isShard(_ name: String, _ stem: String, _ ending: String) -> Bool {
            name.hasPrefix(stem + "-") && name.hasSuffix(ending)
        }
        for (stem, ending) in [("model", ".safetensors"), ("pytorch_model", ".bin")] {
            if plain.contains(stem + ending) {
                wanted.insert(stem + ending)
                return wanted
            }
            if plain.contains(stem + ending + ".index.json") {
                wanted.insert(stem + ending + ".index.json")
                wanted.formUnion(plain.filter { isShard($0, stem, ending) })
                return wanted
            }
        }
        return wanted.subtracting(["config.json"])
    }

    private func read<Value: Decodable>(
        _ type: Value.Type, _ address: String, _ downloader: Downloader, _ header: String?, _ monitor: FetchMonitor
    ) throws -> Value {
        let data = try downloader.data(address, header: header, monitor: monitor)
        do {
            return try JSONDecoder().decode(Value.self, from: data)
        } catch {
            throw FetchError.badAnswer(address: address, reason: "it is not the JSON that the hub gives")
        }
    }

    private func escaped(_ text: String) -> String {
        var allowed = CharacterSet.alphanumerics
        allowed.insert(charactersIn: "-_.~")
        return text.addingPercentEncoding(withAllowedCharacters: allowed) ?? text
    }
}

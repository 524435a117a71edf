import Foundation

/// A model on the hub as people write it: `organization/model`, or `organization/model@revision`.
public struct HubReference: Equatable, Sendable {
    /// `organization/model`.
    public let name: String
    /// A branch, a tag or a commit.
    public let revision: String

    /// Parses a reference.
    ///
    /// Names of files (`models/tuned.pt`) are not references, though the hub would accept them.
    ///
    /// - Parameter text: The text; nil is returned unless it has the form of a reference.
    public init?(_ text: String) {
        let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let endings = [".pt", ".pth", ".safetensors", ".json", ".tsv", ".yaml"]
        guard PublicModel.isHubName(parts[0]), !endings.contains(where: parts[0].lowercased().hasSuffix) else {
            return nil
        }
        let revision = parts.count == 2 ? parts[1] : "main"
        let isPlain = revision.utf8.allSatisfy { (33...126).contains($0) }
        guard !revision.isEmpty, !revision.hasPrefix("."), isPlain else { return nil }
        (name, self.revision) = (parts[0], revision)
    }

    /// Makes a reference from a model's name and a revision that are known to be well-formed.
    init(name: String, revision: String) { (self.name, self.revision) = (name, revision) }

    /// The model's organization.
    public var organization: String { String(name.prefix { $0 != "/" }) }
}

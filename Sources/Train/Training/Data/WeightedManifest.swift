import Foundation

/// A manifest on the command line: `FILE` or `FILE:WEIGHT`.
public struct WeightedManifest: Sendable, Equatable, CustomStringConvertible {
    /// The file.
    public var url: URL
    /// How often its utterances are seen, relative to other manifests'.
    public var weight: Double

    /// The same as on the command line.
    public var description: String { weight == 1 ? url.path : "\(url.path):\(weight)" }

    /// Makes the pair.
    public init(_ url: URL, weight: Double = 1) {
        self.url = url
        self.weight = weight
    }

    /// Reads `FILE` or `FILE:WEIGHT`; an existing file's name is taken as a whole.
    ///
    /// - Parameter text: As given on the command line.
    public init(parsing text: String) {
        self.init(URL(fileURLWithPath: text))
        guard !FileManager.default.fileExists(atPath: text), let colon = text.lastIndex(of: ":"),
            let weight = Double(text[text.index(after: colon)...])
        else { return }
        self.init(URL(fileURLWithPath: String(text[..<colon])), weight: weight)
    }
}

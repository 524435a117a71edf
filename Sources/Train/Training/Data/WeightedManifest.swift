import Foundation

/// A manifest on the command line: `FILE` or `FILE:WEIGHT`.
public struct WeightedManifest: Sendable, Equatable, CustomStringConvertible {
    /// The file.
    public var url: URL
    /// Average number of times an epoch draws each of its utterances.
    public var weight: Double

    /// The text as on the command line.
    public var description: String { weight == 1 ? url.path : "\(url.path):\(weight)" }

    /// Makes a weighted manifest.
    public init(_ url: URL, weight: Double = 1) {
        self.url = url
        self.weight = weight
    }

    /// Parses `FILE` or `FILE:WEIGHT`; an existing file's name is taken as a whole.
    ///
    /// - Parameter text: A command-line argument.
    public init(parsing text: String) {
        self.init(URL(fileURLWithPath: text))
        guard !FileManager.default.fileExists(atPath: text), let colon = text.lastIndex(of: ":"),
            let weight = Double(text[text.index(after: colon)...])
        else { return }
        self.init(URL(fileURLWithPath: String(text[..<colon])), weight: weight)
    }
}

import W2VCorpus

/// A sequence of recordings, each of which is opened when its turn comes.
public struct Recordings: Sendable {
    /// The number of recordings.
    public let count: Int
    private let opening: @Sendable (Int) throws -> Recording

    /// Makes a list of recordings that are opened later.
    ///
    /// - Parameters:
    ///   - count: The number of recordings.
    ///   - open: Opens the recording at an index; may be called on any thread. An error becomes that recording's
    ///     result.
    public init(count: Int, open: @escaping @Sendable (Int) throws -> Recording) {
        self.count = count
        opening = open
    }

    /// Makes a list of recordings.
    public init(_ recordings: [Recording]) { self.init(count: recordings.count) { recordings[$0] } }

    /// Makes a list of a manifest's utterances.
    public init(_ manifest: Manifest) { self.init(count: manifest.count) { Recording(manifest, $0) } }

    /// Opens the recording at an index.
    public func open(_ index: Int) throws -> Recording { try opening(index) }
}

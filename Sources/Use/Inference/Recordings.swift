import W2VCorpus

/// Recordings in order, each of which is opened when its turn comes.
public struct Recordings: Sendable {
    /// How many there are.
    public let count: Int
    private let opening: @Sendable (Int) throws -> Recording

    /// Makes a list of recordings that are opened later.
    ///
    /// - Parameters:
    ///   - count: How many there are.
    ///   - open: Opens one by its place; may be called on any thread. What it throws is that recording's result.
    public init(count: Int, open: @escaping @Sendable (Int) throws -> Recording) {
        self.count = count
        opening = open
    }

    /// Makes a list of recordings.
    public init(_ recordings: [Recording]) { self.init(count: recordings.count) { recordings[$0] } }

    /// Makes a list of a manifest's utterances.
    public init(_ manifest: Manifest) { self.init(count: manifest.count) { Recording(manifest, $0) } }

    /// Opens a recording by its place.
    public func open(_ index: Int) throws -> Recording { try opening(index) }
}

import Foundation
import W2VBase
import W2VTorch

/// Writes the units of utterances into a file, which appears only when it is complete.
public final class UnitWriter {
    private let url: URL
    private let format: UnitSequence.Format
    private let spool: Spool

    /// Prepares the file.
    ///
    /// - Parameters:
    ///   - url: The file, which must not exist.
    ///   - format: The file's format.
    /// - Throws: ``FeatureError/occupied(path:advice:)``; `FileWriteError` when its folder cannot be written to.
    public init(_ url: URL, format: UnitSequence.Format) throws {
        guard !FileManager.default.fileExists(atPath: url.path) else {
            throw FeatureError.occupied(path: url.path, advice: "remove it, or name another file")
        }
        AtomicFile.removeLeftovers(of: url)
        self.url = url
        self.format = format
        spool = try Spool(beside: url)
    }

    /// Adds an utterance.
    ///
    /// - Parameter sequence: The utterance's units; an empty sequence becomes an empty line in a `.km` file.
    /// - Throws: `FileWriteError` when the disk is full or the system fails.
    public func append(_ sequence: UnitSequence) throws {
        try Data((sequence.line(format) + "\n").utf8).withUnsafeBytes { try spool.append($0) }
    }

    /// Completes the file and gives it its name.
    ///
    /// - Throws: `FileWriteError` when the disk is full or the system fails.
    public func finish() throws {
        try AtomicFile.write(to: url) { file in try spool.copy(0..<spool.count) { try file.append($0) } }
    }

    /// Writes a dictionary in the form of HuBERT's recipes: a line `UNIT 1` for each possible unit.
    ///
    /// - Parameters:
    ///   - symbols: The units.
    ///   - url: The file, which must not exist.
    /// - Throws: ``FeatureError/occupied(path:advice:)``; `FileWriteError` when the disk is full or the system fails.
    public static func write(dictionary symbols: some Sequence<String>, to url: URL) throws {
        guard !FileManager.default.fileExists(atPath: url.path) else {
            throw FeatureError.occupied(path: url.path, advice: "remove it, or name another file")
        }
        AtomicFile.removeLeftovers(of: url)
        let text = symbols.map { $0 + " 1\n" }.joined()
        try AtomicFile.write(to: url) { try $0.append(Data(text.utf8)) }
    }
}

import Foundation
import W2VBase
import W2VTorch

/// Writes units of utterances into a file, which appears when it is whole.
public final class UnitWriter {
    private let url: URL
    private let format: UnitSequence.Format
    private let spool: Spool

    /// Prepares the file.
    ///
    /// - Parameters:
    ///   - url: The file; there must be none yet.
    ///   - format: Its form.
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
    /// - Parameter sequence: Its units; without any, a `.km` file gets an empty line.
    /// - Throws: `FileWriteError` when the disk is full or the system fails.
    public func append(_ sequence: UnitSequence) throws {
        try Data((sequence.line(format) + "\n").utf8).withUnsafeBytes { try spool.append($0) }
    }

    /// Gives the file its name.
    ///
    /// - Throws: `FileWriteError` when the disk is full or the system fails.
    public func finish() throws {
        try AtomicFile.write(to: url) { file in try spool.copy(0..<spool.count) { try file.append($0) } }
    }

    /// Writes a dictionary as HuBERT's recipes have it: a line `UNIT 1` for each unit that there can be.
    ///
    /// - Parameters:
    ///   - symbols: The units.
    ///   - url: The file; there must be none yet.
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

import Foundation
import W2VBase

/// A safetensors file, mapped into memory: opening it reads only the header, and tensors are read in place.
public final class SafetensorsFile: Sendable {
    /// The file's path.
    public let path: String

    /// The tensors in the order of their data.
    public let entries: [SafetensorsEntry]

    /// The header's free text, such as `format`; empty if there is none.
    public let metadata: [String: String]

    private let mapping: MappedFile
    private let indices: [String: Int]

    /// Maps a file and checks its header against its size.
    ///
    /// - Throws: `SafetensorsError` when the file cannot be read or is not a complete and valid safetensors file.
    public init(_ url: URL) throws(SafetensorsError) {
        path = url.path
        do throws(MappedFile.Failure) {
            // A model that adopts tensors may change them.
            mapping = try MappedFile(path: url.path, isWritable: true)
        } catch {
            throw .unreadable(path: error.path, reason: error.reason)
        }
        do throws(SafetensorsError.Damage) {
            let header = try SafetensorsHeader(file: mapping.bytes)
            entries = header.entries
            metadata = header.metadata
        } catch {
            throw .damaged(path: url.path, error)
        }
        // The parser has rejected duplicates.
        indices = Dictionary(uniqueKeysWithValues: entries.enumerated().map { ($1.name, $0) })
    }

    /// Returns the tensor of a name, or nil.
    ///
    /// - Parameter name: The tensor's name in the file.
    public func entry(_ name: String) -> SafetensorsEntry? {
        indices[name].map { entries[$0] }
    }

    /// Returns the tensor of a name.
    ///
    /// - Parameter name: The tensor's name in the file.
    /// - Throws: `SafetensorsError.missingTensor` when there is none.
    public func requiredEntry(_ name: String) throws(SafetensorsError) -> SafetensorsEntry {
        guard let found = entry(name) else { throw .missingTensor(path: path, name: name) }
        return found
    }

    /// Returns a tensor's bytes in the mapping.
    ///
    /// The pointer is valid only while this object lives. The address is a multiple of the item size in files of our
    /// own writer, but the format does not guarantee it. Reading the bytes may read from the disk.
    public func bytes(of entry: SafetensorsEntry) -> UnsafeRawBufferPointer {
        precondition(
            entry.byteRange.upperBound <= mapping.bytes.count, "the entry \"\(entry.name)\" belongs to another file")
        return UnsafeRawBufferPointer(rebasing: mapping.bytes[entry.byteRange])
    }

    /// Passes a tensor's bytes to a closure and keeps the file mapped meanwhile.
    ///
    /// - Parameter body: Receives the bytes, which are valid only inside it.
    public func withBytes<Result, Failure: Error>(
        of entry: SafetensorsEntry, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { withExtendedLifetime(self) {} }
        return try body(bytes(of: entry))
    }
}

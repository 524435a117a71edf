import W2VBase

/// The bytes of a language model: a mapped file, or memory of our own.
///
/// `@unchecked Sendable` is safe: the code that fills the memory passes it on when it is complete, and it is never
/// written to afterward.
final class ByteStorage: @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer
    /// The file; nil if the memory is ours.
    private let file: MappedFile?

    /// Maps a file for reading.
    init(mapping path: String) throws(LanguageModelError) {
        do throws(MappedFile.Failure) {
            let file = try MappedFile(path: path)
            (bytes, self.file) = (file.bytes, file)
        } catch {
            throw .unreadable(path: path, reason: error.reason)
        }
    }

    /// Takes ownership of memory, which is freed at the end.
    init(adopting memory: UnsafeMutableRawBufferPointer) {
        (bytes, file) = (UnsafeRawBufferPointer(memory), nil)
    }

    deinit {
        if file == nil { bytes.deallocate() }
    }
}

import Foundation

/// A file in the temporary folder that has lost its name: its room is free again when the last who has it open is gone, however
/// the program ends.
struct UnlinkedTemporaryFile {
    let handle: FileHandle
    private let folder: String

    /// Makes an empty one.
    ///
    /// - Parameter name: The recording that it is for.
    /// - Throws: `AudioError.failed`.
    init(for name: String) throws {
        let folder = FileManager.default.temporaryDirectory
        self.folder = folder.path
        let path = folder.appendingPathComponent("wav2vec2-\(UUID().uuidString)").path
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw AudioError.failed(
                file: name,
                reason: "no file can be made in the temporary folder \(folder.path) "
                    + "(\(String(cString: strerror(errno)))); name another one by TMPDIR")
        }
        unlink(path)
        handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }

    /// What is told when it cannot be written.
    func failure(for name: String) -> AudioError {
        .failed(
            file: name,
            reason: "there is no room in the temporary folder \(folder); make some, or name another one by TMPDIR")
    }

    /// How many bytes it has.
    var size: Int {
        var status = stat()
        return fstat(handle.fileDescriptor, &status) == 0 ? Int(status.st_size) : 0
    }

    /// Its bytes, mapped.
    func mapped() -> Data? {
        try? Data(
            contentsOf: URL(fileURLWithPath: "/proc/self/fd/\(handle.fileDescriptor)"), options: .alwaysMapped)
    }
}

import Foundation
import W2VBase

/// An unlinked file in the temporary folder: its space is freed when the last descriptor is closed, however the program
/// ends.
struct UnlinkedTemporaryFile {
    let handle: FileHandle
    private let folder: String

    /// Makes an empty one.
    ///
    /// - Parameter name: The name of its recording.
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
                    + "(\(SystemReason.of(code: errno))); name another one by TMPDIR")
        }
        unlink(path)
        handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }

    /// Returns the error for a failure to write it.
    func failure(for name: String) -> AudioError {
        .failed(
            file: name,
            reason: "there is no room in the temporary folder \(folder); make some, or name another one by TMPDIR")
    }

    /// Its size in bytes.
    var size: Int {
        var status = stat()
        return fstat(handle.fileDescriptor, &status) == 0 ? Int(status.st_size) : 0
    }

    /// Returns its mapped bytes.
    func mapped() -> Data? {
        try? Data(
            contentsOf: URL(fileURLWithPath: "/proc/self/fd/\(handle.fileDescriptor)"), options: .alwaysMapped)
    }
}

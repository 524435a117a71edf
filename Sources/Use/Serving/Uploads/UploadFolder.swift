import Foundation
import Synchronization
import W2VBase

/// A server's own folder for uploads, inside the temporary folder.
///
/// It is locked while its server is running, so that the next server can identify and remove the folder of a killed
/// one. If something else removes the folder, as systemd-tmpfiles does with old ones, it is created again.
final class UploadFolder: Sendable {
    /// The folder's location.
    let url: URL
    private let parent: URL
    private let state = Mutex<(lock: Int32, isClosed: Bool)>((-1, false))

    private static let prefix = "wav2vec2-serve-"

    /// Chooses a new folder's name.
    ///
    /// - Parameter parent: The temporary folder.
    init(in parent: URL) {
        self.parent = parent
        url = parent.appendingPathComponent(Self.prefix + UUID().uuidString)
    }

    deinit { remove() }

    /// Creates the folder, and removes those of killed servers.
    ///
    /// - Throws: `ServerError.noFolder`.
    func open() throws {
        removeLeftovers()
        guard let number = state.withLock({ make(&$0.lock) }) else { return }
        throw ServerError.noFolder(parent.path, reason: SystemReason.of(code: number))
    }

    /// Creates an empty file that only this user may read.
    ///
    /// - Parameter ending: The extension of its name, without the dot.
    /// - Returns: The file and its descriptor for writing.
    /// - Throws: `RequestError` if the file cannot be created.
    func makeFile(ending: String) throws -> (url: URL, descriptor: Int32) {
        var file = url.appendingPathComponent(UUID().uuidString)
        if !ending.isEmpty { file.appendPathExtension(ending) }
        func create() -> Int32 { Foundation.open(file.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600) }
        var descriptor = create()
        if descriptor < 0, errno == ENOENT, isUsable { descriptor = create() }
        guard descriptor >= 0 else { throw RequestError.storage(errno) }
        return (file, descriptor)
    }

    /// The free bytes of the disk below which nothing can be stored.
    private static let leastBytes = 1 << 20

    /// Whether the disk of a folder is full.
    private static func isFull(_ folder: URL) -> Bool {
        var disk = statvfs()
        guard statvfs(folder.path, &disk) == 0 else { return false }
        return Int(disk.f_bavail) * Int(disk.f_frsize) < leastBytes
    }

    /// Whether files can be stored in the folder, which is created again if it is missing.
    var isUsable: Bool {
        state.withLock { state in
            if state.isClosed || Self.isFull(parent) { return false }
            if access(url.path, W_OK | X_OK) == 0 { return true }
            return make(&state.lock) == nil
        }
    }

    /// Removes the folder and its files.
    func remove() {
        state.withLock { state in
            state.isClosed = true
            try? FileManager.default.removeItem(at: url)
            if state.lock >= 0 { close(state.lock) }
            state.lock = -1
        }
    }

    /// Creates and locks the folder; returns an error number on failure.
    private func make(_ lock: inout Int32) -> Int32? {
        if lock >= 0 { close(lock) }
        lock = -1
        // A server that starts at the same time may mistake a folder that is not locked yet for a leftover.
        for _ in 0..<10 {
            // The temporary folder belongs to the machine: it is an error if it does not exist.
            guard mkdir(url.path, 0o700) == 0 || errno == EEXIST else { return errno }
            let descriptor = Foundation.open(url.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            guard descriptor >= 0 else {
                if errno == ENOENT { continue }
                return errno
            }
            var (held, named) = (stat(), stat())
            let isBusy = flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK
            if !isBusy, fstat(descriptor, &held) == 0, stat(url.path, &named) == 0, held.st_ino == named.st_ino {
                lock = descriptor
                return nil
            }
            close(descriptor)
            usleep(10_000)
        }
        return ENOENT
    }

    private func removeLeftovers() {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: parent.path)) ?? []
        for name in names where name.hasPrefix(Self.prefix) {
            let folder = parent.appendingPathComponent(name)
            let descriptor = Foundation.open(folder.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            guard descriptor >= 0 else { continue }
            var status = stat()
            if fstat(descriptor, &status) == 0, status.st_uid == geteuid(), flock(descriptor, LOCK_EX | LOCK_NB) == 0 {
                try? FileManager.default.removeItem(at: folder)
            }
            close(descriptor)
        }
    }
}

/// A file that is deleted when it is no longer used.
final class TemporaryFile: Sendable {
    /// The file's location.
    let url: URL
    private let descriptor: Mutex<Int32>

    /// Creates an empty file, to be written sequentially.
    ///
    /// - Parameters:
    ///   - folder: The folder.
    ///   - ending: The extension of its name, without the dot.
    /// - Throws: `RequestError` if the file cannot be created.
    init(in folder: UploadFolder, ending: String = "") throws {
        let made = try folder.makeFile(ending: ending)
        url = made.url
        descriptor = Mutex(made.descriptor)
    }

    deinit {
        close()
        unlink(url.path)
    }

    /// Appends bytes.
    ///
    /// - Throws: `RequestError`, for example on a full disk.
    func write(_ bytes: UnsafeRawBufferPointer) throws {
        let number: Int32? = descriptor.withLock { descriptor in
            var rest = bytes[...]
            while !rest.isEmpty {
                let part = UnsafeRawBufferPointer(rebasing: rest)
                let count = Foundation.write(descriptor, part.baseAddress, part.count)
                if count < 0 && errno == EINTR { continue }
                guard count >= 0 else { return errno }
                rest = rest.dropFirst(count)
            }
            return nil
        }
        if let number { throw RequestError.storage(number) }
    }

    /// Ends writing.
    func close() {
        descriptor.withLock { descriptor in
            if descriptor >= 0 { Foundation.close(descriptor) }
            descriptor = -1
        }
    }
}

extension RequestError {
    /// Returns an error for a server that cannot write a file.
    ///
    /// - Parameter number: The operating system's error number.
    /// - Returns: An error with status 507 if the disk is full, 503 if it is read-only or file descriptors are short,
    ///   otherwise 500.
    static func storage(_ number: Int32) -> RequestError {
        let isFull = [ENOSPC, EDQUOT, EFBIG].contains(number)
        let isShort = [EMFILE, ENFILE, EROFS].contains(number)
        var error = RequestError(
            status: isFull ? .insufficientStorage : isShort ? .serviceUnavailable : .internalServerError,
            type: "storage",
            isFull
                ? "The server's disk is full"
                : "The server cannot store the upload (\(SystemReason.of(code: number)))",
            isFull ? "try again later, or send a shorter recording" : isShort ? "try again in a few seconds" : nil,
            headers: isShort ? ["Retry-After": "5"] : [:])
        error.hidden = "uploads cannot be stored in the temporary folder (\(SystemReason.of(code: number)))"
        return error
    }
}

import Foundation

/// A file that is being fetched: `NAME.part`, and beside it `NAME.part.source`, which says what it is a part of.
///
/// Bytes are only ever appended, so that a process that is killed leaves a beginning that another can go on from.
final class PartialFile {
    let url: URL
    private let destination: URL
    private let descriptor: Int32
    private(set) var size: Int
    /// Whether this process holds the lock: what another one is fetching is its own to remove.
    private var isOwned = false

    private var sourceURL: URL { url.appendingPathExtension("source") }

    /// Opens or creates the partial file of a destination, for this process alone.
    init(for destination: URL) throws {
        self.destination = destination
        url = destination.appendingPathExtension("part")
        do {
            try FileManager.default.createDirectory(
                at: destination.deletingLastPathComponent(), withIntermediateDirectories: true)
        } catch {
            throw FetchError.unwritable(
                file: destination.deletingLastPathComponent().path, reason: "the folder cannot be made")
        }
        descriptor = open(url.path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
        var status = stat()
        guard descriptor >= 0, fstat(descriptor, &status) == 0 else {
            throw FetchError.unwritable(file: url.path, reason: String(cString: strerror(errno)))
        }
        size = Int(status.st_size)
        // From here on this object closes the descriptor, also where its initializer throws.
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { throw FetchError.busy(file: destination.path) }
        isOwned = true
    }

    deinit {
        // An empty one is of no use to anybody.
        if size == 0, isOwned {
            unlink(url.path)
            unlink(sourceURL.path)
        }
        // A process being started at this moment still has the descriptor, and would keep the lock until it runs.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }

    func append(_ bytes: UnsafeBufferPointer<UInt8>) throws(FetchError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = write(descriptor, UnsafeBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw failure() }
            rest = rest.dropFirst(count)
            size += count
        }
    }

    /// Drops what has come.
    func discard() throws(FetchError) {
        guard ftruncate(descriptor, 0) == 0 else { throw failure() }
        unlink(sourceURL.path)
        size = 0
    }

    /// What a server said about the file whose beginning this is: its address and its ETag or time of change.
    var source: (address: String, validator: String)? {
        get {
            guard let text = try? String(contentsOf: sourceURL, encoding: .utf8) else { return nil }
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            return lines.count >= 2 && !lines[1].isEmpty ? (lines[0], lines[1]) : nil
        }
        set {
            if let newValue {
                try? Data("\(newValue.address)\n\(newValue.validator)\n".utf8).write(to: sourceURL, options: .atomic)
            } else {
                unlink(sourceURL.path)
            }
        }
    }

    /// Gives the whole file its name.
    func finish() throws(FetchError) {
        guard fsync(descriptor) == 0, rename(url.path, destination.path) == 0 else { throw failure() }
        unlink(sourceURL.path)
        size = -1
    }

    /// Sets the file aside as `NAME.damaged` and begins anew.
    ///
    /// Copies nothing: the name moves, and the next attempt finds no partial file.
    func setAside() throws(FetchError) -> URL {
        let damaged = destination.appendingPathExtension("damaged")
        guard rename(url.path, damaged.path) == 0 else { throw failure() }
        unlink(sourceURL.path)
        size = -1
        return damaged
    }

    private func failure() -> FetchError {
        let code = errno
        if code == ENOSPC || code == EDQUOT {
            let folder = destination.deletingLastPathComponent()
            return .noSpace(folder: folder.path, needed: 1 << 20, free: DiskSpace.free(folder) ?? 0)
        }
        return .unwritable(file: url.path, reason: String(cString: strerror(code)))
    }
}

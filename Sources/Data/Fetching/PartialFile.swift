import Foundation
import SystemPackage
import W2VBase

/// A file that is being fetched: `NAME.part`, with `NAME.part.source` beside it, which describes its source.
///
/// Bytes are only ever appended, so that a killed process leaves a beginning that another one can continue.
final class PartialFile {
    let url: URL
    private let destination: URL
    private let descriptor: FileDescriptor
    private(set) var size: Int
    /// Whether this process holds the lock; only the process that fetches a file may remove it.
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
        do {
            descriptor = try .open(
                url.path, .readWrite, options: [.create, .append, .closeOnExec],
                permissions: FilePermissions(rawValue: 0o666))
            size = Int(try descriptor.status().st_size)
        } catch let error as Errno {
            throw FetchError.notWritten(url, error)
        }
        // From here on this object closes the descriptor, also if its initializer throws.
        guard flock(descriptor.rawValue, LOCK_EX | LOCK_NB) == 0 else { throw FetchError.busy(file: destination.path) }
        isOwned = true
    }

    deinit {
        // An empty file is useless.
        if size == 0, isOwned {
            unlink(url.path)
            unlink(sourceURL.path)
        }
        // A process that is just being started still has the descriptor, and would keep the lock until it runs.
        flock(descriptor.rawValue, LOCK_UN)
        try? descriptor.close()
    }

    func append(_ bytes: UnsafeBufferPointer<UInt8>) throws(FetchError) {
        do throws(Errno) {
            try descriptor.write(all: UnsafeRawBufferPointer(bytes), counting: &size)
        } catch {
            throw failure(error)
        }
    }

    /// Discards the received bytes.
    func discard() throws(FetchError) {
        guard ftruncate(descriptor.rawValue, 0) == 0 else { throw failure(Errno(rawValue: errno)) }
        unlink(sourceURL.path)
        size = 0
    }

    /// The file's source: its address, and its ETag or modification time from the server.
    var source: (address: String, validator: String)? {
        get {
            guard let text = try? String(contentsOf: sourceURL, encoding: .utf8) else { return nil }
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            return lines.count >= 2 && !lines[1].isEmpty ? (lines[0], lines[1]) : nil
        }
        set {
            if let newValue {
                // Without it the next attempt starts over, which is not worth an error.
                try? AtomicFile.write(to: sourceURL) {
                    try $0.append(Data("\(newValue.address)\n\(newValue.validator)\n".utf8))
                }
            } else {
                unlink(sourceURL.path)
            }
        }
    }

    /// Gives the complete file its name.
    func finish() throws(FetchError) {
        do throws(Errno) {
            try descriptor.synchronize()
        } catch {
            throw failure(error)
        }
        try move(to: destination)
        unlink(sourceURL.path)
        size = -1
    }

    /// Sets the file aside as `NAME.damaged` and starts over.
    ///
    /// It is renamed, not copied, so that the next attempt does not find a partial file.
    func setAside() throws(FetchError) -> URL {
        let damaged = destination.appendingPathExtension("damaged")
        try move(to: damaged)
        unlink(sourceURL.path)
        size = -1
        return damaged
    }

    private func move(to place: URL) throws(FetchError) {
        do throws(FileWriteError) {
            try AtomicFolder.move(url, to: place)
        } catch {
            throw .notWritten(error)
        }
    }

    private func failure(_ code: Errno) -> FetchError { .notWritten(url, code) }
}
